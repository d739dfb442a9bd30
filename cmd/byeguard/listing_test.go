package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
)

// someFlows is one call of each fate.
func someFlows() []*flow {
	return []*flow{
		newFlow("repaired@home.example", 0).answer().oneSided().repair(200, "OK"),
		newFlow("challenged@home.example", time.Minute).answer().oneSided().repair(407, "Proxy Authentication Required"),
		newFlow("hangup@home.example", 2*time.Minute).answer().hangup(),
		newFlow("failed@home.example", 3*time.Minute).failed(),
		newFlow("up@home.example", 4*time.Minute).answer(),
		newFlow("ending@home.example", 5*time.Minute).answer().oneSided(),
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	b := newBench(t, someFlows()...)
	for _, what := range []string{"dialogs", "incidents", "cdrs"} {
		for _, format := range []string{"table", "json", "csv"} {
			golden(t, what+"."+format, b.print(what, "list", "--output", format))
		}
	}
	golden(t, "dialogs_show.txt", b.print("dialogs", "show", "ending@home.example"))
	golden(t, "dialogs_show.json", b.print("dialogs", "show", "ending@home.example", "-o", "json"))
	golden(t, "incidents_show.txt", b.print("incidents", "show", "2"))
	golden(t, "incidents_show.json", b.print("incidents", "show", "2", "-o", "json"))
	golden(t, "calls_show.json", b.print("calls", "show", "repaired@home.example", "-o", "json"))
}

func TestFilters(t *testing.T) {
	t.Parallel()
	b := newBench(t, someFlows()...)
	for _, c := range []struct {
		args string
		want string // Call-IDs, without what follows @
	}{
		{"cdrs list", "ending up failed hangup challenged repaired"},
		{"cdrs list --limit 2", "ending up"},
		{"cdrs list --limit 0", "ending up failed hangup challenged repaired"},
		{"cdrs list --repaired", "repaired"},
		{"cdrs list --repaired --limit 1", "repaired"},
		{"cdrs list --state open", "ending up"},
		{"cdrs list --state final --limit 1", "failed"},
		{"cdrs list --node kam1 --limit 1", "ending"},
		{"cdrs list --node kam2", ""},
		{"cdrs list --call-id hangup@home.example", "hangup"},
		{"cdrs list --since 2026-11-23T15:04:00Z", "ending up"},
		{"cdrs list --until 2026-11-23T15:01:00Z", "repaired"},
		{"cdrs list --since 2026-11-23T16:01:00+01:00 --until 2026-11-23T15:03:00Z", "hangup challenged"},
		{"cdrs list --since 2026-11-23 --until 2026-11-23 --limit 1", "ending"},
		{"cdrs list --since 117m", "ending up failed"},
		{"cdrs list --until 1d", ""},
		{"dialogs list", "ending up"},
		{"dialogs list --state ending", "ending"},
		{"dialogs list --since 116m", "ending up"},
		{"dialogs list --call-id up@home.example", "up"},
		{"incidents list --until 2026-11-23T15:02:00Z", "repaired"},
		{"incidents list --state resolved", "challenged repaired"},
		{"incidents list --state open", "challenged"},
		{"incidents list --limit 1", "challenged"},
		{"incidents list --call-id repaired@home.example", "repaired"},
	} {
		var rows []struct {
			CallID string `json:"call_id"`
		}
		out := b.print(append(strings.Fields(c.args), "-o", "json")...)
		require.NoError(t, json.Unmarshal([]byte(out), &rows), c.args)
		var ids []string
		for _, r := range rows {
			ids = append(ids, strings.TrimSuffix(r.CallID, "@home.example"))
		}
		require.Equal(t, c.want, strings.Join(ids, " "), c.args)
	}
}

func TestNothingFound(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for what, words := range map[string]string{"cdrs": "CDRs", "dialogs": "live calls", "incidents": "incidents"} {
		out, errs, err := b.run(what, "list")
		require.NoError(t, err)
		require.Empty(t, out)
		require.Equal(t, "no "+words+" found\n", errs)
		require.Equal(t, "[]\n", b.print(what, "list", "-o", "json"))
		require.Equal(t, 1, strings.Count(b.print(what, "list", "-o", "csv"), "\r\n"), "the header")
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, c := range []struct {
		args string
		code int
		text string // in the error
	}{
		{"cdrs list", exitOK, ""},
		{"cdrs list --limit -1", exitUsage, "use 0 for all"},
		{"cdrs list --limit many", exitUsage, "invalid argument"},
		{"cdrs list --output xml", exitUsage, "table, json or csv"},
		{"cdrs list --state up", exitUsage, "open, final, late, corrected"},
		{"cdrs list --released-by nobody", exitUsage, "caller, callee"},
		{"cdrs list --repaired --not-repaired", exitUsage, "exclude each other"},
		{"cdrs list --number ++", exitUsage, "no digits"},
		{"cdrs list --carrier acme", exitUsage, "no carriers are known"},
		{"cdrs export --format xml", exitUsage, "csv or parquet"},
		{"cdrs export --after x", exitUsage, "an export printed"},
		{"cdrs export --after 00000000-5", exitError, "another database"},
		{"cdrs export --limit -1", exitUsage, "use 0 for all"},
		{"cdrs export --out /nonexistent/x.csv", exitError, "no such file"},
		{"report --by hour", exitUsage, "day, carrier or node"},
		{"report --zone Mars/Olympus", exitUsage, "tz database"},
		{"report --assume -1h", exitUsage, "negative"},
		{"retention run", exitError, "set retention_events"},
		{"retention", exitUsage, "run"},
		{"dialogs list --state final", exitUsage, "up, ending"},
		{"cdrs list --since yesterday", exitUsage, "--since"},
		{"cdrs list --until 3y", exitUsage, "--until"},
		{"cdrs list --since 1h --until 2h", exitUsage, "not before"},
		{"cdrs list --nodes x", exitUsage, "unknown flag"},
		{"cdrs list extra", exitUsage, "usage: byeguard cdrs list"},
		{"cdrs", exitUsage, "list"},
		{"cdrs drop", exitUsage, `unknown command "drop"`},
		{"cdrs show", exitUsage, "arg"},
		{"cdrs show x", exitError, "no record of call x"},
		{"calls show", exitUsage, "arg"},
		{"calls show x -o csv", exitUsage, "csv is for lists"},
		{"calls show x", exitError, "no call x"},
		{"calls show 00112233445566778899aabbccddeeff", exitError, "no call"},
		{"dialogs show x", exitError, "no live call x"},
		{"incidents show 7", exitError, "no incident 7"},
		{"incidents show x", exitUsage, "no number"},
		{"migrate", exitUsage, "down, status, up"},
		{"migrate down", exitUsage, "--yes"},
		{"migrate status -o xml", exitUsage, "table, json or csv"},
	} {
		_, _, err := b.run(strings.Fields(c.args)...)
		require.Equal(t, c.code, exitCode(err), "%s: %v", c.args, err)
		if c.text != "" {
			require.ErrorContains(t, err, c.text, c.args)
		}
	}
}

// hostileID has what a terminal, a spreadsheet, JSON and SQL might obey.
const hostileID = "=HYPERLINK(\"http://evil\")\x1b]0;x\x07\x1b[31m\u009b2J\u202e\xff\x00'\t\r\n\\x1b%s{}@h"

func TestHostileTexts(t *testing.T) {
	t.Parallel()
	f := newFlow(hostileID, 0)
	f.caller = "sip:\x1b[2J\xfe\"=cmd|' /C calc'!A0@h"
	b := newBench(t, f.answer().oneSided().repair(200, "O\x1bK\n\xfd"))
	var tables []string
	for _, args := range [][]string{
		{"cdrs", "list"}, {"incidents", "list"}, {"incidents", "show", "1"}, {"calls", "show", hostileID},
		{"cdrs", "list", "-o", "json"}, {"cdrs", "list", "-o", "csv"}, {"calls", "show", hostileID, "-o", "json"},
	} {
		out := b.print(args...)
		for _, r := range out {
			require.False(t, r < ' ' && r != '\n' && r != '\r' || r >= 0x7f && r <= 0x9f || r == 0x202e || r == 0xfffd, "%q in %v", r, args)
		}
		tables = append(tables, out)
	}
	require.Contains(t, tables[0], `=HYPERLINK("http://evil")\x1b]0;x\x07\x1b[31m\u{9b}2J\u{202e}\xff\x00'\x09\x0d\x0a\x5cx1b%s{}@h`)

	// What a table shows finds the call again.
	require.Equal(t, tables[3], b.print("calls", "show", `=HYPERLINK("http://evil")\x1b]0;x\x07\x1b[31m\u{9b}2J\u{202e}\xff\x00'\x09\x0d\x0a\x5cx1b%s{}@h`))

	var rows []map[string]any
	require.NoError(t, json.Unmarshal([]byte(tables[4]), &rows))
	require.Equal(t, "=HYPERLINK(\"http://evil\")\x1b]0;x\x07\x1b[31m\u009b2J\u202e\\xff\\x00'\t\r\n\\x5cx1b%s{}@h", rows[0]["call_id"])

	records, err := csv.NewReader(strings.NewReader(tables[5])).ReadAll()
	require.NoError(t, err)
	require.Len(t, records, 2)
	for i, name := range records[0] {
		if name == "call_id" {
			require.True(t, strings.HasPrefix(records[1][i], "'=HYPERLINK"), records[1][i])
		}
	}
}

func TestKeyNamesACall(t *testing.T) {
	t.Parallel()
	f := newFlow("up@home.example", 0).answer()
	b := newBench(t, f)
	key := f.c.Key.String()
	require.Equal(t, b.print("calls", "show", f.id), b.print("calls", "show", key))
	require.Equal(t, b.print("dialogs", "show", f.id), b.print("dialogs", "show", key))
}

// TestLongList goes over several pages, some calls of which began at once.
func TestLongList(t *testing.T) {
	t.Parallel()
	var flows []*flow
	all := &flow{}
	for i := range 2*pageRows + 10 {
		f := newFlow(fmt.Sprintf("c%d", i), time.Duration(i/7)*time.Second).answer()
		all.updates = append(all.updates, f.updates...)
	}
	b := newBench(t, append(flows, all)...)
	for args, want := range map[string]int{
		"cdrs list": 100, "cdrs list --limit 0": 2*pageRows + 10, "dialogs list --limit 0": 2*pageRows + 10,
		"cdrs list --limit 1500": 1500, "cdrs list --limit 0 --repaired": 0,
	} {
		r := csv.NewReader(strings.NewReader(b.print(append(strings.Fields(args), "-o", "csv")...)))
		seen := map[string]bool{}
		for {
			row, err := r.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			seen[strings.Join(row, " ")] = true
		}
		require.Len(t, seen, want+1, args)
	}
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	b := newBench(t, newFlow("repaired@home.example", 0).answer().oneSided().repair(200, "OK"),
		newFlow("up@home.example", 0).answer().event(0, call.KindTarget, true, nil))
	b.con.width = func(io.Writer) int { return 120 }
	golden(t, "terminal_ladder.txt", b.print("calls", "show", "repaired@home.example"))
	golden(t, "terminal_cdrs.txt", b.print("cdrs", "list"))
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("CET", 3600)
	now := time.Date(2026, 11, 23, 18, 30, 0, 0, zone)
	for _, c := range []struct{ in, begin, end string }{
		{"2026-11-23T16:00:00Z", "2026-11-23T16:00:00Z", ""},
		{"2026-11-23T16:00:00.123456+02:00", "2026-11-23T14:00:00.123456Z", ""},
		{"2026-11-23", "2026-11-22T23:00:00Z", "2026-11-23T23:00:00Z"},
		{"2026-11-23 16:00", "2026-11-23T15:00:00Z", ""},
		{"2026-11-23T16:00:05", "2026-11-23T15:00:05Z", ""},
		{"90m", "2026-11-23T16:00:00Z", ""},
		{"2h", "2026-11-23T15:30:00Z", ""},
		{"3d", "2026-11-20T17:30:00Z", ""},
		{"1w", "2026-11-16T17:30:00Z", ""},
		{"1d12h30s", "2026-11-22T05:29:30Z", ""},
		{"0s", "2026-11-23T17:30:00Z", ""},
	} {
		if c.end == "" {
			c.end = c.begin
		}
		begin, err := parseTime(c.in, now, false)
		require.NoError(t, err, c.in)
		end, err := parseTime(c.in, now, true)
		require.NoError(t, err, c.in)
		require.Equal(t, c.begin, begin.UTC().Format(time.RFC3339Nano), c.in)
		require.Equal(t, c.end, end.UTC().Format(time.RFC3339Nano), c.in)
	}
	for _, in := range []string{" ", "h", "90", "-2h", "2 h", "1y", "2026-13-01", "2026-11-23T25:00:00Z", "99999999999d", "999999d", "now", "1.5h", "\x1b"} {
		_, err := parseTime(in, now, false)
		require.ErrorContains(t, err, "is no time", in)
	}
	zero, err := parseTime("", now, true)
	require.NoError(t, err)
	require.True(t, zero.IsZero())
}

func FuzzParseTime(f *testing.F) {
	f.Add("3d")
	f.Fuzz(func(t *testing.T, s string) {
		now := time.Date(2026, 11, 23, 18, 30, 0, 0, time.UTC)
		if ago, ok := parseAgo(s); ok && (ago < 0 || ago > maxAgo) {
			t.Fatal(ago)
		}
		_, err := parseTime(s, now, false)
		if err != nil && strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Fatalf("%q", err)
		}
	})
}
