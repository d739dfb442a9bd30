package app_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/lab"
)

// shifted carries evapi's frames with the proxy's clock set elsewhere: what a
// Kamailio on a machine with a wrong clock would send. It returns its address.
func shifted(t *testing.T, to string, by *atomic.Int64) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	clock := regexp.MustCompile(`"t":(\d{10})\.`)
	carry := func(near net.Conn) {
		defer near.Close()
		far, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer far.Close()
		go func() { _, _ = io.Copy(far, near); far.Close() }()
		for r := bufio.NewReader(far); ; {
			length, err := r.ReadString(':')
			if err != nil {
				return
			}
			n, err := strconv.Atoi(strings.TrimSuffix(length, ":"))
			if err != nil {
				return
			}
			frame := make([]byte, n+1) // with its comma
			if _, err := io.ReadFull(r, frame); err != nil {
				return
			}
			frame = clock.ReplaceAllFunc(frame, func(m []byte) []byte {
				at, _ := strconv.ParseInt(string(m[4:14]), 10, 64)
				return fmt.Appendf(nil, `"t":%d.`, at+by.Load())
			})
			if _, err := near.Write(append([]byte(length), frame...)); err != nil {
				return
			}
		}
	}
	go func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { near.Close() })
			go carry(near)
		}
	}()
	return ln.Addr().String()
}

// TestSkewIsShown: a proxy whose clock is minutes off. It is seen and told, calls
// are repaired as soon as ever, and durations are right, since both of their
// ends are on one clock.
func TestSkewIsShown(t *testing.T) {
	t.Parallel()
	for _, seconds := range []int64{200, -200} {
		t.Run(fmt.Sprint(seconds), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, siteOptions{noGuard: true})
			var by atomic.Int64
			by.Store(seconds)
			addr := shifted(t, s.kam.EvapiAddr, &by)
			s.guard(func(c *app.Config) { c.Nodes[0].Evapi = addr })
			s.eventually("the skew is shown", 20*time.Second, func() bool {
				ms := s.app.Status().Nodes[0].SkewMS
				return ms != nil && *ms > (seconds-2)*1000 && *ms < (seconds+2)*1000
			})
			clockIncident := func(state string) func() bool {
				return func() bool {
					return s.count("SELECT count(*) FROM byeguard.incidents WHERE kind='clock_skew' AND node='lab' AND state=$1", state) == 1
				}
			}
			s.eventually("a person is told", 20*time.Second, clockIncident("open"))

			began := time.Now()
			p := s.call(lab.CallOptions{})
			s.open(p.Caller.CallID())
			r := s.repaired(p)
			require.True(t, r.Duration.Valid)
			require.GreaterOrEqual(t, r.Duration.Int64, int64(0))
			require.LessOrEqual(t, r.Duration.Int64, time.Since(began).Milliseconds())
			require.Less(t, r.Overrun, int64(20_000))
			require.InDelta(t, seconds, time.Until(r.Ended.Time).Seconds(), 60, "records are on the proxy's clock")

			by.Store(0)
			s.eventually("the clocks agree again", 60*time.Second, func() bool {
				p := s.call(lab.CallOptions{}) // its events carry the time
				_, err := p.Caller.Bye(s.ctx, lab.RequestOptions{})
				require.NoError(t, err)
				return clockIncident("resolved")()
			})
			s.noViolations()
		})
	}
}

// TestWrongNode: JSON-RPC is answered by another Kamailio than the one that
// sends the events. Nothing is sent to it, and a person is told, until that is
// mended.
func TestWrongNode(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{noGuard: true})
	rpc := newHostileRPC(t, s.kam.RPCURL, 1)
	other := lab.MustKamailio(t, lab.KamailioOptions{})
	boot := func(k *lab.Kamailio) (up struct {
		Since string `json:"up_since"`
	}) {
		require.NoError(t, k.RPC().Call(s.ctx, &up, "core.uptime"))
		return up
	}
	for boot(other) == boot(s.kam) { // within one second they cannot be told apart
		require.NoError(t, other.Kill())
		require.NoError(t, other.Start(s.ctx))
	}
	s.guard(func(c *app.Config) { c.Nodes[0].JSONRPC = rpc.url })
	p := s.call(lab.CallOptions{})
	s.open(p.Caller.CallID())

	rpc.target.Store(&other.RPCURL)
	wrong := func(state string) func() bool {
		return func() bool {
			return s.count("SELECT count(*) FROM byeguard.incidents WHERE kind='wrong_node' AND node='lab' AND severity='critical' AND state=$1", state) == 1
		}
	}
	s.eventually("a person is told", 60*time.Second, wrong("open"))
	require.Contains(t, s.app.Status().Nodes[0].Sending, "another Kamailio")
	s.forceRace(p)
	s.waits(1)
	require.Zero(t, byes(p.Callee), "a BYE went by the wrong Kamailio")
	require.True(t, p.Callee.State().Live())

	rpc.target.Store(&s.kam.RPCURL)
	require.NoError(t, p.Callee.WaitEnded(s.ctx))
	require.Equal(t, 1, byes(p.Callee))
	require.True(t, s.final(p.Caller.CallID()).Repaired)
	s.eventually("it is settled", 20*time.Second, func() bool {
		return s.count("SELECT count(*) FROM byeguard.incidents WHERE kind='wrong_node' AND state='resolved'") == 1
	})
	s.noViolations()
}
