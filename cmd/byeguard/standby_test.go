package main_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq" // the driver
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab"
)

// pair is two byeguards, as processes, beside one Kamailio.
type pair struct {
	t      *testing.T
	ctx    context.Context
	kam    *lab.Kamailio
	sql    *sqlx.DB
	bin    string
	db     string
	dir    string // of the only byeguard, taken out of what it says
	caller *lab.UA
	callee *lab.UA
}

// guard is one of them.
type guard struct {
	cmd  *exec.Cmd
	dir  string
	http string
}

func newPair(t *testing.T) *pair {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	p := &pair{t: t, ctx: ctx, kam: lab.MustKamailio(t, lab.KamailioOptions{}), db: lab.Postgres(t), bin: build(t)}
	p.callee = lab.MustUA(t, lab.UAOptions{Name: "bob", Proxy: p.kam.SIPAddr})
	p.caller = lab.MustUA(t, lab.UAOptions{Name: "alice", Proxy: p.kam.SIPAddr})
	var err error
	p.sql, err = sqlx.Open("postgres", p.db)
	require.NoError(t, err)
	t.Cleanup(func() { p.sql.Close() })
	return p
}

// start starts a byeguard in a process group of its own and waits until it is ready.
func (p *pair) start() *guard {
	p.t.Helper()
	port, err := lab.FreePort("127.0.0.1")
	require.NoError(p.t, err)
	g := &guard{dir: p.t.TempDir()}
	g.http = fmt.Sprintf("127.0.0.1:%d", port)
	g.cmd = exec.CommandContext(p.ctx, p.bin, "serve", "--database-url", p.db, "--data-dir", g.dir, "--log-level", "debug",
		"--node", "lab="+p.kam.EvapiAddr+","+p.kam.RPCURL, "--http", g.http)
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	log, err := os.Create(filepath.Join(p.t.TempDir(), "log"))
	require.NoError(p.t, err)
	g.cmd.Stdout, g.cmd.Stderr = log, log
	require.NoError(p.t, g.cmd.Start())
	p.t.Cleanup(func() {
		g.signal(p.t, syscall.SIGKILL)
		_ = g.cmd.Wait() // it was killed
		if p.t.Failed() {
			text, _ := os.ReadFile(log.Name())
			p.t.Logf("log of the byeguard in %s:\n%s", g.dir, text)
		}
	})
	p.eventually("byeguard is ready", func() bool { return answers(p.ctx, "http://"+g.http+"/readyz") })
	return g
}

// signal reaches the watching parent and the byeguard that it watches.
func (g *guard) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(-g.cmd.Process.Pid, sig); sig != syscall.SIGKILL {
		require.NoError(t, err)
	}
}

func (p *pair) eventually(what string, ok func() bool) {
	p.t.Helper()
	require.Eventually(p.t, ok, time.Minute, 20*time.Millisecond, what)
}

func (p *pair) count(query string, args ...any) (n int) {
	p.t.Helper()
	require.NoError(p.t, p.sql.GetContext(p.ctx, &n, query, args...))
	return n
}

func (p *pair) epoch() int { return p.count("SELECT epoch FROM byeguard.leases WHERE node='lab'") }

func (p *pair) calls(n int) []lab.Pair {
	p.t.Helper()
	pairs, err := lab.PlaceCalls(p.ctx, lab.LoadOptions{Callers: []*lab.UA{p.caller}, Callees: []*lab.UA{p.callee}, Calls: n})
	require.NoError(p.t, err)
	return pairs
}

func (p *pair) open(n int) {
	p.t.Helper()
	have := -1
	require.Eventually(p.t, func() bool {
		have = p.count("SELECT count(*) FROM byeguard.cdrs WHERE state='open'")
		return have == n
	}, 20*time.Second, 20*time.Millisecond, "%d open records", n)
}

// race has Kamailio end a call towards its caller alone.
func (p *pair) race(c lab.Pair) {
	p.t.Helper()
	require.NoError(p.t, lab.ForceRace(p.ctx, p.kam.RPC(), c.Caller))
}

// judge goes by the agents' own records and the database alone: each call has
// one final record, and a callee that was owed a BYE got one and no more.
func (p *pair) judge(repaired, good, up []lab.Pair) {
	p.t.Helper()
	for _, c := range repaired {
		require.NoError(p.t, c.Callee.WaitEnded(p.ctx))
	}
	p.eventually("final records", func() bool {
		return p.count("SELECT count(*) FROM byeguard.cdrs WHERE state='final'") == len(repaired)+len(good)
	})
	require.Equal(p.t, len(repaired)+len(good)+len(up), p.count("SELECT count(*) FROM byeguard.cdrs"), "a call has more than one record")
	require.Equal(p.t, len(repaired), p.count("SELECT count(*) FROM byeguard.cdrs WHERE repaired AND repaired_leg='callee'"))
	var changed []string
	require.NoError(p.t, p.sql.SelectContext(p.ctx, &changed, "SELECT record::text || ' -> ' || row_to_json(c)::text FROM byeguard.cdr_revisions JOIN byeguard.cdrs c USING (call_key)"))
	require.Empty(p.t, changed, "a final record was changed")
	require.Zero(p.t, p.count("SELECT count(*) FROM (SELECT call_key, kind, leg FROM byeguard.incidents WHERE kind='one_sided_bye' GROUP BY 1,2,3 HAVING count(*) > 1) x"))
	for _, c := range repaired {
		require.Len(p.t, c.Callee.Record().ByesReceived(), 1)
	}
	for _, c := range up {
		require.True(p.t, c.Caller.State().Live() && c.Callee.State().Live(), "a live call was ended")
	}
	p.eventually("no open incident", func() bool {
		return p.count("SELECT count(*) FROM byeguard.incidents WHERE state='open' AND kind='one_sided_bye'") == 0
	})
	require.Empty(p.t, p.caller.Violations())
	require.Empty(p.t, p.callee.Violations())
}

func pick(all []lab.Pair, which ...int) (some []lab.Pair) {
	for _, i := range which {
		some = append(some, all[i])
	}
	return some
}

// TestStandbyTakesOver: kill -9 of the byeguard that acts. The standby repairs
// what is owed within 3 s, and nothing is lost or done twice.
func TestStandbyTakesOver(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	first := p.start()
	require.Equal(t, 1, p.epoch())
	before := p.calls(8) // known to the first before the standby comes
	p.open(8)
	p.start()
	require.Equal(t, 1, p.epoch(), "the standby acts although the holder lives")
	all := append(before, p.calls(8)...)
	p.open(16)
	// While both live, one of them acts.
	p.race(all[0])
	p.race(all[8])
	p.judge(pick(all, 0, 8), nil, pick(all, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15))

	first.signal(t, syscall.SIGKILL)
	died := time.Now()
	owed := pick(all, 1, 2, 9, 10)
	for _, c := range owed { // nobody acts now
		p.race(c)
	}
	good := pick(all, 3, 11)
	for _, c := range good {
		_, err := c.Callee.Bye(p.ctx, lab.RequestOptions{})
		require.NoError(t, err)
	}
	p.eventually("taken over", func() bool { return p.epoch() == 2 })
	took := time.Since(died)
	for _, c := range owed {
		require.NoError(t, c.Callee.WaitEnded(p.ctx))
	}
	t.Logf("taken over after %v, all repaired after %v", took.Round(time.Millisecond), time.Since(died).Round(time.Millisecond))
	require.Less(t, took, 3*time.Second)
	p.judge(pick(all, 0, 8, 1, 2, 9, 10), good, pick(all, 4, 5, 6, 7, 12, 13, 14, 15))
	// A call that began before the standby did.
	p.race(all[4])
	p.judge(pick(all, 0, 8, 1, 2, 9, 10, 4), good, pick(all, 5, 6, 7, 12, 13, 14, 15))
}

// TestStoppedHolderIsFenced: the byeguard that acts is stopped, its standby takes
// over, and it wakes up. It must neither send nor write.
func TestStoppedHolderIsFenced(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	first := p.start()
	p.start()
	all := p.calls(6)
	p.open(6)
	// It is stopped with a BYE on its mind: the grace time runs.
	p.race(all[0])
	first.signal(t, syscall.SIGSTOP)
	p.race(all[1])
	p.eventually("taken over", func() bool { return p.epoch() == 2 })
	for _, c := range all[:2] {
		require.NoError(t, c.Callee.WaitEnded(p.ctx))
	}
	p.judge(all[:2], nil, all[2:])
	first.signal(t, syscall.SIGCONT)
	p.eventually("it stands by", func() bool {
		return p.count(`SELECT count(*) FROM byeguard.instances, jsonb_array_elements(status->'nodes') n
			WHERE n->>'role'='standby' AND seen_at > clock_timestamp() - interval '2 s'`) == 1
	})
	require.Equal(t, 2, p.epoch(), "it took the lease back")
	p.race(all[2])
	p.judge(all[:3], nil, all[3:])
	require.Equal(t, 2, p.epoch())
}
