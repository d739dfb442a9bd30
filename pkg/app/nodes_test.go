package app_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/lab"
)

// twoNodes is a site whose calls pass two Kamailios: caller - kam1 - kam2 - callee.
func twoNodes(t *testing.T) (s *site, kam2 *lab.Kamailio) {
	t.Helper()
	name := func(n string) map[string]string { return map[string]string{"BYEGUARD_NODE": strconv.Quote(n)} }
	kam2 = lab.MustKamailio(t, lab.KamailioOptions{Defines: name("kam2")})
	s = newSite(t, siteOptions{kamailio: lab.KamailioOptions{Defines: name("kam1"), NextHop: kam2.SIPAddr}, noGuard: true})
	s.more = append(s.more, kam2)
	return s, kam2
}

// endings ends calls in each way in which one of two nodes is at fault, and
// judges: one record each, and one BYE to the leg that the fault left up.
func (s *site) endings(kam2 *lab.Kamailio) {
	s.t.Helper()
	const n = 6
	pairs := s.calls(n, lab.CallOptions{})
	for _, k := range []*lab.Kamailio{s.kam, kam2} {
		dialogs, err := lab.Dialogs(s.ctx, k.RPC())
		require.NoError(s.t, err)
		require.Len(s.t, dialogs, n, "the call does not pass both")
	}
	byCaller, byCallee, near, far, both, up := pairs[0], pairs[1], pairs[2], pairs[3], pairs[4], pairs[5]
	for _, p := range pairs {
		s.open(p.Caller.CallID())
	}
	_, err := byCaller.Caller.Bye(s.ctx, lab.RequestOptions{})
	require.NoError(s.t, err)
	_, err = byCallee.Callee.Bye(s.ctx, lab.RequestOptions{})
	require.NoError(s.t, err)
	require.NoError(s.t, lab.ForceRace(s.ctx, s.kam.RPC(), near.Caller))
	require.NoError(s.t, lab.ForceRace(s.ctx, kam2.RPC(), far.Caller))
	at := make(chan error, 2)
	for _, k := range []*lab.Kamailio{s.kam, kam2} {
		go func() { at <- lab.ForceRace(s.ctx, k.RPC(), both.Caller) }()
	}
	require.NoError(s.t, errors.Join(<-at, <-at))

	for _, p := range []lab.Pair{near, far} {
		require.NoError(s.t, p.Caller.WaitEnded(s.ctx))
		require.NoError(s.t, p.Callee.WaitEnded(s.ctx))
	}
	require.NoError(s.t, both.Caller.WaitEnded(s.ctx))
	require.NoError(s.t, both.Callee.WaitEnded(s.ctx))
	// A byeguard that sees kam1 alone takes kam2's BYE for the callee's.
	require.Contains(s.t, []string{"proxy", "callee"}, s.final(both.Caller.CallID()).Released)
	require.Len(s.t, both.Callee.ByesReceived(), 1, "the callee got more than one BYE")
	require.Equal(s.t, "caller", s.final(byCaller.Caller.CallID()).Released)
	require.Equal(s.t, "callee", s.final(byCallee.Caller.CallID()).Released)
	for _, p := range []lab.Pair{near, far} {
		s.eventually("the record of the repaired call", 60*time.Second, func() bool {
			r := s.final(p.Caller.CallID())
			return r.Repaired && r.RepairedLeg == "callee" && r.Released == "proxy"
		})
		require.Len(s.t, p.Callee.ByesReceived(), 1, "the callee got more than one BYE")
		require.Equal(s.t, 1, s.count("SELECT count(*) FROM byeguard.outbox WHERE call_key IN (SELECT call_key FROM byeguard.cdrs WHERE call_id=$1)", p.Caller.CallID()))
		s.incident(p.Caller.CallID(), "one_sided_bye", "resolved")
	}
	require.True(s.t, up.Caller.State().Live() && up.Callee.State().Live(), "a live call was ended")
	_, err = up.Caller.Bye(s.ctx, lab.RequestOptions{})
	require.NoError(s.t, err)
	s.final(up.Caller.CallID())
	s.eventually("no call is left open", 60*time.Second, func() bool { return s.count("SELECT count(*) FROM byeguard.dialogs") == 0 })
	require.Equal(s.t, n, s.count("SELECT count(*) FROM byeguard.cdrs"))
	s.noViolations()
}

// TestTwoNodes: one byeguard serves both.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	s, kam2 := twoNodes(t)
	s.guard(func(c *app.Config) {
		c.Nodes = []app.Node{
			{Name: "kam1", Evapi: s.kam.EvapiAddr, JSONRPC: s.kam.RPCURL},
			{Name: "kam2", Evapi: kam2.EvapiAddr, JSONRPC: kam2.RPCURL},
		}
	})
	s.endings(kam2)
}

// TestTwoNodesTwoByeguards: each node has a byeguard of its own; they share the
// database alone.
func TestTwoNodesTwoByeguards(t *testing.T) {
	t.Parallel()
	s, kam2 := twoNodes(t)
	s.guard(func(c *app.Config) {
		c.Nodes = []app.Node{{Name: "kam1", Evapi: s.kam.EvapiAddr, JSONRPC: s.kam.RPCURL}}
	})
	s.guard(func(c *app.Config) {
		c.DataDir = t.TempDir()
		c.Nodes = []app.Node{{Name: "kam2", Evapi: kam2.EvapiAddr, JSONRPC: kam2.RPCURL}}
	})
	s.endings(kam2)
}
