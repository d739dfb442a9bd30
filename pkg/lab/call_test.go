package lab_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab"
)

// bench is a Kamailio with a caller and a callee.
type bench struct {
	kam            *lab.Kamailio
	caller, callee *lab.UA
}

func newBench(t *testing.T, caller, callee lab.UAOptions) bench {
	t.Helper()
	k := lab.MustKamailio(t, lab.KamailioOptions{Plain: true})
	caller.Name, callee.Name = "alice", "bob"
	caller.Proxy, callee.Proxy = k.SIPAddr, k.SIPAddr
	return bench{k, lab.MustUA(t, caller), lab.MustUA(t, callee)}
}

// up places one call and waits until both ends have it.
func (b bench) up(t *testing.T, opts lab.CallOptions) lab.Pair {
	t.Helper()
	pairs, err := lab.PlaceCalls(ctx(t), lab.LoadOptions{
		Callers: []*lab.UA{b.caller}, Callees: []*lab.UA{b.callee}, Calls: 1,
		Options: func(int) lab.CallOptions { return opts },
	})
	require.NoError(t, err)
	return pairs[0]
}

func (b bench) clean(t *testing.T) {
	t.Helper()
	require.Empty(t, b.caller.Violations())
	require.Empty(t, b.callee.Violations())
}

// ctx bounds one step of a test.
func ctx(t *testing.T) context.Context {
	t.Helper()
	c, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return c
}

func TestCallEndsByEitherSide(t *testing.T) {
	t.Parallel()
	b := newBench(t, lab.UAOptions{}, lab.UAOptions{Answer: lab.Answer{RingAfter: time.Millisecond, After: 5 * time.Millisecond}})
	p := b.up(t, lab.CallOptions{DisplayName: `Al "the \ ice"`})
	require.Equal(t, lab.StateUp, p.Caller.State())
	require.Equal(t, lab.StateUp, p.Callee.State())

	r, err := p.Caller.Bye(ctx(t), lab.RequestOptions{})
	require.NoError(t, err)
	require.Equal(t, 200, r.Code)
	require.NoError(t, p.Callee.WaitEnded(ctx(t)))
	got := p.Callee.Record()
	require.Equal(t, "remote", got.EndedBy)
	require.Len(t, got.ByesReceived(), 1)
	require.Equal(t, 200, got.ByesReceived()[0].Code)
	require.Equal(t, b.kam.SIPAddr, got.ByesReceived()[0].Peer)

	p = b.up(t, lab.CallOptions{})
	r, err = p.Callee.Bye(ctx(t), lab.RequestOptions{})
	require.NoError(t, err)
	require.Equal(t, 200, r.Code)
	require.NoError(t, p.Caller.WaitEnded(ctx(t)))
	require.Equal(t, "local", p.Callee.Record().EndedBy)
	require.Equal(t, "remote", p.Caller.Record().EndedBy)
	b.clean(t)
}
