package app_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/control"
	"github.com/byeguard/byeguard/pkg/lab"
)

// change makes a change of the switches as the command line does.
func (s *site) change(action control.Action, node string) {
	s.t.Helper()
	kind := control.KindPause
	if action == control.ActionClear {
		kind = ""
	}
	op := control.NewOp(action, kind, node, "anna@noc", "test")
	_, err := s.app.Store().DoSwitch(s.ctx, op)
	require.NoError(s.t, err)
	s.eventually("byeguard knows of "+string(action), 5*time.Second, func() bool {
		return (len(s.app.Status().Switches) > 0) == (action == control.ActionSet)
	})
}

// waits returns when the call's BYE is held back.
func (s *site) waits(n int64) {
	s.t.Helper()
	s.eventually("the BYE is held back", 30*time.Second, func() bool { return s.app.Status().Waiting == n })
}

func byes(c *lab.Call) int { return len(c.Record().ByesReceived()) }

// TestP1PauseHoldsSending: while sending is paused nothing goes out, over a
// restart too. After it, each leg gets a BYE only if it is still owed one.
func TestP1PauseHoldsSending(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	owed, gone, moved := s.call(lab.CallOptions{}), s.call(lab.CallOptions{}), s.call(lab.CallOptions{})
	s.change(control.ActionSet, "lab")
	require.Contains(t, s.app.Status().Nodes[0].Sending, "anna@noc")
	for _, p := range []lab.Pair{owed, gone, moved} {
		s.forceRace(p)
	}
	s.waits(3)
	for _, p := range []lab.Pair{owed, gone, moved} { // detection goes on
		s.incident(p.Caller.CallID(), "one_sided_bye", "open")
	}

	// The callee of one hangs up by itself: nothing is owed any more.
	_, err := gone.Callee.Send("BYE", lab.RequestOptions{})
	require.NoError(t, err)
	s.waits(2)

	s.stop()
	s.guard(nil)
	s.waits(2)
	require.Equal(t, 2, s.count("SELECT count(*) FROM byeguard.outbox WHERE state='pending'"), "what waits is written down")
	for _, p := range []lab.Pair{owed, gone, moved} {
		require.Zero(t, byes(p.Callee), "a BYE was sent while sending was paused")
	}

	s.change(control.ActionClear, "")
	for _, p := range []lab.Pair{owed, moved} {
		require.NoError(t, p.Callee.WaitEnded(s.ctx))
		require.True(t, s.final(p.Caller.CallID()).Repaired)
		require.Equal(t, 1, byes(p.Callee))
		require.Equal(t, 1, s.final(p.Caller.CallID()).Attempts, "a BYE that was not sent is no attempt")
	}
	require.Equal(t, "own_bye", s.final(gone.Caller.CallID()).CalleeHow)
	require.Zero(t, byes(gone.Callee), "a BYE was sent that nobody was owed")
	s.eventually("no command is left", 10*time.Second, func() bool {
		return s.count("SELECT count(*) FROM byeguard.outbox WHERE state='pending'") == 0
	})
	require.Equal(t, 2, s.count("SELECT count(*) FROM byeguard.switch_log WHERE by_whom='anna@noc' AND reason='test' AND changed=1"))
	s.noViolations()
}

// TestPauseOfAnotherNode: it is no matter of this one.
func TestPauseOfAnotherNode(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	s.change(control.ActionSet, "elsewhere")
	s.repaired(s.call(lab.CallOptions{}))
}

// TestPauseWhilePostgreSQLIsAway: a file in data_dir does it, and PostgreSQL
// learns of it when it is back.
func TestPauseWhilePostgreSQLIsAway(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{noGuard: true})
	link := newLink(t, s.db)
	s.guard(func(c *app.Config) { c.DatabaseURL = link.url })
	p := s.call(lab.CallOptions{})
	s.open(p.Caller.CallID())
	link.cut()
	s.eventually("PostgreSQL is missed", 20*time.Second, func() bool { return s.app.Status().Database != "ok" })
	dir := filepath.Join(s.dir, "control")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pause"), []byte("by hand"), 0o600))
	s.eventually("paused", 3*time.Second, func() bool { return len(s.app.Status().Switches) == 1 })
	s.forceRace(p)
	s.waits(1)
	link.mend()
	s.eventually("PostgreSQL knows of it", 20*time.Second, func() bool {
		return s.count("SELECT count(*) FROM byeguard.switches WHERE reason='by hand'") == 1
	})
	require.NoFileExists(t, filepath.Join(dir, "pause"))
	require.Zero(t, byes(p.Callee))
	// Resumed by file, while it is away again.
	link.cut()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "resume"), nil, 0o600))
	require.NoError(t, p.Callee.WaitEnded(s.ctx))
	link.mend()
	s.eventually("PostgreSQL knows of that too", 20*time.Second, func() bool {
		return s.count("SELECT count(*) FROM byeguard.switches") == 0
	})
	require.True(t, s.final(p.Caller.CallID()).Repaired)
	s.noViolations()
}
