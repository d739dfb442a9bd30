package table

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Column is one property of the things in a list.
type Column[T any] struct {
	// Key names it in JSON and CSV.
	Key string
	// Title is its heading in tables; "" leaves it out there.
	Title string
	// Value is its exact value: a string, integer, bool, time.Time (the zero
	// time is null), time.Duration (written as whole milliseconds), []string,
	// json.RawMessage or nil.
	Value func(*T) any
	// Words says it for people; nil: as Value.
	Words func(*T, *Clock) string
	// Elastic ones are shortened where a table would be too wide, and to 100
	// characters anywhere; others to 300.
	Elastic bool
	// Right aligns it to the right in tables.
	Right bool
}

func (c *Column[T]) words(row *T, clock *Clock) string {
	if c.Words != nil {
		return Printable(c.Words(row, clock))
	}
	switch v := c.Value(row).(type) {
	case nil:
		return ""
	case time.Time:
		return clock.Time(v)
	case time.Duration:
		return clock.Span(v)
	default:
		return Printable(plain(v))
	}
}

// label names the column beside a single row.
func (c *Column[T]) label() string {
	if c.Title != "" {
		return strings.TrimSuffix(c.Title, " ({zone})")
	}
	return strings.ReplaceAll(strings.TrimSuffix(c.Key, "_ms"), "_", " ")
}

// plain is a value as text, for CSV and tables.
func plain(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case time.Time:
		if v.IsZero() {
			return ""
		}
		return v.UTC().Format(stamp)
	case time.Duration:
		return strconv.FormatInt(v.Milliseconds(), 10)
	case []string:
		return strings.Join(v, " ")
	case json.RawMessage:
		return string(v)
	}
	return fmt.Sprint(v)
}

// stamp is RFC 3339 with milliseconds, always of one length.
const stamp = "2006-01-02T15:04:05.000Z07:00"
