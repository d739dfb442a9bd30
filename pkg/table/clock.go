package table

import (
	"fmt"
	"time"
)

// Clock says times to people: in their zone, against their now.
type Clock struct {
	Now  time.Time
	Zone *time.Location
	// Full adds milliseconds, and to each time its zone.
	Full bool
}

// Abbreviation names the zone as it is now: "CET", or "+03" where it has no name.
func (c *Clock) Abbreviation() string { return c.Now.In(c.Zone).Format("MST") }

// Time is the date and time of t to the second. Where the zone has another
// name at t than now (summer time), the name is added. The zero time is "".
func (c *Clock) Time(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	t = t.In(c.Zone)
	if c.Full {
		return t.Format("2006-01-02 15:04:05.000 MST")
	}
	s := t.Format("2006-01-02 15:04:05")
	if name := t.Format("MST"); name != c.Abbreviation() {
		s += " " + name
	}
	return s
}

// Since is the time from t until now, "" for the zero time.
func (c *Clock) Since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return c.Span(max(c.Now.Sub(t), 0))
}

// Span is a duration as h:mm:ss, what is left of a second cut off unless Full.
func (c *Clock) Span(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	s := int64(d / time.Second)
	text := fmt.Sprintf("%s%d:%02d:%02d", sign, s/3600, s/60%60, s%60)
	if c.Full {
		text += fmt.Sprintf(".%03d", d%time.Second/time.Millisecond)
	}
	return text
}
