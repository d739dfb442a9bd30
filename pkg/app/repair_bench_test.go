package app_test

import (
	"context"
	"os"
	"regexp"
	"slices"
	"strconv"
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
//
// On a machine without a core to spare the credit gate may close: "unseen" are
// the events that Kamailio then did not relay, "left-up" the callees that nobody
// sent a BYE to, "twice" those that got one from Kamailio and one from byeguard.
// With all events seen, neither may happen.
func BenchmarkRepair(b *testing.B) {
	program := binary(b)
	b.Run("one_by_one", func(b *testing.B) { benchRepair(b, program, lab.RaceParallelism) })
	b.Run("sixteen_in_flight", func(b *testing.B) { benchRepair(b, program, 16) })
}

// repair is what came of the calls of one or several rounds.
type repair struct {
	late                  []time.Duration // beyond the grace time, of byeguard's BYEs
	took                  time.Duration
	leftUp, twice, unseen int
}

func benchRepair(b *testing.B, program string, inFlight int) {
	b.Helper()
	const calls = 1000
	var all repair
	for range b.N {
		r := repairRound(b, program, calls, inFlight)
		all.late = append(all.late, r.late...)
		all.took += r.took
		all.leftUp, all.twice, all.unseen = all.leftUp+r.leftUp, all.twice+r.twice, all.unseen+r.unseen
	}
	n, late := float64(b.N), all.late
	require.NotEmpty(b, late, "the fault did not show: nothing was measured")
	slices.Sort(late)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(float64(len(late))/n, "repaired")
	b.ReportMetric(float64(all.leftUp)/n, "left-up")
	b.ReportMetric(float64(all.twice)/n, "twice")
	b.ReportMetric(float64(all.unseen)/n, "unseen")
	b.ReportMetric(ms(all.took)/n, "ms-to-end-all")
	b.ReportMetric(ms(late[len(late)/2]), "ms-late-p50")
	b.ReportMetric(ms(late[(len(late)-1)*99/100]), "ms-late-p99")
	b.ReportMetric(ms(late[len(late)-1]), "ms-late-max")
	b.ReportMetric(0, "ns/op") // says nothing
}

// repairRound places calls, ends them all, and looks at what each callee got.
func repairRound(b *testing.B, program string, calls, inFlight int) (r repair) {
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

	pairs, err := lab.PlaceCalls(ctx, lab.LoadOptions{Callers: callers, Callees: callees, Calls: calls})
	require.NoError(b, err)
	report, err := lab.EndDialogs(ctx, kam.RPC(), inFlight, nil)
	require.NoError(b, err)
	require.Equal(b, calls, report.Asked)
	r.took = report.Took
	// Far longer than any BYE that is sent at all.
	patience, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	cfg := app.DefaultConfig()
	for _, p := range pairs {
		require.NoError(b, p.Caller.WaitEnded(ctx))
		if p.Callee.WaitEnded(patience) != nil {
			r.leftUp++
			continue
		}
		caller, callee := p.Caller.ByesReceived(), p.Callee.ByesReceived()
		if len(callee) > 1 {
			r.twice++
		}
		// Kamailio's own BYE has the INVITE's number and one.
		if callee[0].CSeq > cfg.CSeqStep {
			r.late = append(r.late, callee[0].At.Sub(caller[0].At)-cfg.Grace)
		}
	}
	for _, ua := range append(callers, callees...) {
		require.Empty(b, ua.Violations())
	}
	r.unseen = guard.unseen(b)
	if r.unseen == 0 {
		require.Zero(b, r.leftUp, "every event was seen, and callees were left up")
		require.Zero(b, r.twice, "every event was seen, and callees got two BYEs")
		awaitRepaired(ctx, b, db, len(r.late))
	}
	return r
}

// awaitRepaired checks the records against what the agents saw.
func awaitRepaired(ctx context.Context, b *testing.B, db string, want int) {
	b.Helper()
	conn, err := sqlx.Open("postgres", db)
	require.NoError(b, err)
	defer conn.Close()
	require.Eventually(b, func() bool {
		var n int
		err := conn.GetContext(ctx, &n, "SELECT count(*) FROM byeguard.cdrs WHERE repaired AND state = 'final'")
		return err == nil && n == want
	}, 20*time.Second, 50*time.Millisecond, "the records tell another number of repairs than the agents")
}

var gapLine = regexp.MustCompile(`were not seen.* from=(\d+) .*to=(\d+)`)

// unseen counts the events that byeguard says it did not see, by its log.
func (d *daemon) unseen(b *testing.B) (n int) {
	b.Helper()
	text, err := os.ReadFile(d.log)
	require.NoError(b, err)
	for _, m := range gapLine.FindAllStringSubmatch(string(text), -1) {
		from, err := strconv.Atoi(m[1])
		require.NoError(b, err)
		to, err := strconv.Atoi(m[2])
		require.NoError(b, err)
		n += max(0, to-from+1)
	}
	return n
}
