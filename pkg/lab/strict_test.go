package lab_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab"
)

func TestWrongRequestsAreRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, lab.UAOptions{}, lab.UAOptions{})
	for name, tc := range map[string]struct {
		method string
		opts   lab.RequestOptions
		code   int
		kind   string
	}{
		"wrong from tag":   {"BYE", lab.RequestOptions{FromTag: "nonsense"}, 481, lab.ViolationTags},
		"two from tags":    {"BYE", lab.RequestOptions{FromTag: "OWN;tag=second"}, 481, lab.ViolationTags},
		"wrong to tag":     {"BYE", lab.RequestOptions{ToTag: "nonsense"}, 481, lab.ViolationTags},
		"two to tags":      {"BYE", lab.RequestOptions{ToTag: "PEER;tag=second"}, 481, lab.ViolationTags},
		"old cseq":         {"BYE", lab.RequestOptions{CSeq: 10}, 500, lab.ViolationCSeq},
		"old cseq of INFO": {"INFO", lab.RequestOptions{CSeq: 10}, 500, lab.ViolationCSeq},
		"wrong target":     {"BYE", lab.RequestOptions{URI: "WRONG"}, 481, lab.ViolationURI},
		"route left":       {"BYE", lab.RequestOptions{Headers: []string{"Route: <sip:127.0.0.1:9;lr>"}}, 481, lab.ViolationRoute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Straight from agent to agent: a proxy would notice some of these.
			alice := lab.MustUA(t, lab.UAOptions{Name: "alice", Proxy: b.callee.Addr()})
			bob := b.callee
			c, err := alice.Call(ctx(t), lab.CallOptions{To: bob.URI(), CSeq: 10})
			require.NoError(t, err)
			require.NoError(t, c.WaitUp(ctx(t)))
			rec := c.Record()
			opts := tc.opts
			if opts.FromTag == "OWN;tag=second" {
				opts.FromTag = rec.LocalTag + ";tag=second"
			}
			if opts.ToTag == "PEER;tag=second" {
				opts.ToTag = rec.RemoteTag + ";tag=second"
			}
			if opts.URI != "" {
				opts.URI = "sip:mallory@" + bob.Addr()
			}
			r, err := c.Request(ctx(t), tc.method, opts)
			require.NoError(t, err)
			require.Equal(t, tc.code, r.Code)
			far := bob.Find(c.CallID())
			require.Equal(t, lab.StateUp, far.State(), "a wrong request must end nothing")
			got := far.Violations()
			require.Len(t, got, 1)
			require.Equal(t, tc.kind, got[0].Kind, got[0].Detail)
			require.Equal(t, tc.method, got[0].Method)
			if tc.method == "BYE" {
				byes := far.ByesReceived()
				require.Len(t, byes, 1)
				require.Equal(t, tc.code, byes[0].Code)
				require.NotEmpty(t, byes[0].Violated)
			}
		})
	}
}

func TestSecondByeIsLate(t *testing.T) {
	t.Parallel()
	b := newBench(t, lab.UAOptions{}, lab.UAOptions{})
	p := b.up(t, lab.CallOptions{})
	_, err := p.Caller.Bye(ctx(t), lab.RequestOptions{})
	require.NoError(t, err)
	r, err := p.Caller.Bye(ctx(t), lab.RequestOptions{})
	require.NoError(t, err)
	require.Contains(t, []int{404, 481}, r.Code) // by the proxy's choice
	for _, bye := range p.Callee.ByesReceived()[1:] {
		require.True(t, bye.Late)
		require.Equal(t, 481, bye.Code)
	}
	b.clean(t)
}

func TestByePolicies(t *testing.T) {
	t.Parallel()
	b := newBench(t, lab.UAOptions{}, lab.UAOptions{})
	for name, tc := range map[string]struct {
		policy  lab.ByePolicy
		code    int // at the sender
		state   lab.State
		replies bool
	}{
		"at once":       {lab.ByePolicy{}, 200, lab.StateEnded, true},
		"slow":          {lab.ByePolicy{After: time.Second}, 200, lab.StateEnded, true},
		"gone":          {lab.ByePolicy{Code: 481}, 481, lab.StateEnded, true},
		"failing":       {lab.ByePolicy{Code: 500}, 500, lab.StateUp, true},
		"first is lost": {lab.ByePolicy{IgnoreCopies: 1}, 200, lab.StateEnded, true},
		"never":         {lab.ByePolicy{Never: true}, 0, lab.StateUp, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := b.caller.Call(ctx(t), lab.CallOptions{To: b.callee.URI()})
			require.NoError(t, err)
			require.NoError(t, c.WaitUp(ctx(t)))
			far, err := b.callee.WaitCall(ctx(t), c.CallID())
			require.NoError(t, err)
			require.NoError(t, far.WaitUp(ctx(t)))
			far.SetBye(tc.policy)
			replies, err := c.Send("BYE", lab.RequestOptions{})
			require.NoError(t, err)
			if tc.replies {
				r := <-replies
				require.Equal(t, tc.code, r.Code)
			} else {
				require.NoError(t, far.Wait(ctx(t), func(r lab.Record) bool { return len(r.Byes) == 1 && r.Byes[0].Copies >= 2 }))
			}
			byes := far.ByesReceived()
			require.Len(t, byes, 1)
			require.Equal(t, tc.code, byes[0].Code)
			require.Equal(t, tc.state, far.State())
			require.Empty(t, far.Violations())
			if tc.policy.After > 0 {
				require.GreaterOrEqual(t, byes[0].ReplyAt.Sub(byes[0].At), tc.policy.After)
			}
		})
	}
}

func TestForgedByeIsTakenForTheRealOne(t *testing.T) {
	t.Parallel()
	b := newBench(t, lab.UAOptions{}, lab.UAOptions{})
	p := b.up(t, lab.CallOptions{})
	r, err := p.Caller.Forge(ctx(t), lab.RequestOptions{})
	require.NoError(t, err)
	require.Equal(t, 200, r.Code)
	require.Equal(t, lab.StateUp, p.Caller.State(), "the forger's victim knows nothing")
	require.Equal(t, lab.StateEnded, p.Callee.State())
	b.clean(t)
}
