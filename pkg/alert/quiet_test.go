package alert_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/alert"
)

func at(t *testing.T, zone, text string) time.Time {
	t.Helper()
	loc, err := time.LoadLocation(zone)
	require.NoError(t, err)
	when, err := time.ParseInLocation("2006-01-02 15:04:05", text, loc)
	require.NoError(t, err)
	return when
}

// Quiet hours end by the clock on the wall, also where it is changed.
func TestQuietHours(t *testing.T) {
	t.Parallel()
	night := []alert.Quiet{{From: "22:00", To: "07:00"}}
	weekend := []alert.Quiet{{From: "00:00", To: "00:00", Days: []string{"sat", "sun"}}}
	hole := []alert.Quiet{{From: "02:30", To: "04:00"}}
	twice := []alert.Quiet{{From: "22:00", To: "02:30"}}
	for name, c := range map[string]struct {
		quiet     []alert.Quiet
		now, want string
	}{
		"before":                            {night, "2026-11-23T21:59:59+01:00", "2026-11-23T21:59:59+01:00"},
		"at its begin":                      {night, "2026-11-23T22:00:00+01:00", "2026-11-24T07:00:00+01:00"},
		"after midnight":                    {night, "2026-11-24T03:00:00+01:00", "2026-11-24T07:00:00+01:00"},
		"at its end":                        {night, "2026-11-24T07:00:00+01:00", "2026-11-24T07:00:00+01:00"},
		"a night of 8 hours":                {night, "2026-03-28T22:30:00+01:00", "2026-03-29T07:00:00+02:00"},
		"a night of 10 hours":               {night, "2026-10-24T22:30:00+02:00", "2026-10-25T07:00:00+01:00"},
		"days join":                         {weekend, "2026-11-21T12:00:00+01:00", "2026-11-23T00:00:00+01:00"},
		"on another day":                    {weekend, "2026-11-20T12:00:00+01:00", "2026-11-20T12:00:00+01:00"},
		"begins in the hour that is not":    {hole, "2026-03-29T03:10:00+02:00", "2026-03-29T04:00:00+02:00"},
		"before the hour that is not":       {hole, "2026-03-29T01:59:00+01:00", "2026-03-29T01:59:00+01:00"},
		"ends in the hour that comes twice": {twice, "2026-10-24T23:00:00+02:00", "2026-10-25T02:30:00+02:00"},
		"in that hour's second time":        {twice, "2026-10-25T02:10:00+01:00", "2026-10-25T02:10:00+01:00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loc, err := time.LoadLocation("Europe/Berlin")
			require.NoError(t, err)
			now, err := time.Parse(time.RFC3339, c.now)
			require.NoError(t, err)
			until, ok := alert.QuietUntil(c.quiet, now, loc)
			require.True(t, ok)
			require.Equal(t, c.want, until.Format(time.RFC3339))
		})
	}
}

func TestDigestTimes(t *testing.T) {
	t.Parallel()
	const zone = "Europe/Berlin"
	for _, c := range []struct{ spec, now, want string }{
		{"08:00", "2026-11-23 07:59:00", "2026-11-23 08:00:00"},
		{"08:00", "2026-11-23 08:00:00", "2026-11-24 08:00:00"},
		{"08:00", "2026-03-28 09:00:00", "2026-03-29 08:00:00"}, // 23 hours
		{"08:00", "2026-10-24 09:00:00", "2026-10-25 08:00:00"}, // 25 hours
		{"1h", "2026-11-23 07:59:00", "2026-11-23 08:00:00"},
		{"15m", "2026-11-23 08:00:00", "2026-11-23 08:15:00"},
	} {
		now := at(t, zone, c.now)
		got, err := alert.NextDigest(c.spec, now, now.Location())
		require.NoError(t, err)
		require.Equal(t, at(t, zone, c.want), got.In(now.Location()), "%s after %s", c.spec, c.now)
	}
	for _, bad := range []string{"", "8", "25:00", "1s", "2d", "-1h"} {
		_, err := alert.NextDigest(bad, time.Now(), time.UTC)
		require.Error(t, err, bad)
	}
}

// FuzzQuiet: quiet hours end, and never before they are asked about.
func FuzzQuiet(f *testing.F) {
	f.Add("22:00", "07:00", int64(1774659000), "mon")
	f.Add("02:30", "02:30", int64(1792890000), "")
	f.Fuzz(func(t *testing.T, from, to string, sec int64, day string) {
		q := alert.Quiet{From: from, To: to}
		if day != "" {
			q.Days = []string{day}
		}
		if q.Validate() != nil || sec < 0 || sec > 4e9 {
			return
		}
		for _, name := range []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"} {
			loc, err := time.LoadLocation(name)
			require.NoError(t, err)
			now := time.Unix(sec, 0)
			until, ok := alert.QuietUntil([]alert.Quiet{q}, now, loc)
			require.False(t, until.Before(now))
			if ok {
				again, _ := alert.QuietUntil([]alert.Quiet{q}, until, loc)
				require.True(t, again.Equal(until), "the end of quiet is not quiet")
			}
		}
	})
}
