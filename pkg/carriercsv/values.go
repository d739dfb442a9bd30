package carriercsv

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/byeguard/byeguard/pkg/billing"
)

// moment reads a time as µs, and the later moment that the same wall clock shows,
// where clocks were set back; 0 = there is none.
func (m *Map) moment(s string) (at, alt int64, err error) {
	if m.layout == "" {
		n, err := strconv.ParseInt(s, 10, 64)
		unit := int64(1_000_000)
		if m.Time == "unix_ms" {
			unit = 1000
		}
		if err == nil && n <= 0 {
			return 0, 0, fmt.Errorf("%q is no time of a call: it is not after 1970", s)
		}
		if err != nil || n > math.MaxInt64/unit/2 {
			return 0, 0, fmt.Errorf("%q is no time: a number since 1970 is expected (%s)", s, m.Time)
		}
		return n * unit, 0, nil
	}
	t, err := time.ParseInLocation(m.layout, s, m.zone)
	if err != nil {
		return 0, 0, fmt.Errorf("%q is no time of the form %s", s, m.Time)
	}
	if at = t.UnixMicro(); at <= 0 {
		return 0, 0, fmt.Errorf("%q is no time of a call: it is not after 1970", s)
	}
	// Go does not say which of two moments it took.
	for _, other := range []time.Duration{time.Hour, -time.Hour, 30 * time.Minute, -30 * time.Minute} {
		if o := t.Add(other); o.Format(m.layout) == t.Format(m.layout) {
			return min(at, o.UnixMicro()), max(at, o.UnixMicro()), nil
		}
	}
	return at, 0, nil
}

// longestMS is the longest call that is believed: a year.
const longestMS = 366 * 86_400_000

// millis reads a duration.
func (m *Map) millis(s string) (int64, error) {
	bad := func(why string) (int64, error) {
		return 0, fmt.Errorf("%q is no duration in %s: %s", s, m.Unit, why)
	}
	if s == "" {
		return bad("the field is empty")
	}
	if strings.HasPrefix(s, "-") {
		return bad("it is negative")
	}
	if m.Unit == UnitClock {
		parts := strings.Split(s, ":")
		if len(parts) < 2 || len(parts) > 3 {
			return bad("write it like 0:01:30")
		}
		total := int64(0)
		for i, p := range parts {
			n, err := strconv.ParseUint(p, 10, 24)
			if err != nil || i > 0 && n > 59 {
				return bad("write it like 0:01:30")
			}
			total = total*60 + int64(n)
		}
		return total * 1000, nil
	}
	factor := map[string]float64{UnitSeconds: 1000, UnitMillis: 1, UnitMinutes: 60_000}[m.Unit]
	plain := m.plain(s)
	f, err := strconv.ParseFloat(plain, 64)
	if err != nil || strings.Trim(plain, "0123456789.") != "" || f*factor > longestMS {
		return bad("a number is expected")
	}
	return int64(math.Round(f * factor)), nil
}

// plain writes a number as programs read it, without marks of thousands.
func (m *Map) plain(s string) string {
	if m.Decimal == "," {
		return strings.ReplaceAll(strings.ReplaceAll(s, ".", ""), ",", ".")
	}
	return strings.ReplaceAll(s, ",", "")
}

// money reads an amount. What is beyond millionths is rounded half up.
func (m *Map) money(s string) (billing.Money, error) {
	t, negative := strings.CutPrefix(m.plain(strings.TrimSpace(strings.Trim(s, "€$£ "))), "-")
	whole, part, _ := strings.Cut(t, ".")
	if whole+part == "" || strings.Trim(whole+part, "0123456789") != "" || len(whole) > 12 {
		return 0, fmt.Errorf("%q is no amount of money", s)
	}
	up := int64(0)
	if len(part) > billing.MoneyDecimals {
		if part[billing.MoneyDecimals] >= '5' {
			up = 1
		}
		part = part[:billing.MoneyDecimals]
	}
	n, err := strconv.ParseInt("0"+whole+part+strings.Repeat("0", billing.MoneyDecimals-len(part)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no amount of money", s)
	}
	if n += up; negative {
		n = -n
	}
	return billing.Money(n), nil
}
