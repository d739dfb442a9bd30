package main_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq" // the driver
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab"
)

// TestP5KilledUnderLoad: kill -9 of the process that does the work, at random
// moments, while one-sided calls end. Judged by the agents' records and by SQL
// alone: a call that ended has exactly one final CDR, a leg that byeguard's BYE
// closed gets no second one that it would answer as good, and nothing is left
// of the calls whose every event was seen.
func TestP5KilledUnderLoad(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	kam := lab.MustKamailio(t, lab.KamailioOptions{})
	db, dir := lab.Postgres(t), t.TempDir()
	port, err := lab.FreePort("127.0.0.1")
	require.NoError(t, err)
	health := fmt.Sprintf("http://127.0.0.1:%d/readyz", port)
	cmd := exec.CommandContext(ctx, build(t), "serve", "--database-url", db, "--data-dir", dir,
		"--node", "lab="+kam.EvapiAddr+","+kam.RPCURL, "--http", fmt.Sprintf("127.0.0.1:%d", port),
		// What passed while it was dead is found by asking: sooner than by default.
		"--probe-again", "1s", "--probe-slow", "2s", "--probe-rate", "200",
		"--mass-action-rate", "1000", "--mass-action-share", "1") // nobody is there to resume
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("byeguard's log:\n%s", text)
		}
	})
	up := func() {
		t.Helper()
		require.Eventually(t, func() bool { return answers(ctx, health) }, time.Minute, 5*time.Millisecond, "byeguard is not ready")
	}
	up()

	sql, err := sqlx.Open("postgres", db)
	require.NoError(t, err)
	defer sql.Close()
	records := func(where string) (n int) {
		require.NoError(t, sql.GetContext(ctx, &n, "select count(distinct call_id) from byeguard.cdrs "+where))
		return n
	}
	callee := lab.MustUA(t, lab.UAOptions{Name: "bob"})
	caller := lab.MustUA(t, lab.UAOptions{Name: "alice", Proxy: kam.SIPAddr})
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(uint64(seed), 1))
	var all []lab.Pair
	for round := range 4 {
		pairs, err := lab.PlaceCalls(ctx, lab.LoadOptions{Callers: []*lab.UA{caller}, Callees: []*lab.UA{callee}, Calls: 40})
		require.NoError(t, err)
		all = append(all, pairs...)
		// A call whose start was on its way to the journal when byeguard was killed,
		// and which is over before it is back, is known to nobody: not promised.
		require.Eventually(t, func() bool { return records("") == len(all) }, time.Minute, time.Millisecond, "round %d: not all calls are known", round)
		raced := make(chan error, 1)
		go func() {
			for _, p := range pairs {
				if err := lab.ForceRace(ctx, kam.RPC(), p.Caller); err != nil {
					raced <- err
					return
				}
			}
			raced <- nil
		}()
		// From the first race to well after the last repair.
		<-time.After(time.Duration(rnd.Int64N(int64(600 * time.Millisecond))))
		victim := childOf(t, cmd.Process.Pid)
		require.NoError(t, syscall.Kill(victim, syscall.SIGKILL))
		require.NoError(t, <-raced)
		require.Eventually(t, func() bool { return childOf(t, cmd.Process.Pid) != victim }, time.Minute, time.Millisecond, "round %d", round)
		up()
	}

	twice, left := 0, 0
	patience, stop := context.WithTimeout(ctx, 2*time.Minute)
	defer stop()
	for _, p := range all {
		require.NoError(t, p.Caller.WaitEnded(ctx))
		if p.Callee.WaitEnded(patience) != nil {
			left++
			tell(ctx, t, sql, p)
		}
		good := 0
		for _, b := range p.Callee.ByesReceived() {
			if b.Code == 200 {
				good++
			}
		}
		require.LessOrEqual(t, good, 1, "a leg was ended twice")
		if len(p.Callee.ByesReceived()) > 1 {
			twice++
		}
	}
	t.Logf("%d calls, %d callees with a BYE too many (answered 481), %d left up", len(all), twice, left)
	require.Zero(t, left)
	require.Eventually(t, func() bool { return records("where state = 'final'") == len(all) }, 90*time.Second, 50*time.Millisecond)
	var rows int
	require.NoError(t, sql.GetContext(ctx, &rows, "select count(*) from byeguard.cdrs"))
	if rows != len(all) {
		for _, p := range all {
			var n int
			require.NoError(t, sql.GetContext(ctx, &n, "select count(*) from byeguard.cdrs where call_id = $1", p.Caller.CallID()))
			if n != 1 {
				tell(ctx, t, sql, p)
			}
		}
	}
	require.Equal(t, len(all), rows, "one record a call")
	require.Empty(t, callee.Violations())
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait(), "told to stop is no error")
}

// tell shows what byeguard knows of a call that went wrong.
func tell(ctx context.Context, t *testing.T, sql *sqlx.DB, p lab.Pair) {
	t.Helper()
	for _, q := range []string{
		`SELECT 'record: ' || row_to_json(c)::text FROM byeguard.cdrs c WHERE call_id = $1`,
		`SELECT 'incident: ' || row_to_json(i)::text FROM byeguard.incidents i WHERE call_id = $1 OR call_id = ''`,
		`SELECT 'command: ' || row_to_json(o)::text FROM byeguard.outbox o JOIN byeguard.cdrs c USING (call_key) WHERE c.call_id = $1`,
		`SELECT left(row_to_json(e)::text, 700) FROM byeguard.events e JOIN byeguard.cdrs c USING (call_key) WHERE c.call_id = $1 ORDER BY e.at, e.ord`,
	} {
		var rows []string
		require.NoError(t, sql.SelectContext(ctx, &rows, q, p.Caller.CallID()))
		t.Logf("%s:\n%s", p.Caller.CallID(), strings.Join(rows, "\n"))
	}
}
