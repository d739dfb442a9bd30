package app_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/lab"
)

// BenchmarkRepair ends 1,000 calls of a stock Kamailio at once and looks, in the
// agents' own records, at how much later than its caller's each callee's BYE
// came where it is byeguard's: "late" is what goes beyond the grace time. How
// many those are depends on how dlg.end_dlg is called: one request after the
// other loses most callees' BYEs, sixteen in flight end the calls quickest.
func BenchmarkRepair(b *testing.B) {
	program := binary(b)
	b.Run("one_by_one", func(b *testing.B) { benchRepair(b, program, lab.RaceParallelism) })
	b.Run("sixteen_in_flight", func(b *testing.B) { benchRepair(b, program, 16) })
}

func benchRepair(b *testing.B, program string, inFlight int) {
	const calls = 1000
	var late []time.Duration
	repaired, ended := 0, time.Duration(0)
	for range b.N {
		took, gaps := repairRound(b, program, calls, inFlight)
		repaired += len(gaps)
		ended += took
		for _, gap := range gaps {
			late = append(late, gap-app.DefaultConfig().Grace)
		}
	}
	require.NotEmpty(b, late, "the fault did not show: nothing was measured")
	slices.Sort(late)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(float64(repaired)/float64(b.N), "repaired")
	b.ReportMetric(0, "left-up") // else the run had failed
	b.ReportMetric(ms(ended)/float64(b.N), "ms-to-end-all")
	b.ReportMetric(ms(late[len(late)/2]), "ms-late-p50")
	b.ReportMetric(ms(late[(len(late)-1)*99/100]), "ms-late-p99")
	b.ReportMetric(ms(late[len(late)-1]), "ms-late-max")
	b.ReportMetric(0, "ns/op") // says nothing
}

// repairRound places calls, ends them all, waits until every callee has its BYE
// and returns how long the ending took and, for each BYE of byeguard's, the time
// from the caller's BYE to the callee's.
func repairRound(b *testing.B, program string, calls, inFlight int) (took time.Duration, gaps []time.Duration) {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	db := lab.Postgres(b)
	kam := lab.MustKamailio(b, lab.KamailioOptions{})
	var callers, callees []*lab.UA
	for range 4 {
		callers = append(callers, lab.MustUA(b, lab.UAOptions{Name: "alice", Proxy: kam.SIPAddr}))
		callees = append(callees, lab.MustUA(b, lab.UAOptions{Name: "bob"}))
	}
	guard := startDaemon(ctx, b, program, kam, db)
	defer guard.stop()
	defer func() {
		x, _ := os.ReadFile(guard.log)
		for _, l := range strings.Split(string(x), "\n") {
			if strings.Contains(l, "not seen") {
				b.Log(l)
			}
		}
	}()

	pairs, err := lab.PlaceCalls(ctx, lab.LoadOptions{Callers: callers, Callees: callees, Calls: calls})
	require.NoError(b, err)
	report, err := lab.EndDialogs(ctx, kam.RPC(), inFlight, nil)
	require.NoError(b, err)
	require.Equal(b, calls, report.Asked)
	step := int(app.DefaultConfig().CSeqStep)
	for _, p := range pairs {
		require.NoError(b, p.Caller.WaitEnded(ctx))
		require.NoError(b, p.Callee.WaitEnded(ctx), "a callee was left up")
		first, last := p.Caller.ByesReceived(), p.Callee.ByesReceived()
		require.Len(b, last, 1, "each callee gets exactly one BYE")
		if int(last[0].CSeq) > step { // Kamailio's own BYE is the INVITE's number and one
			gaps = append(gaps, last[0].At.Sub(first[0].At))
		}
	}
	for _, ua := range append(callers, callees...) {
		require.Empty(b, ua.Violations())
	}
	conn, err := sqlx.Open("postgres", db)
	require.NoError(b, err)
	defer conn.Close()
	require.Eventually(b, func() bool {
		var n int
		err := conn.GetContext(ctx, &n, "SELECT count(*) FROM byeguard.cdrs WHERE repaired AND state = 'final'")
		return err == nil && n == len(gaps)
	}, 20*time.Second, 50*time.Millisecond, "the records tell another number of repairs than the agents")
	dump(b, conn)
	return report.Took, gaps
}

func dump(b *testing.B, conn *sqlx.DB) {
	var rows []struct {
		Kind, Detail string
		N            int
		P50, P99     float64
	}
	require.NoError(b, conn.Select(&rows, `with r as (select call_key from byeguard.cdrs where repaired), e as (select e.*, extract(epoch from at)*1000 t, lag_us/1000.0 lag, (select min(extract(epoch from at)*1000) from byeguard.events o where o.call_key=e.call_key and o.kind='bye_out') t0 from byeguard.events e join r using (call_key))
	select kind||coalesce(' '||cseq::text,'')||coalesce(' '||reason,'') as kind, '' as detail, count(*) n, percentile_cont(0.5) within group (order by t-t0) p50, percentile_cont(0.99) within group (order by t+lag-t0) p99 from e where t>=t0 group by 1 order by 4`))
	for _, r := range rows {
		b.Logf("%-40s n=%d at-t0 p50 %.1f seen-t0 p99 %.1f", r.Kind, r.N, r.P50, r.P99)
	}
}
