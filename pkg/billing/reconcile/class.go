package reconcile

// Class says what became of the comparison of a call. docs/reconcile.md shows
// each to billing people.
type Class string

// Classes, "here" being byeguard and "there" the other list.
const (
	Matched         Class = "matched"          // the same within the tolerances
	Rounding        Class = "rounding"         // the length differs by rounding alone
	DurationDiffers Class = "duration_differs" // the length differs, no known reason explains it
	RanOn           Class = "ran_on"           // longer there by as much as that leg ran on after the call's end
	MissingHere     Class = "missing_here"     // a call there that byeguard has not
	MissingThere    Class = "missing_there"    // a call of byeguard's that is not there
	Duplicate       Class = "duplicate"        // once here, again there
	ClockSkew       Class = "clock_skew"       // the same length at another time
	ZoneShift       Class = "zone_shift"       // the same, a whole number of quarter hours away
	Ringing         Class = "ringing"          // the time of ringing counts there as talking
	ZeroDuration    Class = "zero_duration"    // of no length there, though it was talked
	KeyMissing      Class = "key_missing"      // fits, but lacks the key that its list has
	StillOpen       Class = "still_open"       // up here, so not to be compared yet
)

// Classes are all of them in the order of a summary.
func Classes() []Class {
	return []Class{
		Matched, Rounding, StillOpen, KeyMissing, ClockSkew, ZoneShift, DurationDiffers, RanOn, Ringing, ZeroDuration,
		Duplicate, MissingHere, MissingThere,
	}
}

// Known says whether c is one of them.
func (c Class) Known() bool {
	for _, k := range Classes() {
		if c == k {
			return true
		}
	}
	return false
}
