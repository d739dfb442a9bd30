package alert

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Quiet is a time of the day in which a route is told nothing that can wait.
type Quiet struct {
	From string   `koanf:"from"` // "22:00"
	To   string   `koanf:"to"`   // "07:00": of the next day where it is not after From
	Days []string `koanf:"days"` // on which it begins, "mon" to "sun"; empty = each
}

var days = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} // as time.Weekday counts

// Validate says what is wrong, nil if nothing.
func (q *Quiet) Validate() error {
	var errs []error
	for _, s := range [...]string{q.From, q.To} {
		if _, _, err := clock(s); err != nil {
			errs = append(errs, err)
		}
	}
	for _, d := range q.Days {
		if !slices.Contains(days, strings.ToLower(d)) {
			errs = append(errs, fmt.Errorf("%q is no day; use mon, tue, wed, thu, fri, sat or sun", d))
		}
	}
	return errors.Join(errs...)
}

// clock reads "22:00".
func clock(s string) (hour, minute int, err error) {
	t, err := time.Parse("15:04", s)
	if err != nil {
		return 0, 0, fmt.Errorf("%q is no time of the day; use one like 22:00", s)
	}
	return t.Hour(), t.Minute(), nil
}

// on returns the time of the day s on the day of t, some days later. A time that
// the change to summer time leaves out is the moment of the change's other side; of one
// that comes twice the first counts.
func on(t time.Time, later int, s string) time.Time {
	hour, minute, err := clock(s)
	if err != nil {
		return time.Time{} // Validate has refused it
	}
	y, m, d := t.Date()
	at := time.Date(y, m, d+later, hour, minute, 0, 0, t.Location())
	// time.Date does not say which of the two it takes.
	for _, back := range [...]time.Duration{2 * time.Hour, time.Hour, 30 * time.Minute} {
		e := at.Add(-back)
		if e.Hour() == hour && e.Minute() == minute && e.Day() == at.Day() {
			return e
		}
	}
	if at.Hour() != hour || at.Minute() != minute { // left out: when the clocks have jumped
		_, begins := jump(at)
		return begins
	}
	return at
}

// jump returns the change of the zone nearest to t, within three hours.
func jump(t time.Time) (found bool, at time.Time) {
	lo, hi := t.Add(-3*time.Hour), t.Add(3*time.Hour)
	_, before := lo.Zone()
	if _, after := hi.Zone(); before == after {
		return false, t
	}
	for hi.Sub(lo) > time.Second {
		mid := lo.Add(hi.Sub(lo) / 2)
		if _, off := mid.Zone(); off == before {
			lo = mid
		} else {
			hi = mid
		}
	}
	return true, hi.Truncate(time.Second)
}

// window returns the time that begins at From on the day of t, some days later.
func (q *Quiet) window(t time.Time, later int) (from, to time.Time, ok bool) {
	from = on(t, later, q.From)
	if y, m, d := t.Date(); len(q.Days) > 0 {
		begins := time.Date(y, m, d+later, 12, 0, 0, 0, t.Location()).Weekday()
		if !slices.ContainsFunc(q.Days, func(s string) bool { return strings.EqualFold(s, days[begins]) }) {
			return from, from, false
		}
	}
	next := 0
	if q.To <= q.From { // both are hh:mm
		next = 1
	}
	return from, on(t, later+next, q.To), true
}

// quietUntil returns when the quiet that t falls in ends, t where it falls in
// none. ok is false where it does not end within a fortnight.
func quietUntil(list []Quiet, t time.Time, zone *time.Location) (until time.Time, ok bool) {
	until = t.In(zone)
	for range 64 {
		moved := false
		for i := range list {
			for _, later := range [...]int{-1, 0} {
				if from, to, ok := list[i].window(until, later); ok && !until.Before(from) && until.Before(to) {
					until, moved = to, true
				}
			}
		}
		if !moved {
			return until, true
		}
		if until.Sub(t) > 14*24*time.Hour {
			return until, false
		}
	}
	return until, false
}

// nextDigest returns when the next digest after t is due: each day at a time,
// or whenever so much time has passed since midnight UTC.
func nextDigest(spec string, t time.Time, zone *time.Location) (time.Time, error) {
	if _, _, err := clock(spec); err == nil {
		local := t.In(zone)
		at := on(local, 0, spec)
		if !at.After(t) {
			at = on(local, 1, spec)
		}
		return at, nil
	}
	every, err := time.ParseDuration(spec)
	if err != nil || every < time.Minute || every > 24*time.Hour {
		return t, fmt.Errorf("%q; use a time of the day, as 08:00, or a length of time from 1m to 24h, as 1h", spec)
	}
	return t.Truncate(every).Add(every), nil
}
