package table_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the test's zone, wherever it runs

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/table"
)

// row is one of each kind of value.
type row struct {
	name  string
	at    time.Time
	took  time.Duration
	count int
	good  bool
	parts []string
	raw   json.RawMessage
}

var columns = []table.Column[row]{
	{Key: "at", Title: "At ({zone})", Value: func(r *row) any { return r.at }},
	{Key: "took_ms", Title: "Took", Right: true, Value: func(r *row) any { return r.took }},
	{Key: "count", Title: "Count", Right: true, Value: func(r *row) any { return r.count }},
	{Key: "good", Title: "Good", Value: func(r *row) any { return r.good }, Words: func(r *row, _ *table.Clock) string {
		if r.good {
			return "yes"
		}
		return ""
	}},
	{Key: "name", Title: "Name", Elastic: true, Value: func(r *row) any { return r.name }},
	{Key: "parts", Value: func(r *row) any { return r.parts }},
	{Key: "raw", Value: func(r *row) any { return r.raw }},
	{Key: "none", Value: func(*row) any { return nil }},
}

func clock(t *testing.T) table.Clock {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	return table.Clock{Now: time.Date(2026, 11, 23, 16, 0, 0, 0, time.UTC), Zone: zone}
}

func write(t *testing.T, opts table.Options, rows ...row) string {
	t.Helper()
	var b bytes.Buffer
	opts.Clock = clock(t)
	w := table.NewWriter(&b, columns, opts)
	for i := range rows {
		require.NoError(t, w.Add(&rows[i]))
	}
	require.NoError(t, w.Close())
	require.Equal(t, len(rows), w.Rows())
	return b.String()
}

var rows = []row{
	{name: "first", at: time.Date(2026, 11, 23, 15, 0, 0, 123_456_000, time.UTC), took: 3*time.Hour + 62*time.Second + 999*time.Millisecond, count: -7, good: true, parts: []string{"a", "b"}, raw: json.RawMessage(`{"x":1}`)},
	{name: "=2+2\x1b[m \xff日本", at: time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC), took: -time.Second},
}

func TestTable(t *testing.T) {
	t.Parallel()
	require.Equal(t, strings.Join([]string{
		"At (CET)                      Took  Count  Good  Name",
		"2026-11-23 16:00:00        3:01:02     -7  yes   first",
		"2026-10-25 02:30:00 CEST  -0:00:01      0        =2+2\\x1b[m \\xff日本",
		"",
	}, "\n"), write(t, table.Options{}, rows...))
	require.Empty(t, write(t, table.Options{}))
}

func TestJSON(t *testing.T) {
	t.Parallel()
	want := `[
 {"at":"2026-11-23T15:00:00.123Z","took_ms":10862999,"count":-7,"good":true,"name":"first","parts":["a","b"],"raw":{"x":1},"none":null},
 {"at":"2026-10-25T00:30:00.000Z","took_ms":-1000,"count":0,"good":false,"name":"=2+2\u001b[m \\xff日本","parts":[],"raw":null,"none":null}
]
`
	// The very bytes: one row a line, and what a terminal might obey escaped.
	require.Equal(t, []byte(want), []byte(write(t, table.Options{Format: table.JSON}, rows...)))
	require.Equal(t, "[]\n", write(t, table.Options{Format: table.JSON}))
}

func TestCSV(t *testing.T) {
	t.Parallel()
	header := "at,took_ms,count,good,name,parts,raw,none\r\n"
	require.Equal(t, header+
		`2026-11-23T15:00:00.123Z,10862999,-7,true,first,a b,"{""x"":1}",`+"\r\n"+
		`2026-10-25T00:30:00.000Z,-1000,0,false,'=2+2\x1b[m \xff日本,,,`+"\r\n", write(t, table.Options{Format: table.CSV}, rows...))
	require.Equal(t, header, write(t, table.Options{Format: table.CSV}))
}

func TestCell(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":              "",
		"text":          "text",
		"-7":            "-7",
		"-7.25":         "-7.25",
		"0049":          "0049",
		"-":             "'-",
		"-7+1":          "'-7+1",
		"--7":           "'--7",
		"-7.":           "'-7.",
		"-.5":           "'-.5",
		"+49301234":     "+49301234", // a phone number
		"+49301234+1":   "'+49301234+1",
		"+":             "'+",
		"+49 30":        "'+49 30",
		"=1":            "'=1",
		"@SUM(1)":       "'@SUM(1)",
		"\t=1":          `'\x09=1`,
		"\r=1":          `'\x0d=1`,
		"\n=1":          `'\x0a=1`,
		"＝1":            "'＝1",
		"a=1":           "a=1",
		"line\r\nbreak": `line\x0d\x0abreak`,
	} {
		require.Equal(t, want, table.Cell(in), "%q", in)
	}
}

// TestTerminalWidth: a table fits the terminal where its elastic columns can
// make it so, and nothing else is cut.
func TestTerminalWidth(t *testing.T) {
	t.Parallel()
	r := row{name: strings.Repeat("日本 ", 40), at: rows[0].at}
	for _, width := range []int{60, 80, 132} {
		for line := range strings.Lines(write(t, table.Options{Width: width}, r)) {
			cells := 0
			for _, c := range strings.TrimRight(line, "\n") {
				cells++
				if c > 0x2fff {
					cells++ // these are two wide
				}
			}
			require.LessOrEqual(t, cells, width, line)
			require.True(t, strings.HasPrefix(line, "At (CET)") || strings.HasPrefix(line, "2026-11-23 16:00:00  "), line)
		}
	}
	require.NotEmpty(t, write(t, table.Options{Width: 1}, r))
}

// TestBlocks: a long table is written in parts that are aligned alike.
func TestBlocks(t *testing.T) {
	t.Parallel()
	var many []row
	for i := range 1700 {
		many = append(many, row{name: fmt.Sprintf("row %04d", i), count: i % 100, at: rows[0].at})
	}
	out := write(t, table.Options{}, many...)
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	require.Len(t, lines, 1701)
	at := strings.Index(lines[1], "row 0000")
	for i, line := range lines[1:] {
		require.Equal(t, at, strings.Index(line, fmt.Sprintf("row %04d", i)), line)
	}
	require.Equal(t, 1, strings.Count(out, "Count"))
}

func TestDetails(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	c := clock(t)
	require.NoError(t, table.Details(&b, columns, &rows[0], &c))
	require.Equal(t, `  At     2026-11-23 16:00:00.123 CET
  Took   3:01:02.999
  Count  -7
  Good   yes
  Name   first
  parts  a b
  raw    {"x":1}
`, b.String())
}

func TestWriteJSON(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	require.NoError(t, table.WriteJSON(&b, map[string]string{"a<b": "\u009b\u202e\U000e0041\x7f\x1b"}))
	want := "{\n  \"a<b\": \"\\u009b\\u202e\\udb40\\udc41\\u007f\\u001b\"\n}\n"
	require.Equal(t, []byte(want), b.Bytes())
}

func TestParseFormat(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]table.Format{"": table.Text, "table": table.Text, "json": table.JSON, "csv": table.CSV} {
		got, err := table.ParseFormat(in)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := table.ParseFormat("xml")
	require.ErrorContains(t, err, "table, json or csv")
}

// full is a disk without room.
type full struct{}

var errFull = errors.New("no room")

// Write fails.
func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriteError(t *testing.T) {
	t.Parallel()
	for _, f := range []table.Format{table.Text, table.JSON, table.CSV} {
		w := table.NewWriter(full{}, columns, table.Options{Format: f, Clock: clock(t)})
		err := w.Add(&rows[0])
		require.ErrorIs(t, errors.Join(err, w.Close()), errFull)
	}
}
