package app_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab"
)

// TestVanished is row 6: dialogs vanish while byeguard's connection is cut. The
// end points say what became of the calls: an end that is left alone gets its
// BYE, a call that is alive gets none, one that is over is closed.
func TestVanished(t *testing.T) {
	t.Parallel()
	eachKamailio(t, testVanished)
}

func testVanished(t *testing.T, b lab.Binary) {
	t.Helper()
	s, c := cabled(t, siteOptions{kamailio: lab.KamailioOptions{Binary: b}, config: quick})
	alive, callerGone, calleeGone, over, held := s.call(lab.CallOptions{}), s.call(lab.CallOptions{}), s.call(lab.CallOptions{}),
		s.call(lab.CallOptions{}), s.call(lab.CallOptions{})
	for _, p := range []lab.Pair{alive, callerGone, calleeGone, over, held} {
		s.open(p.Caller.CallID())
	}
	c.Cut()
	s.eventually("the cut is noticed", 20*time.Second, func() bool { return !s.app.Connected() })
	// A BYE that is dropped deletes the proxy's dialog, and nobody else hears of it.
	for _, p := range []lab.Pair{alive, callerGone, calleeGone, over} {
		s.forge(p.Caller, "drop")
	}
	callerGone.Caller.Vanish()
	calleeGone.Callee.Vanish()
	over.Caller.Vanish()
	over.Callee.Vanish()
	c.Mend()

	require.NoError(t, callerGone.Callee.WaitEnded(s.ctx))
	require.NoError(t, calleeGone.Caller.WaitEnded(s.ctx))
	r := s.final(callerGone.Caller.CallID())
	require.Equal(t, "gone", r.CallerHow)
	require.Equal(t, "confirmed", r.CalleeHow)
	require.Equal(t, "callee", r.RepairedLeg)
	require.Equal(t, "end_point_gone", r.RepairWhy)
	require.Equal(t, "unknown", r.Released)
	require.Equal(t, "caller", s.final(calleeGone.Caller.CallID()).RepairedLeg)
	r = s.final(over.Caller.CallID())
	require.Equal(t, []string{"gone", "gone"}, []string{r.CallerHow, r.CalleeHow})
	require.Zero(t, r.Attempts)

	s.asked(alive.Caller, 2)
	s.asked(alive.Callee, 2)
	require.Empty(t, held.Caller.Record().Options, "a call that Kamailio holds was asked")
	for _, p := range []lab.Pair{alive, held} {
		s.undisturbed(p)
		require.Zero(t, s.final(p.Caller.CallID()).Attempts)
	}
	s.noViolations()
}

// TestP1RestartAsksSlowly is row 7: Kamailio is killed with live calls. Nothing is
// sent but OPTIONS; where both ends are gone the CDR closes, where one is a
// person is told.
func TestP1RestartAsksSlowly(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{config: quick})
	alive, half, over := s.call(lab.CallOptions{}), s.call(lab.CallOptions{}), s.call(lab.CallOptions{})
	for _, p := range []lab.Pair{alive, half, over} {
		s.open(p.Caller.CallID())
	}
	require.NoError(t, s.kam.Kill())
	half.Callee.Vanish()
	over.Caller.Vanish()
	over.Callee.Vanish()
	require.NoError(t, s.kam.Start(s.ctx))

	r := s.final(over.Caller.CallID())
	require.Equal(t, []string{"gone", "gone"}, []string{r.CallerHow, r.CalleeHow})
	s.incident(half.Caller.CallID(), "leg_gone", "open")
	s.asked(alive.Caller, 2)
	s.asked(alive.Callee, 2)
	require.True(t, half.Caller.State().Live(), "a live end was ended")
	_, err := half.Caller.Bye(s.ctx, lab.RequestOptions{})
	require.NoError(t, err)
	s.final(half.Caller.CallID())
	s.undisturbed(alive)
	require.Equal(t, "callee", s.final(alive.Caller.CallID()).Released)
	s.noCommands()
	s.noViolations()
}
