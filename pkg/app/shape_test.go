package app_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab"
)

// repaired forces the race on one call and checks that the callee gets exactly
// the BYE that a strict agent accepts.
func (s *site) repaired(p lab.Pair) record {
	s.t.Helper()
	s.forceRace(p)
	require.NoError(s.t, p.Callee.WaitEnded(s.ctx))
	r := s.final(p.Caller.CallID())
	require.True(s.t, r.Repaired)
	require.Equal(s.t, "callee", r.RepairedLeg)
	s.noViolations()
	return r
}

// TestHostileTexts: whatever stands in Call-ID, tags and names, the BYE is right
// and the record tells it byte for byte.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	for _, o := range []lab.CallOptions{
		{CallID: `it's.a%20"{call}`, FromTag: "o'reilly*~`!.%_+", DisplayName: `Robert"); DROP TABLE cdrs;-- \ <script>`},
		{CallID: strings.Repeat("long-", 36), FromTag: "plain"},
		{CallID: "caf\xc3\xa9@h", FromTag: "tab1", DisplayName: "=HYPERLINK(1)\ttab, comma; {s.len} $var(x)"},
	} {
		r := s.repaired(s.call(o))
		require.Contains(t, r.CallerURI, "alice")
	}
	// Bytes that are no UTF-8 cannot be told to the laboratory's own JSON-RPC
	// client; a failing BYE has byeguard send one here.
	p := s.call(lab.CallOptions{CallID: "caf\xe9-\xff@h", FromTag: "l\xe4tin", DisplayName: "\xc3\x28"})
	p.Callee.SetBye(lab.ByePolicy{Code: 500})
	_, err := p.Caller.Send("BYE", lab.RequestOptions{})
	require.NoError(t, err)
	require.NoError(t, p.Callee.Wait(s.ctx, func(r lab.Record) bool { return len(r.ByesReceived()) > 1 }))
	p.Callee.SetBye(lab.ByePolicy{})
	require.True(t, s.final(p.Caller.CallID()).Repaired)
	s.noViolations()
}

// TestSpiral: the call passes the proxy twice and has two dialogs there, one
// pair of end points and one CDR.
func TestSpiral(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{
		kamailio: lab.KamailioOptions{
			Defines:  map[string]string{"LAB_SPIRAL": ""},
			ExtraCfg: `modparam("dialog", "detect_spirals", 0)`, // else the second pass makes no dialog
		},
		callee: lab.UAOptions{Name: "spiral"},
	})
	p := s.call(lab.CallOptions{})
	dialogs, err := lab.Dialogs(s.ctx, s.kam.RPC())
	require.NoError(t, err)
	require.Len(t, dialogs, 2, "no spiral")
	// Ended well by the end point.
	_, err = p.Callee.Bye(s.ctx, lab.RequestOptions{})
	require.NoError(t, err)
	require.Equal(t, "callee", s.final(p.Caller.CallID()).Released)
	s.noCommands()
	// Ended by the proxy, one side only.
	p = s.call(lab.CallOptions{})
	s.repaired(p)
}

// TestFork: two branches answer. The proxy knows the first only; byeguard keeps
// a record of each.
func TestFork(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{callee: lab.UAOptions{Name: "bob"}})
	second := lab.MustUA(t, lab.UAOptions{Name: "bob", Answer: lab.Answer{After: 100 * time.Millisecond}})
	fork := lab.MustRRProxy(t, lab.RRProxyOptions{Targets: []string{s.callee.Addr(), second.Addr()}, NoRecordRoute: true})
	c, err := s.caller.Call(s.ctx, lab.CallOptions{To: "sip:bob@" + fork.Addr()})
	require.NoError(t, err)
	require.NoError(t, c.WaitUp(s.ctx))
	s.eventually("a second branch", 10*time.Second, func() bool { return len(c.Forks()) == 1 })
	s.eventually("two records", 20*time.Second, func() bool { return len(s.records(c.CallID())) == 2 })
	// The caller keeps the second branch.
	_, err = c.Bye(s.ctx, lab.RequestOptions{})
	require.NoError(t, err)
	state := func(tag string) string {
		for _, r := range s.records(c.CallID()) {
			if r.CalleeTag == tag {
				return r.State
			}
		}
		return "none"
	}
	fork2 := c.Forks()[0]
	s.eventually("first branch final", 20*time.Second, func() bool { return state(c.Record().RemoteTag) == "final" })
	require.Equal(t, "open", state(fork2.Record().RemoteTag))
	require.True(t, fork2.State().Live(), "the second branch was ended")
	_, err = fork2.Bye(s.ctx, lab.RequestOptions{})
	require.NoError(t, err)
	s.eventually("second branch final", 20*time.Second, func() bool { return state(fork2.Record().RemoteTag) == "final" })
	s.noCommands()
	s.noViolations()
}

// TestAnsweredAfterEarlyTimeout: the proxy forgets a call that rings too long;
// byeguard follows it all the same.
func TestAnsweredAfterEarlyTimeout(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{
		kamailio: lab.KamailioOptions{Defines: map[string]string{"LAB_EARLY_TIMEOUT": "2"}},
		callee:   lab.UAOptions{Answer: lab.Answer{Never: true}},
	})
	c, err := s.caller.Call(s.ctx, lab.CallOptions{To: s.callee.URI()})
	require.NoError(t, err)
	callee, err := s.callee.WaitCall(s.ctx, c.CallID())
	require.NoError(t, err)
	// Kamailio looks for such calls every 90 s (dialog.c, dlg_clean_timer).
	s.eventually("the proxy forgets the call", 3*time.Minute, func() bool {
		dialogs, err := lab.Dialogs(s.ctx, s.kam.RPC())
		return err == nil && len(dialogs) == 0
	})
	callee.Answer(200)
	require.NoError(t, c.WaitUp(s.ctx))
	s.open(c.CallID())
	_, err = c.Bye(s.ctx, lab.RequestOptions{})
	require.NoError(t, err)
	require.Equal(t, "caller", s.final(c.CallID()).Released)
	s.noCommands()
	s.noViolations()
}

// TestTCP: both ends by TCP.
func TestTCP(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{caller: lab.UAOptions{Transport: "tcp"}, callee: lab.UAOptions{Transport: "tcp"}})
	s.repaired(s.call(lab.CallOptions{}))
}

// TestIPv6: both ends by IPv6.
func TestIPv6(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{
		kamailio: lab.KamailioOptions{IPv6: true}, ipv6: true,
		caller: lab.UAOptions{Addr: "[::1]:0"}, callee: lab.UAOptions{Addr: "[::1]:0"},
	})
	s.repaired(s.call(lab.CallOptions{}))
}

// TestFurtherProxy: the callee is behind a further Record-Routing proxy, loose
// or strict, that must be on the way of the BYE.
func TestFurtherProxy(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]lab.RRProxyOptions{
		"loose":  {},
		"joined": {JoinRecordRoutes: true, RouteParams: ";x=y"},
		"strict": {Strict: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, siteOptions{})
			o.Targets = []string{s.callee.Addr()}
			proxy := lab.MustRRProxy(t, o)
			p := s.call(lab.CallOptions{To: "sip:bob@" + proxy.Addr()})
			s.repaired(p)
			require.Positive(t, proxy.Seen("BYE"), "the BYE went past the proxy")
		})
	}
}

// TestCalleeBehindNAT: the callee's Contact is an address that nobody can reach;
// the proxy's alias leads to it.
func TestCalleeBehindNAT(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{callee: lab.UAOptions{ContactHost: "127.9.9.9:5999"}})
	p := s.call(lab.CallOptions{To: "sip:bob@" + s.callee.Addr()})
	s.repaired(p)
}

// TestCalleeBehindNATMoves: it gives a new Contact in its 200 to a re-INVITE,
// again one that nobody can reach, from a new port of its NAT.
func TestCalleeBehindNATMoves(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{callee: lab.UAOptions{ContactHost: "127.9.9.9:5999"}})
	p := s.call(lab.CallOptions{To: "sip:bob@" + s.callee.Addr()})
	p.Callee.MoveOnNext()
	reply, err := p.Caller.Reinvite(s.ctx, lab.RequestOptions{})
	require.NoError(t, err)
	require.Equal(t, 200, reply.Code)
	s.repaired(p)
}

// TestBaresip: a phone that nobody here wrote accepts the BYE.
func TestBaresip(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	phone := lab.MustBaresip(t, lab.BaresipOptions{})
	c, err := s.caller.Call(s.ctx, lab.CallOptions{To: phone.URI})
	require.NoError(t, err)
	require.NoError(t, c.WaitUp(s.ctx))
	require.NoError(t, phone.WaitCalls(s.ctx, 1))
	s.forceRace(lab.Pair{Caller: c})
	require.NoError(t, phone.WaitCalls(s.ctx, 0), "the phone is still in the call")
	require.True(t, s.final(c.CallID()).Repaired)
}
