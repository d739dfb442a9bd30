package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"
	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
)

// accounting makes acc_cdrs as Kamailio would have written it of the calls of
// billed, in the database of the bench.
func accounting(b *bench) {
	b.exec(`create table acc_cdrs (id serial primary key not null, start_time timestamp without time zone default '2000-01-01 00:00:01' not null,
end_time timestamp without time zone not null, duration real default 0 not null, callid varchar(128), byeguard_run varchar(128))`)
	b.exec(`insert into acc_cdrs (start_time, end_time, duration, callid)
select confirmed_at, ended_at, extract(epoch from ended_at - confirmed_at), call_id from byeguard.cdrs where state = 'final' and confirmed_at is not null`)
}

type outcomeJSON struct {
	Discrepancies int
	Summary       []struct {
		Class string
		Calls int
	}
	Rows []struct {
		Class   string
		Why     string
		CallID  string `json:"call_id"`
		RowID   string `json:"row_there"`
		HereMS  *int64 `json:"duration_here_ms"`
		ThereMS *int64 `json:"duration_there_ms"`
	}
}

func reconciled(b *bench, args ...string) (out outcomeJSON, stderr string, err error) {
	b.t.Helper()
	text, stderr, err := b.run(append([]string{"reconcile"}, args...)...)
	if text != "" {
		require.NoError(b.t, json.Unmarshal([]byte(text), &out), text)
		require.NotContains(b.t, stderr, "will not show", "it is kept for the page")
	}
	return out, stderr, err
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestReconcileAcc(t *testing.T) {
	t.Parallel()
	b := billed(t)
	accounting(b)
	mapping := writeFile(t, "acc.yaml", "columns: {call_id: callid}")
	args := []string{"acc", "--acc-url", b.url, "--map", mapping, "-o", "json"}
	out, _, err := reconciled(b, args...)
	require.NoError(t, err)
	require.Empty(t, out.Rows)
	require.Equal(t, "matched", out.Summary[0].Class)
	require.Equal(t, 4, out.Summary[0].Calls)

	// Without a Call-ID time and length are enough, where calls are not many.
	out, _, err = reconciled(b, "acc", "--acc-url", b.url, "-o", "json")
	require.NoError(t, err)
	require.Equal(t, 4, out.Summary[0].Calls)

	// As acc does it for calls that the proxy ended: no row, or one of 0 s without a key.
	b.exec("delete from acc_cdrs where callid = 'gone@home.example'")
	b.exec("update acc_cdrs set callid = '', end_time = start_time, duration = 0 where callid = 'repaired@home.example'")
	out, stderr, err := reconciled(b, args...)
	require.Equal(t, statusError(exitDiffers), err)
	require.Equal(t, 2, out.Discrepancies)
	require.Equal(t, "zero_duration", out.Rows[0].Class)
	require.Equal(t, "repaired@home.example", out.Rows[0].CallID)
	require.Equal(t, "missing_there", out.Rows[1].Class)
	require.Equal(t, "gone@home.example", out.Rows[1].CallID)
	require.Contains(t, stderr, "--fix does it")

	_, stderr, err = reconciled(b, append(args, "--fix")...)
	require.Equal(t, statusError(exitDiffers), err, "there were discrepancies")
	run := runOf(t, stderr)
	require.Contains(t, stderr, "1 rows made, 1 put right, 0 left alone")
	out, _, err = reconciled(b, append(args, "--clean", "matched,key_missing,still_open")...)
	require.NoError(t, err, out)

	text, _, err := b.run("reconcile", "undo", run, "--acc-url", b.url, "--map", mapping)
	require.NoError(t, err)
	require.Contains(t, text, "1 rows removed, 1 as they were")
	out, _, err = reconciled(b, args...)
	require.Equal(t, statusError(exitDiffers), err)
	require.Equal(t, 2, out.Discrepancies)
	_, _, err = b.run("reconcile", "undo", run, "--acc-url", b.url, "--map", mapping)
	require.ErrorContains(t, err, "undone already")

	// The other forms.
	text, _, err = b.run("reconcile", "acc", "--acc-url", b.url, "--map", mapping)
	require.Equal(t, statusError(exitDiffers), err)
	require.Contains(t, text, "zero_duration")
	require.Contains(t, text, "0 s there, 1m2s here")
	file := filepath.Join(t.TempDir(), "out.parquet")
	_, stderr, err = b.run("reconcile", "acc", "--acc-url", b.url, "--map", mapping, "-o", "parquet", "--out", file, "--all")
	require.Equal(t, statusError(exitDiffers), err)
	require.Contains(t, stderr, "missing_there")
	rows, err := parquet.ReadFile[findingRow](file)
	require.NoError(t, err)
	require.Len(t, rows, 5)
	text, _, err = b.run("reconcile", "acc", "--acc-url", b.url, "--map", mapping, "-o", "csv", "--mask-numbers")
	require.Equal(t, statusError(exitDiffers), err)
	require.Contains(t, text, "\r\nzero_duration,")
	require.NotContains(t, text, "4930123456")
}

func runOf(t *testing.T, stderr string) string {
	t.Helper()
	for w := range strings.FieldsSeq(stderr) {
		if strings.HasPrefix(w, "byeguard-2026") {
			return strings.Trim(w, ":`")
		}
	}
	require.Fail(t, "no run is named", stderr)
	return ""
}

func TestReconcileCSV(t *testing.T) {
	t.Parallel()
	b := billed(t)
	mapping := writeFile(t, "acme.yaml", `
carrier: acme
columns: {id: Nr, start: Beginn, duration: Sekunden, from: Anrufer, to: Ziel, cost: Betrag}
time: DD.MM.YY hh:mm:ss
zone: Europe/Berlin
decimal: ","
currency: EUR
numbers: {country: "49", trunk: "0"}
`)
	file := writeFile(t, "acme.csv", "\ufeffNr;Beginn;Sekunden;Anrufer;Ziel;Betrag\r\n"+
		"1;23.11.26 16:00:00;62;017012345;030123456;0,0132\r\n"+
		"2;23.11.26 16:01:00;362;0049 170 12345;030/123456;0,0732\r\n"+
		"3;24.11.26 01:00:00;60;+49 17012345;+4930123456;0,01\r\n"+
		"4;24.11.26 01:00:00;60;+49 17012345;+4930123456;0,01\r\n"+
		"\"5\";24.11.26 02:00:03;30;+49 17012345;\"+4930123456\n\";0,006\r\n")
	out, _, err := reconciled(b, "csv", file, "--map", mapping, "-o", "json", "--tolerance", "1s", "--tolerance", "acme=2100ms", "--all")
	require.Equal(t, statusError(exitDiffers), err)
	classes := map[string]string{}
	for _, r := range out.Rows {
		classes[r.RowID] = r.Class
	}
	require.Equal(t, map[string]string{"1": "matched", "2": "ran_on", "3": "matched", "4": "duplicate", "5": "missing_here", "": "missing_there"}, classes)

	for text, want := range map[string]string{
		"1;23.11.26 16:00:00;-62;1;2;0\r\n":           "line 2: \"-62\" is no duration in seconds: it is negative",
		"1;23.11.2026 16:00:00;62;1;2;0\r\n":          "line 2: \"23.11.2026 16:00:00\" is no time of the form DD.MM.YY",
		"1;23.11.26 16:00:00;62;1;2;x\r\n":            "line 2: \"x\" is no amount",
		"1;23.11.26 16:00:00\r\n":                     "line 2: 2 fields",
		"1;23.11.26 16:00:00;62;M\xfcller;2;0\r\n":    "encoding: latin1",
		"1;23.11.26 16:00:00;62;\"1;2;0\r\n3;4;5\r\n": "line 2",
	} {
		bad := writeFile(t, "bad.csv", "Nr;Beginn;Sekunden;Anrufer;Ziel;Betrag\r\n"+text)
		_, _, err := reconciled(b, "csv", bad, "--map", mapping)
		require.ErrorContains(t, err, want)
	}
	_, _, err = reconciled(b, "csv", writeFile(t, "bad.csv", "Nr;Start\r\n"), "--map", mapping)
	require.ErrorContains(t, err, "there is no column \"Beginn\"; the file has Nr, Start")
}

// TestReconcileUsage: what is asked wrongly is told so.
func TestReconcileUsage(t *testing.T) {
	t.Parallel()
	b := billed(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"acc"}, "--acc-url"},
		{[]string{"acc", "--clean", "fine"}, "no class"},
		{[]string{"acc", "--tolerance", "acme=x"}, "use a time"},
		{[]string{"acc", "--tolerance", "2h"}, "up to 1h"},
		{[]string{"acc", "-o", "xml"}, "unknown"},
		{[]string{"acc", "-o", "parquet"}, "needs --out"},
		{[]string{"acc", "--fix", "--dry-run"}, "exclude each other"},
		{[]string{"csv", "x.csv"}, "--map is missing"},
		{[]string{"live"}, "no node"},
	} {
		_, _, err := b.run(append([]string{"reconcile"}, c.args...)...)
		require.ErrorContains(t, err, c.want, c.args)
	}
}

// What a comparison finds is one incident a class, which alerts tell of; the same
// comparison again brings it up to date and, when all is well, resolves it.
func TestReconcileFilesIncidents(t *testing.T) {
	t.Parallel()
	b := billed(t)
	accounting(b)
	b.exec("delete from acc_cdrs where callid = 'gone@home.example'")
	b.exec("insert into acc_cdrs (start_time, end_time, duration, callid) select start_time + interval '7 s', end_time + interval '7 s', duration, 'x' || callid from acc_cdrs where callid = 'repaired@home.example'")
	mapping := writeFile(t, "acc.yaml", "columns: {call_id: callid}")
	args := []string{"acc", "--acc-url", b.url, "--map", mapping, "-o", "json"}

	incidents := func(state string) (list []string) {
		db, err := sqlx.Connect("postgres", b.url)
		require.NoError(t, err)
		defer db.Close()
		require.NoError(t, db.Select(&list, `select kind || ' ' || severity || ' ' || reason || ' ' || detail from byeguard.incidents
where kind in ('cdr_missing', 'records_differ') and state = $1 order by 1`, state))
		return list
	}
	_, _, err := reconciled(b, append(args, "--no-incidents")...)
	require.Equal(t, statusError(exitDiffers), err)
	require.Empty(t, incidents("open"))

	_, stderr, err := reconciled(b, args...)
	require.Equal(t, statusError(exitDiffers), err)
	require.Contains(t, stderr, "incidents: 2 opened, 0 resolved")
	open := incidents("open")
	require.Len(t, open, 2)
	require.Contains(t, open[0], "cdr_missing critical missing_here comparison with Kamailio's acc_cdrs: 1 call there, of which byeguard has no record; 0.00 min here, ")
	require.Contains(t, open[1], "records_differ warning missing_there comparison with Kamailio's acc_cdrs: 1 call of byeguard's, and not there; ")

	_, stderr, err = reconciled(b, args...)
	require.Equal(t, statusError(exitDiffers), err)
	require.NotContains(t, stderr, "incidents:", "they are open already")
	require.Len(t, incidents("open"), 2)

	b.exec("delete from acc_cdrs where callid like 'x%'")
	_, stderr, err = reconciled(b, args...)
	require.Equal(t, statusError(exitDiffers), err)
	require.Contains(t, stderr, "incidents: 0 opened, 1 resolved")
	require.Equal(t, []string{"cdr_missing critical missing_here a later comparison with Kamailio's acc_cdrs found none any more"}, incidents("resolved"))
	require.Len(t, incidents("open"), 1)
}
