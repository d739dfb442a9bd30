package cdrfile_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq"
	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/cdrfile"
	"github.com/byeguard/byeguard/pkg/lab"
	"github.com/byeguard/byeguard/pkg/table"
)

func rates(tb testing.TB) *billing.Rates {
	tb.Helper()
	r, err := billing.ParseRates([]byte(`{carriers: [{name: acme, prefixes: [+49], currency: EUR, rates: [{per_minute: 0.0125, increment: 6}]}]}`))
	require.NoError(tb, err)
	return r
}

// anyRow draws a row of whatever texts and times.
func anyRow(t *rapid.T) billing.Row {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "=cmd|' /C calc'!A0", "+4930", "-1+1", "@SUM(1)", "\ta", "\ra", " a ", `a"b,c`, "a\r\nb", "\x00\xff\\x41", "'x"}),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
	when := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(-1e12, 4e15))
	return billing.Row{
		Seq: rapid.Int64Min(1).Draw(t, "seq"), Started: when.Draw(t, "started"), Revision: rapid.IntRange(1, 9).Draw(t, "revision"),
		State: "final", Disposition: rapid.SampledFrom([]string{"answered", "failed", "partial"}).Draw(t, "disposition"),
		Node: text.Draw(t, "node"), CallID: text.Draw(t, "call-id"), CallerTag: text.Draw(t, "tag"),
		CallerURI: text.Draw(t, "caller"), CalleeURI: "sip:+49" + text.Draw(t, "callee"), CalleeAddr: text.Draw(t, "addr"),
		Answered: when.Draw(t, "answered"), Ended: when.Draw(t, "ended"), DurationMS: rapid.Int64Range(-1, 1e9).Draw(t, "duration"),
		CalleeEnd: when.Draw(t, "end"), CalleeHow: rapid.SampledFrom([]string{"up", "gone", "confirmed", "unconfirmed"}).Draw(t, "how"),
		Cause: text.Draw(t, "cause"), Repaired: rapid.Bool().Draw(t, "repaired"), Code: rapid.IntRange(0, 699).Draw(t, "code"),
	}
}

func write(tb rapid.TB, w interface {
	Write(*billing.Record) error
	Close() error
}, recs []billing.Record) {
	for i := range recs {
		require.NoError(tb, w.Write(&recs[i]))
	}
	require.NoError(tb, w.Close())
}

// Whatever the texts are, a CSV has its columns and lines, and no cell is a
// formula.
func TestCSVOfAnything(t *testing.T) {
	t.Parallel()
	r := rates(t)
	rapid.Check(t, func(t *rapid.T) {
		recs := make([]billing.Record, rapid.IntRange(0, 3).Draw(t, "n"))
		for i := range recs {
			recs[i].Row = anyRow(t)
			recs[i].Derive(r)
		}
		var b bytes.Buffer
		write(t, cdrfile.NewCSV(&b), recs)
		rows, err := csv.NewReader(&b).ReadAll()
		require.NoError(t, err)
		require.Len(t, rows, len(recs)+1)
		for i, row := range rows[1:] {
			require.Len(t, row, len(cdrfile.Fields()))
			for j, cell := range row {
				require.True(t, utf8.ValidString(cell))
				require.NotRegexp(t, `^[=@\t\r]`, cell)
				if strings.HasPrefix(cell, "+") {
					require.Regexp(t, `^\+\d+$`, cell)
				}
				if strings.HasPrefix(cell, "-") {
					require.Regexp(t, `^-\d+(\.\d+)?$`, cell)
				}
				if f := cdrfile.Fields()[j]; f.Name == "call_id" {
					require.Equal(t, table.Cell(recs[i].CallID), cell)
				}
			}
		}
	})
}

// sample is a record of each kind, made by hand.
func sample(tb testing.TB) []billing.Record {
	tb.Helper()
	at := time.Date(2026, 3, 29, 0, 59, 59, 999_999_000, time.UTC).UnixMicro() // an hour is missing in Berlin, a moment later
	base := billing.Row{
		Seq: 41, Key: [16]byte{0xab, 15: 1}, Started: at, Revision: 1, State: "final", Disposition: "answered", Node: "sbc1",
		CallID: "a,b\"c@h", CallerTag: "t1", CalleeTag: "t2", CallerURI: "sip:+4917012345@home.example", CalleeURI: "sip:+4930123456@c.example",
		CallerAddr: "198.51.100.17:5060", CalleeAddr: "203.0.113.40:5060", Setup: at, Answered: at + 3_000_001, Confirmed: at + 3_040_000,
		Ended: at + 63_000_001, DurationMS: 60_000, CallerEnd: at + 63_000_001, CallerHow: "own_bye", CalleeEnd: at + 63_010_001, CalleeHow: "confirmed",
		Closed: at + 64_000_000, Released: "caller", Code: 200, Cause: `Q.850;cause=16;text="Bye, bye"`,
	}
	rows := []billing.Row{base, base, base, base, base}
	rows[1].Seq, rows[1].Disposition, rows[1].Answered, rows[1].Confirmed, rows[1].DurationMS, rows[1].Code, rows[1].Cause = 42, "failed", 0, 0, -1, 486, "Busy Here"
	rows[2].Seq, rows[2].State, rows[2].Part, rows[2].Until, rows[2].Ended, rows[2].DurationMS = 43, "open", 2, at+3_000_001+7200_000_000, 0, 7_200_000
	rows[3].Seq, rows[3].Revision, rows[3].Why, rows[3].CalleeHow, rows[3].CalleeEnd, rows[3].Cause = 44, 2, "leg_closed_late", "gone", base.Ended+600_000_000, "=1+1"
	rows[4].Seq, rows[4].Repaired, rows[4].RepairedLeg, rows[4].RepairWhy, rows[4].Attempts, rows[4].CallID = 45, true, "callee", "bye_missing", 1, "\x00\xff\r\n"
	recs := make([]billing.Record, len(rows))
	for i := range rows {
		recs[i].Row = rows[i]
		recs[i].Derive(rates(tb))
	}
	return recs
}

// PostgreSQL reads the CSV as the types that the documentation names.
func TestPostgreSQLReadsCSV(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	recs := sample(t)
	write(t, cdrfile.NewCSV(&b), recs)
	path := filepath.Join(t.TempDir(), "cdr.csv")
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
	url := lab.Postgres(t)
	db, err := sqlx.Connect("postgres", url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	types := map[cdrfile.Kind]string{cdrfile.Text: "text", cdrfile.Int: "bigint", cdrfile.Time: "timestamptz", cdrfile.Bool: "boolean", cdrfile.Money: "numeric(18,6)"}
	var columns []string
	for _, f := range cdrfile.Fields() {
		columns = append(columns, f.Name+" "+types[f.Kind])
	}
	db.MustExec("create table cdr (" + strings.Join(columns, ", ") + ")")
	out, err := exec.Command("psql", "-X", "-v", "ON_ERROR_STOP=1", url, "-c", `\copy cdr from '`+path+`' with (format csv, header)`).CombinedOutput()
	require.NoError(t, err, "%s", out)
	var got []struct {
		Seq      int64
		CallID   string     `db:"call_id"`
		Number   string     `db:"callee_number"`
		Answered *time.Time `db:"answered"`
		Duration *int64     `db:"duration_ms"`
		Cost     *string    `db:"cost"`
		Overrun  *string    `db:"overrun_cost"`
		Repaired bool       `db:"repaired"`
		Cause    *string    `db:"cause"`
	}
	require.NoError(t, db.Select(&got, "select seq, call_id, callee_number, answered, duration_ms, cost, overrun_cost, repaired, cause from cdr order by seq"))
	require.Len(t, got, len(recs))
	require.Equal(t, `a,b"c@h`, got[0].CallID)
	require.Equal(t, "+4930123456", got[0].Number, "usable as it is")
	require.Equal(t, recs[0].Answered, got[0].Answered.UnixMicro())
	require.Equal(t, "0.012500", *got[0].Cost)
	require.Nil(t, got[1].Answered)
	require.Nil(t, got[1].Duration)
	require.Nil(t, got[1].Cost)
	require.Equal(t, int64(7_200_000), *got[2].Duration)
	require.Equal(t, "0.125000", *got[3].Overrun)
	require.Equal(t, "'=1+1", *got[3].Cause)
	require.True(t, got[4].Repaired)
	require.Equal(t, `\x00\xff\x0d\x0a`, got[4].CallID)
}

// The documentation has a line for each field, in their order.
func TestFieldsAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/billing.md")
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(text), "## Fields of an export")
	require.True(t, ok)
	section, _, _ = strings.Cut(section, "\n## ")
	require.Contains(t, section, fmt.Sprintf("Schema version %d.", billing.SchemaVersion))
	section, _, _ = strings.Cut(section, "\n### ")
	var documented, have []string
	for line := range strings.Lines(section) {
		if cells := strings.Split(line, "|"); len(cells) > 3 {
			for _, name := range regexp.MustCompile("`([a-z0-9_]+)`").FindAllStringSubmatch(cells[1], -1) {
				documented = append(documented, name[1])
			}
		}
	}
	for _, f := range cdrfile.Fields() {
		have = append(have, f.Name)
	}
	require.Equal(t, have, documented)
}

// The Parquet file says of each record what the CSV says.
func TestParquetEqualsCSV(t *testing.T) {
	t.Parallel()
	recs := sample(t)
	var c, p bytes.Buffer
	write(t, cdrfile.NewCSV(&c), recs)
	write(t, cdrfile.NewParquet(&p, map[string]string{"k": "v"}), recs)
	lines, err := csv.NewReader(&c).ReadAll()
	require.NoError(t, err)
	f, err := parquet.OpenFile(bytes.NewReader(p.Bytes()), int64(p.Len()))
	require.NoError(t, err)
	var names []string
	for _, field := range f.Schema().Fields() {
		names = append(names, field.Name())
	}
	require.Equal(t, lines[0], names)
	v, ok := f.Lookup("k")
	require.True(t, ok)
	require.Equal(t, "v", v)
	rows := make([]parquet.Row, len(recs)+1)
	reader := parquet.NewReader(f)
	n, err := reader.ReadRows(rows)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, len(recs), n)
	for i, row := range rows[:n] {
		for j, v := range row {
			field := cdrfile.Fields()[j]
			got := ""
			switch {
			case v.IsNull():
			case field.Kind == cdrfile.Text:
				got = table.Cell(v.String())
			case field.Kind == cdrfile.Time:
				got = time.UnixMicro(v.Int64()).UTC().Format("2006-01-02T15:04:05.000000Z")
			case field.Kind == cdrfile.Money:
				got = billing.Money(v.Int64()).String()
			default:
				got = v.String()
			}
			if recs[i].CallID == "\x00\xff\r\n" && field.Name == "call_id" {
				continue // other rules for what is no text
			}
			require.Equal(t, lines[i+1][j], got, field.Name)
		}
	}
	for name, want := range map[string]string{
		"answered": "TIMESTAMP(isAdjustedToUTC=true,unit=MICROS)", "cost": "DECIMAL(18,6)", "call_id": "STRING", "repaired": "BOOLEAN",
	} {
		leaf, ok := f.Schema().Lookup(name)
		require.True(t, ok)
		require.Equal(t, want, leaf.Node.Type().String(), name)
	}
}

// Many row groups, read back whole.
func TestParquetManyRows(t *testing.T) {
	t.Parallel()
	rec := sample(t)[0]
	var b bytes.Buffer
	w := cdrfile.NewParquet(&b, nil)
	const n = 120_001
	for i := range n {
		rec.Seq = int64(i)
		require.NoError(t, w.Write(&rec))
	}
	require.NoError(t, w.Close())
	f, err := parquet.OpenFile(bytes.NewReader(b.Bytes()), int64(b.Len()))
	require.NoError(t, err)
	require.EqualValues(t, n, f.NumRows())
	require.Len(t, f.RowGroups(), 3)
	reader := parquet.NewReader(f)
	require.NoError(t, reader.SeekToRow(n-1))
	rows := make([]parquet.Row, 1)
	_, _ = reader.ReadRows(rows)
	require.EqualValues(t, n-1, rows[0][1].Int64())
}
