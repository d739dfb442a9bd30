package kamailiocfg_test

import (
	"context"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab"
)

// heldUpCase is a state that the real byeguard may be in while events come.
type heldUpCase struct {
	name string
	// guards is how many byeguards are connected.
	guards int
	// spoil is done to the first of them, once it is connected; the load begins
	// after it, and mend, if set, ends it.
	spoil func(tb testing.TB, g *guardProcess)
	// during is done to it in the middle of the load.
	during func(tb testing.TB, g *guardProcess)
	swap   bool // it runs where it can be swapped out
}

// guardProcess is one real byeguard, in a memory cgroup of its own if it is to be
// swapped out.
type guardProcess struct {
	*lab.Byeguard
	cgroup *lab.MemoryGroup
}

func stopBoth(tb testing.TB, g *guardProcess) {
	tb.Helper()
	require.NoError(tb, g.Signal(syscall.SIGSTOP))
}

func killBoth(tb testing.TB, g *guardProcess) {
	tb.Helper()
	require.NoError(tb, g.Kill())
}

// swapOut leaves it less memory than it lives in, so that it goes on, slowly.
func swapOut(tb testing.TB, g *guardProcess) {
	tb.Helper()
	require.NoError(tb, g.cgroup.Squeeze(4<<20))
	require.Positive(tb, g.cgroup.Swapped(), "nothing was swapped out")
	tb.Logf("swapped out: %d of %d KB", g.cgroup.Swapped()>>10, g.cgroup.Used()>>10)
}

// The watchdog would kill a child that is stopped alone; both processes stopped
// is what a frozen virtual machine looks like.
var heldUpCases = []heldUpCase{
	{name: "without byeguard"},
	{name: "healthy", guards: 1},
	{name: "stopped", guards: 1, spoil: stopBoth},
	{name: "stopped in the middle", guards: 1, during: stopBoth},
	{name: "killed in the middle", guards: 1, during: killBoth},
	{name: "swapped out", guards: 1, spoil: swapOut, swap: true},
	{name: "two healthy", guards: 2},
	{name: "two, one stopped", guards: 2, during: stopBoth},
}

// run drives 6,000 events a second (1,000 calls' worth) past byeguard.
func (c heldUpCase) run(tb testing.TB, program string, rate int, during time.Duration) probe {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	p := startProxy(tb, "-A", "LAB", "-A", "CHILDREN=8")
	p.noisy = true
	var guards []*guardProcess
	for range c.guards {
		g := &guardProcess{}
		o := lab.ByeguardOptions{
			Program: program, DatabaseURL: lab.Postgres(tb), Nodes: []string{"test-node=" + p.evapi + ",http://" + p.rpc + "/RPC"},
		}
		if c.swap {
			g.cgroup = swapRoom(tb)
			o.Wrap = g.cgroup.Wrap()
		}
		var err error
		g.Byeguard, err = lab.NewByeguard(o)
		require.NoError(tb, err)
		tb.Cleanup(func() {
			g.Kill()
			require.NoError(tb, g.Close())
		})
		require.NoError(tb, g.Start())
		require.NoError(tb, g.AwaitReady(ctx), g.Log())
		guards = append(guards, g)
	}
	if c.spoil != nil {
		c.spoil(tb, guards[0])
	}
	var middle *time.Timer
	if c.during != nil {
		middle = time.AfterFunc(during/3, func() { c.during(tb, guards[0]) })
		defer middle.Stop()
	}
	_, seen := load{rate: rate, size: 1000, batch: 10, during: during}.run(p)
	return seen
}

// swapRoom is a memory cgroup and some swap. Where there can be none, the case is
// left out, loudly.
func swapRoom(tb testing.TB) *lab.MemoryGroup {
	tb.Helper()
	g, err := lab.NewMemoryGroup(256 << 20)
	if err != nil {
		tb.Skipf("NOT TESTED HERE: a byeguard that is swapped out: %v", err)
	}
	tb.Cleanup(func() { require.NoError(tb, g.Close()) })
	return g
}

// TestProxyIsNeverHeldUp: whatever becomes of the real byeguard at 6,000 events a
// second, no OPTIONS to the proxy is lost.
//
//nolint:paralleltest // it measures: other tests beside it would be measured too
func TestProxyIsNeverHeldUp(t *testing.T) {
	program, err := lab.BuildByeguard(t.Context(), t.TempDir())
	require.NoError(t, err)
	for _, c := range heldUpCases {
		t.Run(c.name, func(t *testing.T) {
			seen := c.run(t, program, 6000, 3*time.Second)
			t.Log(seen)
			require.Zero(t, seen.lost)
			require.Greater(t, seen.sent, 50, "hardly anybody asked")
		})
	}
}

// TestUngatedRelaysFreeze shows why operators put relays of their own behind
// route(BYEGUARD_GATE): a client of theirs that stalls freezes the proxy, and only
// its death brings the proxy back. byeguard is healthy, and can do nothing.
//
//nolint:paralleltest // it measures
func TestUngatedRelaysFreeze(t *testing.T) {
	p := startProxy(t, "-A", "LAB", "-A", "CHILDREN=8")
	p.noisy = true
	startReader(t, p.evapi, 16)
	foreign := startReader(t, p.evapi, 0)
	foreign.stop()
	_, seen := load{rate: 6000, size: 1400, batch: 10, ungated: true, during: 4 * time.Second}.run(p)
	t.Log(seen)
	require.NotZero(t, seen.lost, "the proxy did not freeze: docs/safety.md says that it does")
	foreign.kill()
	require.Eventually(t, func() bool { return p.options(time.Second) >= 0 }, 20*time.Second, 10*time.Millisecond, "the proxy came back")
}

// BenchmarkHeldUp prints the proxy's OPTIONS answer times in each state of
// byeguard, beside those without one. BYEGUARD_GATE_SECONDS sets how long each
// case runs (default 10).
func BenchmarkHeldUp(b *testing.B) {
	seconds := 10
	if s, err := strconv.Atoi(os.Getenv("BYEGUARD_GATE_SECONDS")); err == nil {
		seconds = s
	}
	program, err := lab.BuildByeguard(b.Context(), b.TempDir())
	require.NoError(b, err)
	for _, c := range heldUpCases {
		b.Run(strings.ReplaceAll(c.name, ",", ""), func(b *testing.B) {
			for range b.N {
				seen := c.run(b, program, 6000, time.Duration(seconds)*time.Second)
				b.ReportMetric(float64(seen.lost), "lost")
				b.ReportMetric(float64(seen.quantile(.5).Microseconds()), "median-µs")
				b.ReportMetric(float64(seen.quantile(.99).Microseconds()), "p99-µs")
				b.ReportMetric(float64(seen.quantile(1).Microseconds()), "max-µs")
			}
		})
	}
}
