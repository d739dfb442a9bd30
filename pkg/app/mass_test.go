package app_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/control"
	"github.com/byeguard/byeguard/pkg/lab"
)

// TestP1MassAction: many calls at once of which one end is gone and the proxy
// refused a BYE (row 5). BYEs on inference stop at the limit, a person is told,
// and the rest waits, over a restart too, until somebody resumes. BYEs on
// evidence go on.
func TestP1MassAction(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]struct {
		config func(*app.Config)
		most   int // BYEs before it stops
		detail string
	}{
		"rate":  {func(c *app.Config) { c.MassRate = 2 }, 10, "more than 2 BYEs a second"},
		"share": {func(c *app.Config) { c.MassRate = 1000 }, control.DefaultFloor, "within a minute"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := func(c *app.Config) {
				quick(c)
				limit.config(c)
			}
			s := newSite(t, siteOptions{config: config})
			all := s.calls(32, lab.CallOptions{})
			dead, up := all[:28], all[28:]
			for _, p := range all {
				s.open(p.Caller.CallID())
			}
			for _, p := range dead {
				p.Caller.Vanish()
				s.forge(p.Caller, "refuse")
			}
			s.eventually("a person is told", 60*time.Second, func() bool {
				return s.count(`SELECT count(*) FROM byeguard.incidents WHERE kind='mass_action' AND node='lab'
					AND state='open' AND severity='critical' AND detail LIKE '%' || $1 || '%'`, limit.detail) == 1
			})
			sent := func() (n int) {
				for _, p := range dead {
					require.LessOrEqual(t, byes(p.Callee), 1)
					n += byes(p.Callee)
				}
				return n
			}
			held := func() { // all is either sent or waits
				s.eventually("the rest waits", 60*time.Second, func() bool { return int(s.app.Status().Waiting) == len(dead)-sent() })
			}
			held()
			before := sent()
			require.Positive(t, before)
			require.LessOrEqual(t, before, limit.most)
			if name == "share" {
				require.Equal(t, limit.most, before)
			}
			require.Contains(t, s.app.Status().Nodes[0].Sending, "on evidence only")

			s.stop()
			s.guard(config)
			held()
			require.Equal(t, before, sent(), "the stop did not survive the restart")
			s.repaired(s.call(lab.CallOptions{})) // evidence
			require.Equal(t, before, sent())

			s.change(control.ActionClear, "")
			for _, p := range dead {
				require.NoError(t, p.Callee.WaitEnded(s.ctx))
				r := s.final(p.Caller.CallID())
				require.Equal(t, "end_point_gone", r.RepairWhy)
				require.Equal(t, 1, r.Attempts)
			}
			require.Equal(t, len(dead), sent())
			s.eventually("the incident is settled", 20*time.Second, func() bool {
				return s.count("SELECT count(*) FROM byeguard.incidents WHERE kind='mass_action' AND state<>'resolved'") == 0
			})
			require.Empty(t, s.app.Status().Switches)
			for _, p := range up {
				require.True(t, p.Caller.State().Live() && p.Callee.State().Live(), "a live call was ended")
			}
			s.noViolations()
		})
	}
}

// TestResumeAfterRestart: byeguard is away while Kamailio loses the BYEs of many calls.
// Their ends are found by asking, so their BYEs are inferences and stop; after resume
// each callee gets one, and every record closes.
func TestResumeAfterRestart(t *testing.T) {
	t.Parallel()
	config := func(c *app.Config) {
		quick(c)
		c.MassRate = 2
	}
	s := newSite(t, siteOptions{config: config})
	all := s.calls(32, lab.CallOptions{})
	dead, up := all[:28], all[28:]
	for _, p := range all {
		s.open(p.Caller.CallID())
	}
	s.stop()
	for _, p := range dead {
		s.forceRace(p)
	}
	s.guard(config)
	s.eventually("a person is told", 60*time.Second, func() bool {
		return s.count(`SELECT count(*) FROM byeguard.incidents WHERE kind='mass_action' AND state='open'`) == 1
	})
	sent := func() (n int) {
		for _, p := range dead {
			n += byes(p.Callee)
		}
		return n
	}
	s.eventually("the rest waits", 60*time.Second, func() bool { return int(s.app.Status().Waiting) == len(dead)-sent() })
	require.LessOrEqual(t, sent(), 10)

	s.change(control.ActionClear, "")
	for _, p := range dead {
		require.NoError(t, p.Callee.WaitEnded(s.ctx))
		r := s.final(p.Caller.CallID())
		require.True(t, r.Repaired)
		require.Equal(t, "end_point_gone", r.RepairWhy)
		require.Equal(t, 1, byes(p.Callee))
	}
	require.Zero(t, s.app.Status().Waiting)
	for _, p := range up {
		require.True(t, p.Caller.State().Live() && p.Callee.State().Live(), "a live call was ended")
	}
	s.eventually("no call but the live ones is open", 60*time.Second, func() bool {
		return s.count("SELECT count(*) FROM byeguard.dialogs") == len(up)
	})
	s.noViolations()
}
