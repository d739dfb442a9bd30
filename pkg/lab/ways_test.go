package lab_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab"
)

// endByProxy has Kamailio end the call and waits until the caller has its BYE.
func (b bench) endByProxy(t *testing.T, p lab.Pair) {
	t.Helper()
	_, err := lab.EndDialogs(ctx(t), b.kam.RPC(), 1, func(d lab.Dialog) bool { return d.CallID == p.Caller.CallID() })
	require.NoError(t, err)
	require.NoError(t, p.Caller.WaitEnded(ctx(t)))
}

func TestTransportsAndAddresses(t *testing.T) {
	t.Parallel()
	k := lab.MustKamailio(t, lab.KamailioOptions{Plain: true, IPv6: true})
	for name, tc := range map[string]struct {
		caller, callee lab.UAOptions
	}{
		"tcp":        {lab.UAOptions{Transport: "tcp"}, lab.UAOptions{Transport: "tcp"}},
		"udp to tcp": {lab.UAOptions{}, lab.UAOptions{Transport: "tcp"}},
		"tcp to udp": {lab.UAOptions{Transport: "tcp"}, lab.UAOptions{}},
		"ipv6":       {lab.UAOptions{Addr: "[::1]:0"}, lab.UAOptions{Addr: "[::1]:0"}},
		"ipv6 tcp":   {lab.UAOptions{Addr: "[::1]:0", Transport: "tcp"}, lab.UAOptions{Addr: "[::1]:0", Transport: "tcp"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.caller.Name, tc.callee.Name, tc.caller.Proxy = "alice", "bob", k.SIPAddr
			if tc.caller.Addr != "" {
				tc.caller.Proxy = k.SIPAddr6
			}
			b := bench{k, lab.MustUA(t, tc.caller), lab.MustUA(t, tc.callee)}
			p := b.up(t, lab.CallOptions{})
			r, err := p.Caller.Bye(ctx(t), lab.RequestOptions{})
			require.NoError(t, err)
			require.Equal(t, 200, r.Code)
			require.NoError(t, p.Callee.WaitEnded(ctx(t)))

			p = b.up(t, lab.CallOptions{})
			r, err = p.Callee.Bye(ctx(t), lab.RequestOptions{})
			require.NoError(t, err)
			require.Equal(t, 200, r.Code)
			require.NoError(t, p.Caller.WaitEnded(ctx(t)))

			b.endByProxy(t, b.up(t, lab.CallOptions{}))
			b.clean(t)
		})
	}
}

func TestTargetRefresh(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"INVITE", "UPDATE"} {
		t.Run(method+" with a new Contact", func(t *testing.T) {
			t.Parallel()
			b := newBench(t, lab.UAOptions{}, lab.UAOptions{})
			p := b.up(t, lab.CallOptions{})
			before := p.Caller.Record().Contact
			r, err := p.Caller.Request(ctx(t), method, lab.RequestOptions{Move: true})
			require.NoError(t, err)
			require.Equal(t, 200, r.Code)
			after := p.Caller.Record().Contact
			require.NotEqual(t, before, after)
			require.Contains(t, p.Callee.Record().Target, after)
			r, err = p.Callee.Bye(ctx(t), lab.RequestOptions{})
			require.NoError(t, err)
			require.Equal(t, 200, r.Code)
			b.clean(t)
		})
		t.Run(method+" with a new Contact in its 200", func(t *testing.T) {
			t.Parallel()
			b := newBench(t, lab.UAOptions{}, lab.UAOptions{})
			p := b.up(t, lab.CallOptions{})
			before := p.Callee.Record().Contact
			p.Callee.MoveOnNext()
			r, err := p.Caller.Request(ctx(t), method, lab.RequestOptions{})
			require.NoError(t, err)
			require.Equal(t, 200, r.Code)
			require.NotEqual(t, before, p.Callee.Record().Contact)
			for _, other := range []string{"INFO", "OPTIONS"} {
				r, err = p.Caller.Request(ctx(t), other, lab.RequestOptions{})
				require.NoError(t, err)
				require.Equal(t, 200, r.Code)
			}
			require.Equal(t, []string{method, "INFO", "OPTIONS"}, p.Callee.Record().Requests)
			// The old target is no longer the call.
			r, err = p.Caller.Request(ctx(t), "INFO", lab.RequestOptions{URI: before})
			require.NoError(t, err)
			require.Equal(t, 481, r.Code)
			require.Len(t, p.Callee.Violations(), 1)
			r, err = p.Caller.Bye(ctx(t), lab.RequestOptions{})
			require.NoError(t, err)
			require.Equal(t, 200, r.Code)
			require.Equal(t, lab.StateEnded, p.Callee.State())
		})
	}
}

func TestCalleeBehindNAT(t *testing.T) {
	t.Parallel()
	// Nobody listens there, so without the alias nothing reaches the callee.
	b := newBench(t, lab.UAOptions{}, lab.UAOptions{ContactHost: "127.9.0.9:9"})
	p := b.up(t, lab.CallOptions{})
	require.Contains(t, p.Caller.Record().Target, "@127.9.0.9:9;alias=127.0.0.1~")
	r, err := p.Caller.Bye(ctx(t), lab.RequestOptions{})
	require.NoError(t, err)
	require.Equal(t, 200, r.Code)
	require.Equal(t, "sip:bob@127.9.0.9:9", p.Callee.ByesReceived()[0].URI)
	b.clean(t)
}

func TestCallerThatCannotBeReached(t *testing.T) {
	t.Parallel()
	b := newBench(t, lab.UAOptions{}, lab.UAOptions{})
	p := b.up(t, lab.CallOptions{Contact: "sip:alice@x.invalid"})
	require.Contains(t, p.Callee.Record().Target, "alice@x.invalid")
	r, err := p.Caller.Bye(ctx(t), lab.RequestOptions{})
	require.NoError(t, err)
	require.Equal(t, 200, r.Code)
}

func TestFurtherProxies(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]lab.RRProxyOptions{
		"loose":   {},
		"joined":  {JoinRecordRoutes: true, RouteParams: ";x=1"},
		"strict":  {Strict: true},
		"unknown": {NoRecordRoute: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, lab.UAOptions{}, lab.UAOptions{})
			opts.Targets = []string{b.callee.Addr()}
			rr := lab.MustRRProxy(t, opts)
			to := "sip:bob@" + rr.Addr()
			p := b.up(t, lab.CallOptions{To: to})
			want := 2
			if opts.NoRecordRoute {
				want = 1
			}
			require.Len(t, p.Caller.Record().RouteSet, want)
			r, err := p.Caller.Bye(ctx(t), lab.RequestOptions{})
			require.NoError(t, err)
			require.Equal(t, 200, r.Code)
			require.Equal(t, want-1, rr.Seen("BYE"))

			// A request that a strict router forwards to Kamailio itself leaves
			// it with Kamailio's own URI as Request-URI, so the other way is
			// tried with loose ones only.
			if !opts.Strict {
				p = b.up(t, lab.CallOptions{To: to})
				r, err = p.Callee.Bye(ctx(t), lab.RequestOptions{})
				require.NoError(t, err)
				require.Equal(t, 200, r.Code)
				require.NoError(t, p.Caller.WaitEnded(ctx(t)))
			}

			b.endByProxy(t, b.up(t, lab.CallOptions{To: to}))
			b.clean(t)
		})
	}
}

func TestForkThatTwoAnswer(t *testing.T) {
	t.Parallel()
	b := newBench(t, lab.UAOptions{}, lab.UAOptions{})
	second := lab.MustUA(t, lab.UAOptions{Name: "bob2", Answer: lab.Answer{After: 100 * time.Millisecond}})
	rr := lab.MustRRProxy(t, lab.RRProxyOptions{Targets: []string{b.callee.Addr(), second.Addr()}})
	c, err := b.caller.Call(ctx(t), lab.CallOptions{To: "sip:bob@" + rr.Addr()})
	require.NoError(t, err)
	require.NoError(t, c.WaitUp(ctx(t)))
	far, err := second.WaitCall(ctx(t), c.CallID())
	require.NoError(t, err)
	require.NoError(t, far.WaitUp(ctx(t)))
	require.Len(t, c.Forks(), 1)
	fork := c.Forks()[0]
	require.Equal(t, far.Record().LocalTag, fork.Record().RemoteTag)

	r, err := c.Bye(ctx(t), lab.RequestOptions{})
	require.NoError(t, err)
	require.Equal(t, 200, r.Code)
	require.Equal(t, lab.StateEnded, b.callee.Find(c.CallID()).State())
	require.Equal(t, lab.StateUp, far.State(), "the other answer is another call")
	r, err = fork.Bye(ctx(t), lab.RequestOptions{})
	require.NoError(t, err)
	require.Equal(t, 200, r.Code)
	require.NoError(t, far.WaitEnded(ctx(t)))
	require.Empty(t, second.Violations())
	b.clean(t)
}

func TestCallsThatAreNotAnswered(t *testing.T) {
	t.Parallel()
	b := newBench(t, lab.UAOptions{}, lab.UAOptions{Answer: lab.Answer{Code: 486}})
	c, err := b.caller.Call(ctx(t), lab.CallOptions{To: b.callee.URI()})
	require.NoError(t, err)
	require.ErrorContains(t, c.WaitUp(ctx(t)), "failed with 486")

	ringing := lab.MustUA(t, lab.UAOptions{Name: "carol", Answer: lab.Answer{Never: true}})
	c, err = b.caller.Call(ctx(t), lab.CallOptions{To: ringing.URI()})
	require.NoError(t, err)
	require.NoError(t, c.Wait(ctx(t), func(r lab.Record) bool { return r.State == lab.StateRinging }))
	require.NoError(t, c.Cancel())
	require.ErrorContains(t, c.WaitUp(ctx(t)), "failed with 487")
	require.Equal(t, lab.StateFailed, ringing.Find(c.CallID()).State())
	require.Empty(t, ringing.Violations())
	b.clean(t)
}
