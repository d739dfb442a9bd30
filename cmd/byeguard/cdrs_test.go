package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/store"
)

const testRates = `
carriers:
  - name: acme
    prefixes: [+4930]
    gateways: [203.0.113.40]
    zone: Europe/Berlin
    currency: EUR
    rates: [{per_minute: 0.012, minimum: 30, increment: 6}]
`

func billed(t *testing.T) *bench {
	t.Helper()
	b := newBench(t,
		newFlow("repaired@home.example", 0).answer().oneSided().repair(200, "OK"),
		newFlow("challenged@home.example", time.Minute).answer().oneSided().repair(407, "Proxy Authentication Required"),
		newFlow("gone@home.example", 2*time.Minute).answer().oneSided().repair(481, "Call Does Not Exist"),
		newFlow("hangup@home.example", 9*time.Hour).answer().hangup(),
		newFlow("failed@home.example", 10*time.Hour).failed(),
		newFlow("up@home.example", 11*time.Hour).answer())
	b.rates = testRates
	return b
}

// exported runs an export to a file and returns the file and the cursor.
func exported(t *testing.T, b *bench, args ...string) (text []byte, cursor string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out")
	var sum summary
	require.NoError(t, json.Unmarshal([]byte(b.print(append([]string{"cdrs", "export", "--out", path, "-o", "json"}, args...)...)), &sum))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoFileExists(t, path+".part")
	return text, sum.Cursor
}

func TestExportCSV(t *testing.T) {
	t.Parallel()
	b := billed(t)
	text, cursor := exported(t, b)
	golden(t, "export.csv", string(text))

	again, same := exported(t, b)
	require.Equal(t, string(text), string(again))
	require.Equal(t, cursor, same)
	none, same := exported(t, b, "--after", cursor)
	require.Equal(t, 1, bytes.Count(none, []byte("\r\n")), "the header alone")
	require.Equal(t, cursor, same)

	// On standard output there are records alone; the cursor is beside it.
	out, errs, err := b.run("cdrs", "export")
	require.NoError(t, err)
	require.Equal(t, string(text), out)
	require.Equal(t, cursor+"\n", errs)

	// In steps of one: each record once.
	at, steps := "", ""
	for range 5 {
		var step []byte
		step, at = exported(t, b, "--after", at, "--limit", "1")
		_, line, _ := strings.Cut(string(step), "\r\n")
		steps += line
	}
	_, all, _ := strings.Cut(string(text), "\r\n")
	require.Equal(t, all, steps)
	require.Equal(t, cursor, at)

	// A correction is a record of its own.
	b.exec("update byeguard.cdrs set callee_how = 'gone', callee_end = ended_at + interval '90 s' where call_id like 'challenged%'")
	next, _ := exported(t, b, "--after", cursor)
	rows, err := csv.NewReader(bytes.NewReader(next)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 2)
	require.Equal(t, "2", column(t, rows, "revision"))
	require.Equal(t, "corrected", column(t, rows, "state"))
	require.Equal(t, "leg_closed_late", column(t, rows, "revision_reason"))
	require.Equal(t, "90000", column(t, rows, "overrun_ms"))
	require.Equal(t, "upper", column(t, rows, "overrun_bound"))

	golden(t, "cdrs_show.txt", strings.ReplaceAll(b.print("cdrs", "show", "challenged@home.example"), "\u00a0", " "))
	var shown []struct {
		CDR       map[string]any
		Revisions []map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(b.print("cdrs", "show", "challenged@home.example", "-o", "json")), &shown))
	require.Len(t, shown, 1)
	require.Len(t, shown[0].Revisions, 1)
	require.Equal(t, "corrected", shown[0].CDR["state"])
	require.Equal(t, "0.013200", shown[0].CDR["cost"])
}

func column(t *testing.T, rows [][]string, name string) string {
	t.Helper()
	for i, n := range rows[0] {
		if n == name {
			return rows[1][i]
		}
	}
	require.Fail(t, "no column "+name)
	return ""
}

func TestExportChoices(t *testing.T) {
	t.Parallel()
	b := billed(t)
	for args, want := range map[string]string{
		"":                      "repaired challenged gone hangup failed",
		"--repaired":            "repaired",
		"--not-repaired":        "challenged gone hangup failed",
		"--released-by proxy":   "repaired challenged gone",
		"--carrier acme":        "repaired challenged gone hangup",
		"--number 004930123":    "repaired challenged gone hangup failed",
		"--number +49-17-012":   "repaired challenged gone hangup failed",
		"--number 203":          "",
		"--state late":          "",
		"--state final":         "repaired challenged gone hangup failed",
		"--since 2026-11-24":    "hangup failed",
		"--call-id x":           "",
		"--node kam1 --limit 2": "repaired challenged",
		"--until 2026-11-23":    "repaired challenged gone",
	} {
		text, _ := exported(t, b, strings.Fields(args)...)
		rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
		require.NoError(t, err)
		var ids []string
		for _, row := range rows[1:] {
			ids = append(ids, strings.TrimSuffix(row[10], "@home.example"))
		}
		require.Equal(t, want, strings.Join(ids, " "), args)
	}
}

func TestExportParquet(t *testing.T) {
	t.Parallel()
	b := billed(t)
	text, _ := exported(t, b, "--format", "parquet")
	f, err := parquet.OpenFile(bytes.NewReader(text), int64(len(text)))
	require.NoError(t, err)
	require.EqualValues(t, 5, f.NumRows())
	version, ok := f.Lookup("byeguard.schema")
	require.True(t, ok)
	require.Equal(t, "1", version)
}

func TestMaskedNumbers(t *testing.T) {
	t.Parallel()
	b := billed(t)
	for _, args := range []string{
		"cdrs list --limit 0", "cdrs list -o json", "cdrs list -o csv", "cdrs show up@home.example", "cdrs show up@home.example -o json",
		"dialogs list", "dialogs show up@home.example", "dialogs list -o json", "calls show up@home.example", "calls show repaired@home.example -o json",
	} {
		require.Contains(t, b.print(strings.Fields(args)...), "+4930123456", args)
		out := b.print(strings.Fields(args + " --mask-numbers")...)
		require.NotContains(t, out, "30123456", args)
		require.NotContains(t, out, "17012345", args)
		require.Contains(t, out, "+4930******", args)
	}
	out, _, err := b.run("cdrs", "export", "--mask-numbers", "--carrier", "acme")
	require.NoError(t, err)
	require.NotContains(t, out, "30123456")
	require.Contains(t, out, "acme", "rated all the same")
	b.mask = true // as the configuration says
	require.NotContains(t, b.print("cdrs", "list"), "30123456")
}

func TestReport(t *testing.T) {
	t.Parallel()
	b := billed(t)
	golden(t, "report.txt", b.print("report"))
	golden(t, "report.csv", b.print("report", "--by", "carrier", "-o", "csv", "--assume", "30m"))
	// The calls of 2026-11-24 in Berlin began on the 23rd in London and at New York's noon.
	var days []struct {
		Day      string
		Attempts int
	}
	for zone, want := range map[string]string{"Europe/Berlin": "2026-11-23 2026-11-24", "UTC": "2026-11-23 2026-11-24", "America/New_York": "2026-11-23", "Asia/Tokyo": "2026-11-24"} {
		require.NoError(t, json.Unmarshal([]byte(b.print("report", "--by", "day", "--zone", zone, "-o", "json")), &days))
		var got []string
		sum := 0
		for _, d := range days {
			got = append(got, d.Day)
			sum += d.Attempts
		}
		require.Equal(t, want, strings.Join(got, " "), zone)
		require.Equal(t, 6, sum)
	}
	out, errs, err := b.run("report", "--carrier", "acme", "--since", "2026-12-01")
	require.NoError(t, err)
	require.Empty(t, out)
	require.Equal(t, "no CDRs found\n", errs)
}

func TestRetentionRun(t *testing.T) {
	t.Parallel()
	b := billed(t)
	s, err := store.Open(t.Context(), store.Options{URL: b.url})
	require.NoError(t, err)
	require.NoError(t, s.Maintain(t.Context(), began)) // days of the calls, whatever the day of the test
	require.NoError(t, s.Close())
	const day = 24 * time.Hour
	b.keep = store.Keep{Events: 30 * day, CDRs: 30 * day, Incidents: 30 * day, Evidence: 90 * day}
	run := func(args ...string) map[string]store.Dropped {
		var list []struct {
			What       string
			Rows, Kept int64
			Stays      string
		}
		require.NoError(t, json.Unmarshal([]byte(b.print(append([]string{"retention", "run", "-o", "json"}, args...)...)), &list))
		all := map[string]store.Dropped{}
		for _, d := range list {
			all[d.What] = store.Dropped{Rows: d.Rows, Kept: d.Kept, Why: d.Stays}
		}
		return all
	}
	b.con.now = func() time.Time { return began.Add(29 * day) }
	require.Empty(t, run())

	b.con.now = func() time.Time { return began.Add(33 * day) }
	dry := run("--dry-run")
	require.Equal(t, dry, run("--dry-run"), "nothing was dropped")
	require.Equal(t, store.Dropped{Rows: 3, Kept: 3}, dry["cdrs_20261123"], "all of them had incidents")
	require.Equal(t, store.Dropped{Rows: 3, Why: "1 records are still open"}, dry["cdrs_20261124"])
	require.Positive(t, dry["events_20261123"].Kept)
	require.Zero(t, dry["events_20261124"].Kept)
	require.Equal(t, dry, run(), "it does what it said")
	after := run()
	require.Len(t, after, 1, "what stays, stays")
	require.Contains(t, b.print("cdrs", "list"), "gone@home.example")
	require.Contains(t, b.print("calls", "show", "gone@home.example"), "byeguard sends BYE", "with its evidence")
	require.NotContains(t, b.print("calls", "show", "hangup@home.example"), "hangs up", "without")
	text, _ := exported(t, b)
	require.Equal(t, 6, bytes.Count(text, []byte("\r\n")), "in the order of hand-over as before")

	b.con.now = func() time.Time { return began.Add(95 * day) }
	last := run()
	require.Equal(t, int64(3), last["cdrs_default"].Rows)
	require.Positive(t, last["incidents"].Rows)
	require.Positive(t, last["outbox"].Rows)
	require.NotContains(t, b.print("cdrs", "list"), "gone@home.example")
	require.Contains(t, b.print("cdrs", "list"), "up@home.example", "open records stay")
}
