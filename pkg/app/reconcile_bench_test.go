package app_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/accdb"
	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/billing/reconcile"
	"github.com/byeguard/byeguard/pkg/lab"
	"github.com/byeguard/byeguard/pkg/store"
)

// seededFaults are made of the row of the i-th call where i % 1000 is the key; it
// has every class that a table can show. The row's mark says what it should be
// found to be.
const seededAcc = `
create table acc_cdrs (id bigserial primary key, start_time timestamp not null, end_time timestamp not null, duration real not null,
  callid varchar(128) not null, want varchar(20) not null);
insert into acc_cdrs (start_time, end_time, duration, callid, want)
select s, s + d * interval '1 s', d, case when f = 30 then '' else call_id end,
  case when f in (10,11,12,13,14,15,16,17,18,19) then 'duration_differs' when f between 20 and 29 and n > 0.2 then 'zero_duration' when f = 30 then 'key_missing'
  when f between 40 and 49 then 'clock_skew' when f between 50 and 59 then 'zone_shift' when f between 60 and 69 then 'ringing'
  when f between 70 and 79 and ceil(n) - n > 0.2 then 'rounding' when f between 80 and 89 then 'ran_on' else 'matched' end
from (select call_id, f, n,
  confirmed_at + case when f between 40 and 49 then interval '37 s' when f between 50 and 59 then interval '1 h' when f between 60 and 69 then setup_at - confirmed_at else interval '0' end as s,
  case when f between 10 and 19 then n + 31.25 when f between 20 and 29 then 0 when f between 60 and 69 then n + extract(epoch from confirmed_at - setup_at)
    when f between 70 and 79 then ceil(n) when f between 80 and 89 then n + 45.02 else n end as d
  from (select *, extract(epoch from ended_at - confirmed_at) as n, (row_number() over (order by started)) % 1000 as f
    from byeguard.cdrs where disposition = 'answered') c where f not between 90 and 99) g;
insert into acc_cdrs (start_time, end_time, duration, callid, want)
  select start_time, end_time, duration, callid, 'duplicate' from acc_cdrs where want = 'matched' and id % 100 = 7;
insert into acc_cdrs (start_time, end_time, duration, callid, want)
  select start_time + interval '5 s', end_time + interval '5 s', duration, 'x' || callid, 'missing_here' from acc_cdrs where want = 'matched' and id % 100 = 8;
create index acc_cdrs_start_time_idx on acc_cdrs (start_time);
vacuum analyze acc_cdrs;`

// BenchmarkReconcile compares two million records with as many rows that have 1 %
// of each fault (keys missing 0.1 %), and has PostgreSQL join the same by \copy of
// both sides: x-join is our time as a multiple of its. precision and recall count
// faults of the right class. BYEGUARD_BENCH_CDRS sets another number.
func BenchmarkReconcile(b *testing.B) {
	n := 2_000_000
	if s := os.Getenv("BYEGUARD_BENCH_CDRS"); s != "" {
		_, err := fmt.Sscan(s, &n)
		require.NoError(b, err)
	}
	url := lab.Postgres(b)
	db := generateCDRs(b, url, n)
	// One in a hundred ran on; calls shorter than a second would be rounded to nothing else.
	db.MustExec(`update byeguard.cdrs c set callee_end = ended_at + interval '45 s' from
(select call_key, (row_number() over (order by started)) % 1000 as f from byeguard.cdrs where disposition = 'answered') g where c.call_key = g.call_key and f between 80 and 89`)
	for _, q := range strings.Split(seededAcc, ";\n") {
		db.MustExec(q)
	}
	db.MustExec("vacuum analyze byeguard.cdrs")
	want := map[string]int64{}
	rows, err := db.Query("select want, count(*) from acc_cdrs group by want union all select 'missing_there', (select count(*) from byeguard.cdrs where disposition = 'answered') - (select count(distinct callid) from acc_cdrs where callid <> '' and callid not like 'x%') - (select count(*) from acc_cdrs where callid = '')")
	require.NoError(b, err)
	defer rows.Close()
	for rows.Next() {
		var class string
		var count int64
		require.NoError(b, rows.Scan(&class, &count))
		want[class] = count
	}
	require.NoError(b, rows.Err())
	s, err := store.Open(b.Context(), store.Options{URL: url, ReadOnly: true})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	truth := map[string]string{}
	trows, err := db.Query("select id::text, want from acc_cdrs where want <> 'matched'")
	require.NoError(b, err)
	defer trows.Close()
	for trows.Next() {
		var id, class string
		require.NoError(b, trows.Scan(&id, &class))
		truth[id] = class
	}
	require.NoError(b, trows.Err())
	m, err := accdb.ParseMap([]byte("columns: {call_id: callid}"))
	require.NoError(b, err)
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before) // of the truth above

	dir := b.TempDir()
	join := func() time.Duration {
		script := filepath.Join(dir, "join.sql")
		require.NoError(b, os.WriteFile(script, []byte(strings.Join([]string{
			`create temp table a (call_id text, confirmed_at timestamptz, ended_at timestamptz, duration_ms bigint);`,
			`create temp table b (id bigint, callid text, start_time timestamp, end_time timestamp, duration real);`,
			`\copy (select call_id, confirmed_at, ended_at, duration_ms from byeguard.cdrs where disposition = 'answered') to '` + dir + `/a.csv' with (format csv)`,
			`\copy (select id, callid, start_time, end_time, duration from acc_cdrs) to '` + dir + `/b.csv' with (format csv)`,
			`\copy a from '` + dir + `/a.csv' with (format csv)`,
			`\copy b from '` + dir + `/b.csv' with (format csv)`,
			`select count(*) from a full join b on a.call_id = b.callid where a.call_id is null or b.callid is null or abs(extract(epoch from ended_at - confirmed_at) - b.duration) > 0.2 or abs(extract(epoch from confirmed_at at time zone 'UTC' - b.start_time)) > 2;`,
		}, "\n")), 0o600))
		began := time.Now()
		out, err := exec.Command("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", url, "-f", script).CombinedOutput()
		require.NoError(b, err, "%s", out)
		return time.Since(began)
	}
	var ours, theirs time.Duration
	var peak atomic.Uint64
	var right, wrong, missed int64
	for b.Loop() {
		theirs += join()
		done := make(chan struct{})
		go func() {
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-done:
					return
				case <-tick.C:
					var now runtime.MemStats
					runtime.ReadMemStats(&now)
					peak.Store(max(peak.Load(), now.HeapInuse-min(now.HeapInuse, before.HeapAlloc)))
				}
			}
		}()
		acc, err := accdb.Open(b.Context(), url, m)
		require.NoError(b, err)
		began := time.Now()
		core := reconcile.DefaultOptions()
		r, err := app.ReconcileAcc(b.Context(), s, acc, &app.ReconcileOptions{Rates: &billing.Rates{}, Core: core, Clean: []reconcile.Class{reconcile.Matched}})
		ours += time.Since(began)
		close(done)
		require.NoError(b, err)
		right, wrong = 0, 0
		found, good := map[string]int64{}, map[string]int64{}
		require.NoError(b, r.Each(func(f *app.Finding) error {
			switch {
			case f.Theirs == nil && f.Class == reconcile.MissingThere, f.Theirs != nil && truth[f.Theirs.ID] == string(f.Class):
				right++
				good[string(f.Class)]++
			default:
				if wrong++; wrong < 5 {
					b.Logf("%s, want %q: %s: %+v %+v", f.Class, truth[f.Theirs.ID], f.Why, f.Ours, f.Theirs)
				}
			}
			found[string(f.Class)]++
			return nil
		}))
		each := "" // one entry: a benchmark's log is cut after ten
		for _, class := range slices.Sorted(maps.Keys(want)) {
			if class != "matched" {
				each += fmt.Sprintf("\n%-16s %7d seeded, %7d found; precision %.3f, recall %.3f", class, want[class], found[class],
					float64(good[class])/float64(max(found[class], 1)), float64(good[class])/float64(max(want[class], 1)))
			}
		}
		b.Log(each)
		missed = -right
		for class, count := range want {
			if class != "matched" {
				missed += count
			}
		}
		require.NoError(b, r.Close())
		require.NoError(b, acc.Close())
	}
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "x-join")
	b.ReportMetric(ours.Seconds()/float64(b.N), "s")
	b.ReportMetric(theirs.Seconds()/float64(b.N), "join-s")
	b.ReportMetric(float64(peak.Load())/(1<<20), "heap-MiB")
	b.ReportMetric(float64(right)/float64(right+wrong), "precision")
	b.ReportMetric(float64(right)/float64(right+missed), "recall")
	b.ReportMetric(float64(right), "faults")
}
