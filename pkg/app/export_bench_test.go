package app_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/cdrfile"
	"github.com/byeguard/byeguard/pkg/lab"
	"github.com/byeguard/byeguard/pkg/store"
)

// generateCDRs fills a database with n final records over ten days, of calls as
// they are: a fifth not answered, some repaired.
func generateCDRs(tb testing.TB, url string, n int) *sqlx.DB {
	tb.Helper()
	require.NoError(tb, store.Migrate(tb.Context(), store.Options{URL: url}))
	s, err := store.Open(tb.Context(), store.Options{URL: url})
	require.NoError(tb, err)
	first := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for day := range 10 {
		require.NoError(tb, s.Maintain(tb.Context(), first.AddDate(0, 0, day)))
	}
	require.NoError(tb, s.Close())
	db, err := sqlx.Connect("postgres", url)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	db.MustExec(strings.ReplaceAll(`
insert into byeguard.cdrs (call_key, started, version, state, disposition, node, call_id, caller_tag, callee_tag, caller_uri, callee_uri,
  setup_at, answered_at, confirmed_at, ended_at, duration_ms, caller_end, caller_how, callee_end, callee_how,
  released_by, code, cause, overrun_ms, repaired, repaired_leg, repair_why, attempts, updated_at, seq, caller_addr, callee_addr, closed_at)
select decode(md5(i::text), 'hex'), at, 4, 'final', case when i % 5 = 0 then 'failed' else 'answered' end, 'sbc' || i % 4,
  md5(i::text) || '@sbc.example.net', 'tag' || i, 'as' || i * 7, 'sip:+4917' || 10000000 + i % 90000000 || '@home.example.net',
  'sip:+49' || 3000000000 + i % 900000000 || '@carrier.example.net',
  at, case when i % 5 > 0 then at + interval '4.123 s' end, case when i % 5 > 0 then at + interval '4.165 s' end,
  at + interval '4.123 s' + long, case when i % 5 > 0 then (extract(epoch from long) * 1000)::bigint end,
  case when i % 5 > 0 then at + interval '4.123 s' + long end, case when i % 5 > 0 then 'own_bye' else 'up' end,
  case when i % 5 > 0 then at + interval '4.143 s' + long end, case when i % 5 > 0 then 'confirmed' else 'up' end,
  case when i % 5 = 0 then 'unknown' when i % 100 = 1 then 'proxy' when i % 2 = 0 then 'caller' else 'callee' end,
  case when i % 5 = 0 then 486 else 200 end, case when i % 5 = 0 then 'Busy Here' when i % 3 = 0 then 'Q.850;cause=16;text="Terminated"' else '' end,
  20, i % 100 = 1, case when i % 100 = 1 then 'callee' else '' end, case when i % 100 = 1 then 'bye_missing' else '' end,
  (i % 100 = 1)::int, at + long + interval '5 s', nextval('byeguard.cdr_seq'),
  '198.51.100.' || i % 250 || ':5060', '203.0.113.' || i % 250 || ':5060', at + long + interval '5 s'
from (select i, '2026-11-01 00:00Z'::timestamptz + i * interval '864000 s' / ROWS as at,
  (i * 7919 % 300000) * interval '1 ms' as long from generate_series(0::bigint, ROWS - 1) i) g`, "ROWS", fmt.Sprint(n)))
	db.MustExec("vacuum analyze byeguard.cdrs")
	return db
}

const benchRates = `
carriers:
  - {name: berlin, prefixes: [+4930], currency: EUR, rates: [{per_minute: 0.0071}, {from: 2026-11-05, per_minute: 0.0075, increment: 6}]}
  - {name: mobile, prefixes: [+4915, +4916, +4917], currency: EUR, rates: [{per_minute: 0.0431, minimum: 60, increment: 60}]}
  - {name: germany, prefixes: [+49], gateways: [203.0.113.0/25], zone: Europe/Berlin, currency: EUR, rates: [{per_minute: 0.0082}]}
  - {name: rest, gateways: [203.0.113.0/24], currency: USD, rates: [{per_minute: 0.0090}]}
`

// BenchmarkExport exports two million records to CSV, rated, and has PostgreSQL
// itself write the same table by COPY: x-copy is our speed as a share of its.
// BYEGUARD_BENCH_CDRS sets another number.
func BenchmarkExport(b *testing.B) {
	n := 2_000_000
	if s := os.Getenv("BYEGUARD_BENCH_CDRS"); s != "" {
		_, err := fmt.Sscan(s, &n)
		require.NoError(b, err)
	}
	url := lab.Postgres(b)
	generateCDRs(b, url, n)
	rates, err := billing.ParseRates([]byte(benchRates))
	require.NoError(b, err)
	s, err := store.Open(b.Context(), store.Options{URL: url, ReadOnly: true})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	dir := b.TempDir()

	copied := func() time.Duration {
		began := time.Now()
		cmd := exec.Command("psql", "-X", "-q", url, "-c",
			"\\copy (select * from byeguard.cdrs) to '"+filepath.Join(dir, "copy.csv")+"' with (format csv, header)")
		out, err := cmd.CombinedOutput()
		require.NoError(b, err, "%s", out)
		return time.Since(began)
	}
	copied() // warms the cache for both
	for format, open := range map[string]func(*os.File) app.RecordWriter{
		"csv":     func(f *os.File) app.RecordWriter { return cdrfile.NewCSV(f) },
		"parquet": func(f *os.File) app.RecordWriter { return cdrfile.NewParquet(f, nil) },
	} {
		b.Run(format, func(b *testing.B) {
			var ours, theirs time.Duration
			var peak uint64
			for b.Loop() {
				theirs += copied()
				f, err := os.Create(filepath.Join(dir, "ours."+format))
				require.NoError(b, err)
				began := time.Now()
				x, err := app.Export(b.Context(), s, &app.ExportOptions{Rates: rates, Progress: func(app.ExportProgress) {
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					peak = max(peak, m.HeapInuse)
				}}, func(app.Cursor) (app.RecordWriter, error) { return open(f), nil })
				ours += time.Since(began)
				require.NoError(b, err)
				require.EqualValues(b, n, x.Records)
				require.NoError(b, f.Close())
			}
			b.ReportMetric(theirs.Seconds()/ours.Seconds(), "x-copy")
			b.ReportMetric(float64(n*b.N)/ours.Seconds(), "records/s")
			b.ReportMetric(float64(n*b.N)/theirs.Seconds(), "copy-records/s")
			b.ReportMetric(float64(peak)/(1<<20), "heap-MiB")
		})
	}
}
