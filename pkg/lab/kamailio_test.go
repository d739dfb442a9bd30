package lab_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab"
)

// TestEveryKamailioTakesOurConfig starts the project's own configuration and
// passes a call through it.
func TestEveryKamailioTakesOurConfig(t *testing.T) {
	t.Parallel()
	for _, binary := range lab.Binaries(t) {
		t.Run(strings.ReplaceAll(binary.String(), "/", "_"), func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var lines []string
			k := lab.MustKamailio(t, lab.KamailioOptions{
				Binary: binary, IPv6: true, PkgMemMB: 16,
				Defines:  map[string]string{"DEBUG_LEVEL": "2"},
				ExtraCfg: "route[NEVER_CALLED] { return(1); }",
				LogSink:  func(line string) { mu.Lock(); lines = append(lines, line); mu.Unlock() },
			})
			version, err := binary.Version()
			require.NoError(t, err)
			require.Equal(t, version, k.Version())
			_, err = lab.Ping(ctx(t), k.SIPAddr6, time.Second)
			require.NoError(t, err)
			b := bench{k, lab.MustUA(t, lab.UAOptions{Name: "alice", Proxy: k.SIPAddr}),
				lab.MustUA(t, lab.UAOptions{Name: "bob", ContactHost: "127.9.0.9:9"})}
			p := b.up(t, lab.CallOptions{})
			r, err := p.Caller.Bye(ctx(t), lab.RequestOptions{})
			require.NoError(t, err)
			require.Equal(t, 200, r.Code, "the alias must lead to the callee")
			b.endByProxy(t, b.up(t, lab.CallOptions{}))
			b.clean(t)
			require.NotEmpty(t, k.Log())
			require.Eventually(t, func() bool {
				mu.Lock()
				defer mu.Unlock()
				return len(lines) > 0
			}, 5*time.Second, 10*time.Millisecond)
		})
	}
}

func TestKamailioForgetsWhenKilled(t *testing.T) {
	t.Parallel()
	b := newBench(t, lab.UAOptions{}, lab.UAOptions{})
	b.up(t, lab.CallOptions{})
	dialogs, err := lab.Dialogs(ctx(t), b.kam.RPC())
	require.NoError(t, err)
	require.Len(t, dialogs, 1)
	pid := b.kam.Pid()

	require.NoError(t, b.kam.Kill())
	require.Zero(t, b.kam.Pid())
	_, err = lab.Ping(ctx(t), b.kam.SIPAddr, 100*time.Millisecond)
	require.Error(t, err)
	require.NoError(t, b.kam.Start(ctx(t)))
	require.NotEqual(t, pid, b.kam.Pid())
	dialogs, err = lab.Dialogs(ctx(t), b.kam.RPC())
	require.NoError(t, err)
	require.Empty(t, dialogs)
	require.NoError(t, b.kam.Restart(ctx(t)))
	require.Error(t, b.kam.Start(ctx(t)), "it runs already")

	dir := b.kam.Dir
	require.NoError(t, b.kam.Close())
	require.NoError(t, b.kam.Close())
	require.NoDirExists(t, dir)
}

func TestBadConfigIsAnErrorWithTheLog(t *testing.T) {
	t.Parallel()
	_, err := lab.StartKamailio(ctx(t), lab.KamailioOptions{Config: "#!KAMAILIO\nnonsense here\n"})
	require.ErrorContains(t, err, "ended at once")
	require.ErrorContains(t, err, "parse error")
}

// TestThousandCalls is what the demo asks of the agents.
func TestThousandCalls(t *testing.T) {
	t.Parallel()
	const calls = 1000
	b := newBench(t, lab.UAOptions{}, lab.UAOptions{})
	cpu := cpuTime(t)
	pairs, err := lab.PlaceCalls(ctx(t), lab.LoadOptions{
		Callers: []*lab.UA{b.caller}, Callees: []*lab.UA{b.callee}, Calls: calls, PerSecond: 400,
	})
	require.NoError(t, err)
	require.Equal(t, calls, b.caller.Live())
	require.Equal(t, calls, b.callee.Live())
	for _, p := range pairs {
		_, err := p.Caller.Send("BYE", lab.RequestOptions{})
		require.NoError(t, err)
	}
	for _, p := range pairs {
		require.NoError(t, p.Callee.WaitEnded(ctx(t)))
	}
	t.Logf("%d calls cost both agents (and the other tests beside) %v of CPU", calls, cpuTime(t)-cpu)
	b.clean(t)
	b.callee.Forget()
	require.Empty(t, b.callee.Calls())
}

func TestContextEndsAStart(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := lab.StartKamailio(gone, lab.KamailioOptions{Plain: true})
	require.ErrorIs(t, err, context.Canceled)
}
