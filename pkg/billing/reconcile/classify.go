package reconcile

import (
	"fmt"
	"time"
)

// zoneStep is what zones differ by; there are none further apart than zoneMost.
const (
	zoneStep = 15 * time.Minute
	zoneMost = 26 * time.Hour
)

// judge says what is to be said of two sides of one call.
func (o *Options) judge(a, b *Record) (Class, string) {
	carrier := a.Carrier
	if carrier == "" {
		carrier = b.Carrier
	}
	tol := o.tolerance(carrier)
	switch {
	case o.Live || a.Open && b.Open:
		return Matched, "up on both sides"
	case a.Open:
		return StillOpen, "ended there " + span(b.DurationMS) + " after its start; byeguard has not seen its end"
	case a.Unseen:
		return Matched, "byeguard saw only the end of this call"
	}
	if class, why, ok := o.judgeLength(a, b, tol); !ok {
		return class, why
	}
	if class, why, ok := o.judgeStart(a, b, tol); !ok {
		return class, why
	}
	if o.lacksKey(b) {
		return KeyMissing, "its row has no " + o.keyName() + "; time and length fit"
	}
	d := b.DurationMS - a.DurationMS
	if b.DurationMS < 0 || abs(d) <= tolerated(tol, a) {
		return Matched, ""
	}
	return Rounding, fmt.Sprintf("%s here, rounded to %s there", span(a.DurationMS), span(b.DurationMS))
}

// tolerated is by how many ms lengths may differ: a REAL column holds 24 bits, so
// of a call of days it loses some hundredths of a second.
func tolerated(tol Tolerance, a *Record) int64 {
	return tol.Duration.Milliseconds() + a.DurationMS>>22
}

// judgeLength is true if the lengths agree, be it by rounding.
func (o *Options) judgeLength(a, b *Record, tol Tolerance) (class Class, why string, ok bool) {
	most := tolerated(tol, a)
	if !a.answered() {
		rang := int64(0)
		if a.End > a.Setup && a.Setup != 0 {
			rang = (a.End - a.Setup) / 1000
		}
		switch {
		case b.DurationMS <= most:
			return Matched, "", true
		case b.DurationMS <= rang+most+o.step(a, b):
			return Ringing, fmt.Sprintf("never answered here, rang for %s; billed as %s there", span(rang), span(b.DurationMS)), false
		}
		return DurationDiffers, fmt.Sprintf("never answered here, %s there", span(b.DurationMS)), false
	}
	if b.DurationMS < 0 || a.DurationMS < 0 {
		return Matched, "", true // nothing to compare
	}
	if b.DurationMS == 0 && a.DurationMS > most {
		return ZeroDuration, fmt.Sprintf("0 s there, %s here", span(a.DurationMS)), false
	}
	d := b.DurationMS - a.DurationMS
	if abs(d) <= most || o.rounded(a, b) {
		return Matched, "", true
	}
	step := o.step(a, b) + most
	if ring := (a.Start - a.Setup) / 1000; a.Setup != 0 && ring > most && abs(d-ring) <= step+min(tol.Start.Milliseconds(), ring/8) && closer(b, a.Setup, a.Start, tol) {
		return Ringing, fmt.Sprintf("longer there by %s: it rang for %s before it was answered", span(d), span(ring)), false
	}
	over := a.OverrunMS
	switch {
	case over > most && d > 0 && (abs(d-over) <= step || a.Upper && d <= over+step):
		return RanOn, fmt.Sprintf("longer there by %s: that leg ran on for %s after the call had ended", span(d), span(over)), false
	case over < 0 && d > 0:
		return RanOn, fmt.Sprintf("longer there by %s: nobody could confirm that this leg had ended", span(d)), false
	}
	side := "longer"
	if d < 0 {
		side = "shorter"
	}
	return DurationDiffers, fmt.Sprintf("%s there than here by %s (%s, %s)", side, span(abs(d)), span(b.DurationMS), span(a.DurationMS)), false
}

// closer says that b began nearer to one time than to another, or that neither is
// to be told apart by its start.
func closer(b *Record, to, than int64, tol Tolerance) bool {
	return abs(b.Start-to) <= abs(b.Start-than)+tol.Start.Microseconds()
}

// rounded says that whole seconds or the carrier's rule explain the difference.
func (o *Options) rounded(a, b *Record) bool {
	if b.DurationMS%1000 != 0 {
		return false
	}
	return abs(b.DurationMS-a.DurationMS) < 1000 || a.BillableS >= 0 && a.IncrementS > 0 && b.DurationMS/1000 == a.BillableS
}

// step is by how many ms a length may be rounded.
func (o *Options) step(a, b *Record) int64 {
	if b.DurationMS%1000 != 0 {
		return 0
	}
	if a.IncrementS > 0 && b.DurationMS/1000%a.IncrementS == 0 {
		return a.IncrementS * 1000
	}
	return 1000
}

// judgeStart is true if the starts agree.
func (o *Options) judgeStart(a, b *Record, tol Tolerance) (class Class, why string, ok bool) {
	if !a.answered() {
		return Matched, "", true
	}
	d := microseconds(b.Start - a.Start)
	if alt := microseconds(b.Alt - a.Start); b.Alt != 0 && abs(alt) < abs(d) {
		d = alt
	}
	if abs(d) <= tol.Start {
		return Matched, "", true
	}
	if k := zones(d, tol.Start); k != 0 {
		return ZoneShift, fmt.Sprintf("starts %s there: another time zone, or daylight-saving time", away(time.Duration(k)*zoneStep)), false
	}
	return ClockSkew, fmt.Sprintf("starts %s there, and is as long: the clocks differ", away(d.Round(time.Millisecond))), false
}

// zones says how many zone steps d is, 0 if it is not a number of them.
func zones(d, tol time.Duration) int64 {
	k := int64(d.Round(zoneStep) / zoneStep)
	if k == 0 || abs(d) > zoneMost || abs(d-time.Duration(k)*zoneStep) > max(tol, time.Second) {
		return 0
	}
	return k
}

func away(d time.Duration) string {
	if d < 0 {
		return (-d).String() + " earlier"
	}
	return d.String() + " later"
}

func (o *Options) lacksKey(b *Record) bool {
	switch {
	case o.Keys.CallID:
		return b.CallID == ""
	case o.Keys.From && o.Keys.To:
		return b.From == "" && b.To == ""
	}
	return o.Keys.From && b.From == "" || o.Keys.To && b.To == ""
}

func (o *Options) keyName() string {
	if o.Keys.CallID {
		return "Call-ID"
	}
	return "number"
}

// span writes ms as people read them.
func span(ms int64) string {
	if ms < 0 {
		return "an unknown time"
	}
	return (time.Duration(ms) * time.Millisecond).String()
}

func abs[T int64 | time.Duration](n T) T {
	if n < 0 {
		return -n
	}
	return n
}
