package lab_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab"
)

// TestNetwork: calls come up through a network that loses and delays, since the
// agents repeat what is lost, and a network that loses everything carries none.
func TestNetwork(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	network := lab.NewNetwork(1)
	callee := lab.MustUA(t, lab.UAOptions{Name: "bob", Network: network})
	caller := lab.MustUA(t, lab.UAOptions{Name: "alice", Proxy: callee.Addr(), Network: network})
	call := func() *lab.Call {
		c, err := caller.Call(ctx, lab.CallOptions{To: callee.URI()})
		require.NoError(t, err)
		return c
	}
	require.NoError(t, call().WaitUp(ctx))
	lost, delayed := network.Counts()
	require.Zero(t, lost+delayed, "it is good")

	network.Set(0, 30*time.Millisecond, 20*time.Millisecond)
	before := time.Now()
	require.NoError(t, call().WaitUp(ctx))
	require.GreaterOrEqual(t, time.Since(before), 4*30*time.Millisecond, "INVITE and 200, each sent and received late")
	lost, delayed = network.Counts()
	require.Zero(t, lost)
	require.GreaterOrEqual(t, delayed, int64(4))

	network.Set(1, 0, 0)
	deaf := call()
	require.Error(t, deaf.Wait(shortly(ctx, t), func(r lab.Record) bool { return r.State != lab.StateCalling }))

	network.Set(.3, 0, 0)
	require.NoError(t, deaf.WaitUp(ctx))
	for range 5 {
		require.NoError(t, call().WaitUp(ctx))
	}
	require.Empty(t, callee.Violations())
}

func shortly(ctx context.Context, t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}
