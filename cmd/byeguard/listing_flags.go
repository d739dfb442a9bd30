package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/table"
)

// listFlags are the flags that all lists have.
type listFlags struct {
	output, since, until, node, state, callID string
	limit                                     int
}

func (f *listFlags) add(cmd *cobra.Command, what string, states []string) {
	fs := cmd.Flags()
	fs.StringVarP(&f.output, "output", "o", "table", "table, json (one array) or csv")
	fs.StringVar(&f.since, "since", "", "from this time on: 2026-11-23, 2026-11-23T16:00:00Z, or 90m, 2h, 3d ago")
	fs.StringVar(&f.until, "until", "", "before this time; a date means the end of its day")
	fs.StringVar(&f.node, "node", "", "only "+what+" of this node")
	fs.StringVar(&f.state, "state", "", strings.Join(states, ", "))
	fs.StringVar(&f.callID, "call-id", "", "only "+what+" of this Call-ID")
	fs.IntVar(&f.limit, "limit", store.DefaultLimit, "how many, newest first; 0 = all")
}

func (f *listFlags) parse(con *console, states []string) (store.Filter, table.Options, error) {
	filter := store.Filter{Node: f.node, CallID: table.Unprintable(f.callID), State: f.state, Limit: f.limit}
	opts := table.Options{Clock: con.clock()}
	var err error
	if opts.Format, err = table.ParseFormat(f.output); err != nil {
		return filter, opts, err
	}
	if f.limit < 0 {
		return filter, opts, fmt.Errorf("--limit %d is negative: use 0 for all", f.limit)
	}
	if f.state != "" && !slices.Contains(states, f.state) {
		return filter, opts, fmt.Errorf("--state %q is unknown: use %s", f.state, strings.Join(states, ", "))
	}
	now := opts.Clock.Now.In(con.zone)
	if filter.Since, err = parseTime(f.since, now, false); err != nil {
		return filter, opts, fmt.Errorf("--since: %w", err)
	}
	if filter.Until, err = parseTime(f.until, now, true); err != nil {
		return filter, opts, fmt.Errorf("--until: %w", err)
	}
	if !filter.Until.IsZero() && !filter.Since.Before(filter.Until) {
		return filter, opts, fmt.Errorf("--since %s is not before --until %s", f.since, f.until)
	}
	return filter, opts, nil
}

// localTimes are read in the zone of the machine.
var localTimes = [...]string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04"}

// parseTime reads a time of a command line; "" is the zero time. A date is the
// begin of its day, or its end, in the zone of now.
func parseTime(s string, now time.Time, end bool) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, s, now.Location()); err == nil {
		if end {
			t = t.AddDate(0, 0, 1)
		}
		return t, nil
	}
	for _, layout := range localTimes {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	if ago, ok := parseAgo(s); ok {
		return now.Add(-ago), nil
	}
	return time.Time{}, fmt.Errorf("%q is no time: write it like 2026-11-23, 2026-11-23T16:00:00Z, or 90m, 2h, 3d (ago)", s)
}

// maxAgo is some 100 years: more overflows nothing and is a slip.
const maxAgo = 100 * 366 * 24 * time.Hour

var units = map[byte]time.Duration{
	's': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour,
}

// parseAgo reads a length of time like 90m, 1h30m, 2h, 3d, 1w or 1d12h.
func parseAgo(s string) (ago time.Duration, ok bool) {
	for s != "" {
		digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
		if digits == 0 || digits == len(s) {
			return 0, false
		}
		n, err := strconv.ParseInt(s[:digits], 10, 32)
		unit, known := units[s[digits]]
		if err != nil || !known || n > int64(maxAgo/unit) {
			return 0, false
		}
		if ago += time.Duration(n * int64(unit)); ago > maxAgo {
			return 0, false
		}
		s = s[digits+1:]
	}
	return ago, true
}
