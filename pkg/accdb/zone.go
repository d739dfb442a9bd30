package accdb

import "time"

// wall turns times as a clock on the wall showed them into moments.
type wall struct {
	zone *time.Location
	hour int64 // of the last answer
	off  [2]int64
	ok   bool
}

const hourUS = 3_600_000_000

// moment returns the moment that a wall clock shows as us, and a later one that it
// shows alike, where clocks were set back; 0 = there is none.
func (w *wall) moment(us int64) (at, alt int64) {
	if us == 0 || w.zone == time.UTC {
		return us, 0
	}
	// Zones change on quarter hours.
	q := us / (hourUS / 4)
	if !w.ok || q != w.hour {
		w.off[0], w.off[1] = offsets(w.zone, us)
		w.hour, w.ok = q, true
	}
	at = us - w.off[0]
	if w.off[1] != w.off[0] {
		alt = us - w.off[1]
	}
	return at, alt
}

// offsets returns the zone's offsets in µs that make sense of a wall time, the
// one of the earlier moment first. Of a time that never was (clocks were set
// ahead) it is the one from before.
func offsets(zone *time.Location, us int64) (first, second int64) {
	var fit []int64
	for _, probe := range []int64{us - 26*hourUS, us + 26*hourUS} {
		_, s := time.UnixMicro(probe).In(zone).Zone()
		off := int64(s) * 1_000_000
		if _, there := time.UnixMicro(us - off).In(zone).Zone(); int64(there)*1_000_000 == off {
			fit = append(fit, off)
		}
	}
	switch {
	case len(fit) == 2:
		return max(fit[0], fit[1]), min(fit[0], fit[1])
	case len(fit) == 1:
		return fit[0], fit[0]
	}
	_, s := time.UnixMicro(us - 26*hourUS).In(zone).Zone()
	return int64(s) * 1_000_000, int64(s) * 1_000_000
}

// shows returns what a wall clock shows at a moment.
func (w *wall) shows(at int64) int64 {
	_, s := time.UnixMicro(at).In(w.zone).Zone()
	return at + int64(s)*1_000_000
}
