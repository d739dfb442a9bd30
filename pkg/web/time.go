package web

import "time"

// Time is a moment as the API writes it: RFC 3339 in UTC with milliseconds.
type Time struct{ time.Time }

const timeForm = "2006-01-02T15:04:05.000Z"

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	return t.UTC().AppendFormat([]byte{'"'}, timeForm+`"`), nil
}

// At returns a time that may be missing: nil where it is zero.
func At(t time.Time) *Time {
	if t.IsZero() {
		return nil
	}
	return &Time{t}
}

// Ptr returns a time that may be missing as the API writes it.
func Ptr(t *time.Time) *Time {
	if t == nil {
		return nil
	}
	return At(*t)
}
