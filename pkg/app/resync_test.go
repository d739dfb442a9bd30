package app_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/lab"
	"github.com/byeguard/byeguard/pkg/store"
)

// cable is a TCP connection that can be cut and held up, between byeguard and
// Kamailio's evapi.
type cable struct {
	to   string
	ln   net.Listener
	mu   sync.Mutex
	cut  bool
	held chan struct{} // closed when what is held goes on; nil = nothing is
	open map[net.Conn]bool
}

func newCable(t *testing.T, to string) *cable {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := &cable{to: to, ln: ln, open: map[net.Conn]bool{}}
	t.Cleanup(func() { c.Cut(); ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go c.carry(conn)
		}
	}()
	return c
}

func (c *cable) carry(near net.Conn) {
	far, err := net.Dial("tcp", c.to)
	if err != nil {
		near.Close()
		return
	}
	c.mu.Lock()
	if c.cut {
		c.mu.Unlock()
		near.Close()
		far.Close()
		return
	}
	c.open[near], c.open[far] = true, true
	c.mu.Unlock()
	go func() { _, _ = io.Copy(far, near); near.Close(); far.Close() }()
	buf := make([]byte, 4096)
	for {
		n, err := far.Read(buf)
		c.mu.Lock()
		held := c.held
		c.mu.Unlock()
		if held != nil {
			<-held
		}
		if _, werr := near.Write(buf[:n]); err != nil || werr != nil {
			near.Close()
			far.Close()
			return
		}
	}
}

// Cut ends all connections and takes no new ones until Mend.
func (c *cable) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = true
	for conn := range c.open {
		conn.Close()
		delete(c.open, conn)
	}
}

func (c *cable) Mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = false
}

// Hold stops what comes from Kamailio until the function that it returns.
func (c *cable) Hold() (goOn func()) {
	held := make(chan struct{})
	c.mu.Lock()
	c.held = held
	c.mu.Unlock()
	return sync.OnceFunc(func() {
		c.mu.Lock()
		c.held = nil
		c.mu.Unlock()
		close(held)
	})
}

// cabled starts a site whose byeguard reads events through a cable.
func cabled(t *testing.T, o siteOptions) (*site, *cable) {
	t.Helper()
	o.noGuard = true
	s := newSite(t, o)
	c := newCable(t, s.kam.EvapiAddr)
	s.guard(func(cfg *app.Config) {
		cfg.Nodes[0].Evapi = c.ln.Addr().String()
		if o.config != nil {
			o.config(cfg)
		}
	})
	return s, c
}

// notSeen is what the database says was not seen of a live call.
func (s *site) notSeen(callID string) string {
	s.t.Helper()
	var all []string
	require.NoError(s.t, s.sql.SelectContext(s.ctx, &all, "SELECT not_seen FROM byeguard.dialogs WHERE call_id=$1", store.Escape(callID)))
	if len(all) != 1 {
		return "no such call"
	}
	return all[0]
}

func (s *site) touched(p lab.Pair, want string) {
	s.t.Helper()
	s.eventually("not seen: "+want, 60*time.Second, func() bool { return s.notSeen(p.Caller.CallID()) == want })
}

// settled waits until the node has no open incident.
func (s *site) settled() {
	s.t.Helper()
	s.eventually("the node's incidents are resolved", 60*time.Second, func() bool {
		return s.count("SELECT count(*) FROM byeguard.incidents WHERE call_id='' AND state<>'resolved'") == 0
	})
}

// looked waits until the look after the start went through.
func (s *site) looked() {
	s.t.Helper()
	s.eventually("it is looked through", 20*time.Second, func() bool {
		return strings.Contains(s.log.String(), "looked through the proxy's dialogs")
	})
}

// TestGapCut: evapi is cut. Calls end meanwhile, well and one-sided, and one
// begins. Afterwards byeguard knows which are up, follows the new one, and has
// not touched a live call.
func TestGapCut(t *testing.T) {
	t.Parallel()
	s, c := cabled(t, siteOptions{config: probeSoon})
	ended, oneSided, up := s.call(lab.CallOptions{}), s.call(lab.CallOptions{}), s.call(lab.CallOptions{})
	for _, p := range []lab.Pair{ended, oneSided, up} {
		s.open(p.Caller.CallID())
	}
	c.Cut()
	s.eventually("the cut is noticed", 20*time.Second, func() bool { return !s.app.Connected() })
	_, err := ended.Caller.Bye(s.ctx, lab.RequestOptions{})
	require.NoError(t, err)
	s.forceRace(oneSided)
	s.eventually("the proxy has let go", 20*time.Second, func() bool {
		dialogs, err := lab.Dialogs(s.ctx, s.kam.RPC())
		return err == nil && len(dialogs) == 1
	})
	begun := s.call(lab.CallOptions{})
	c.Mend()

	s.touched(begun, "start_missed")
	require.Equal(t, "open", s.open(begun.Caller.CallID()).State)
	for _, p := range []lab.Pair{ended, oneSided} {
		s.eventually("it has vanished", 60*time.Second, func() bool {
			return s.count("SELECT count(*) FROM byeguard.events WHERE kind='vanished' AND call_key IN (SELECT call_key FROM byeguard.cdrs WHERE call_id=$1)",
				p.Caller.CallID()) == 1
		})
	}
	s.settled()
	require.Empty(t, s.notSeen(up.Caller.CallID()))
	for _, p := range []lab.Pair{up, begun} {
		require.True(t, p.Caller.State().Live() && p.Callee.State().Live(), "a live call was ended")
	}
	// The end points are asked: both of one are gone, the callee of the other is
	// up. It gets its BYE.
	require.NoError(t, oneSided.Callee.WaitEnded(s.ctx))
	s.final(oneSided.Caller.CallID())
	s.final(ended.Caller.CallID())
	// The call whose start was missed is like any other.
	s.forceRace(begun)
	require.NoError(t, begun.Callee.WaitEnded(s.ctx))
	r := s.final(begun.Caller.CallID())
	require.True(t, r.Repaired)
	require.Equal(t, "answered", r.Disposition)
	require.True(t, r.Duration.Valid)
	_, err = up.Callee.Bye(s.ctx, lab.RequestOptions{})
	require.NoError(t, err)
	require.Equal(t, "callee", s.final(up.Caller.CallID()).Released)
	require.Zero(t, s.count("SELECT count(*) FROM byeguard.outbox WHERE call_key IN (SELECT call_key FROM byeguard.cdrs WHERE call_id=$1)", up.Caller.CallID()))
}

// TestGapCredit: byeguard stalls and its credit is used up. Starts fall into the
// gap; once it reads again each of the calls is known, and one-sided ends of them
// are found.
func TestGapCredit(t *testing.T) {
	t.Parallel()
	s, c := cabled(t, siteOptions{kamailio: lab.KamailioOptions{Defines: map[string]string{"BYEGUARD_CREDIT": "20"}}})
	goOn := c.Hold()
	defer goOn()
	pairs := s.calls(30, lab.CallOptions{})
	goOn()
	for _, p := range pairs {
		s.open(p.Caller.CallID())
	}
	s.settled()
	require.Positive(t, s.count("SELECT count(*) FROM byeguard.incidents WHERE kind='events_missed'"), "no event was missed")
	require.Positive(t, s.count("SELECT count(*) FROM byeguard.dialogs WHERE not_seen='start_missed'"))
	s.noCommands()
	last := pairs[len(pairs)-1]
	s.forceRace(last)
	require.NoError(t, last.Callee.WaitEnded(s.ctx))
	require.True(t, s.final(last.Caller.CallID()).Repaired)
	for _, p := range pairs[:len(pairs)-1] {
		require.True(t, p.Caller.State().Live() && p.Callee.State().Live(), "a live call was ended")
	}
	s.noViolations()
}

// TestGapWhileEnding: many calls are ended at once while the credit is used up, so
// that of some nothing is seen at all. No leg stays up.
func TestGapWhileEnding(t *testing.T) {
	t.Parallel()
	s, c := cabled(t, siteOptions{
		kamailio: lab.KamailioOptions{Defines: map[string]string{"BYEGUARD_CREDIT": "40"}}, config: probeSoon,
	})
	pairs := s.calls(60, lab.CallOptions{})
	for _, p := range pairs {
		s.open(p.Caller.CallID())
	}
	up := pairs[0]
	goOn := c.Hold()
	defer goOn()
	_, err := lab.EndDialogs(s.ctx, s.kam.RPC(), 16, func(d lab.Dialog) bool { return d.CallID != up.Caller.CallID() })
	require.NoError(t, err)
	goOn()
	for _, p := range pairs[1:] {
		require.NoError(t, p.Caller.WaitEnded(s.ctx))
		require.NoError(t, p.Callee.WaitEnded(s.ctx))
		s.final(p.Caller.CallID())
	}
	s.settled()
	require.Positive(t, s.count("SELECT count(*) FROM byeguard.events WHERE kind='vanished'"), "nothing ended unseen")
	require.True(t, up.Caller.State().Live() && up.Callee.State().Live(), "a live call was ended")
	require.Empty(t, s.notSeen(up.Caller.CallID()))
}

// probeSoon asks end points without the patience that a real site can afford.
func probeSoon(c *app.Config) { c.ProbeAgain, c.StuckAfter = time.Second, 2*time.Second }

// TestGapRestart: Kamailio is restarted, and killed, with live calls. None is
// ended; they are marked, and their own BYEs close their records.
func TestGapRestart(t *testing.T) {
	t.Parallel()
	eachKamailio(t, testGapRestart)
}

func testGapRestart(t *testing.T, b lab.Binary) {
	t.Helper()
	s := newSite(t, siteOptions{kamailio: lab.KamailioOptions{Binary: b}})
	pairs := s.calls(20, lab.CallOptions{})
	for _, p := range pairs {
		s.open(p.Caller.CallID())
	}
	s.looked() // else it is not known what passed before
	require.NoError(t, s.kam.Kill())
	require.NoError(t, s.kam.Start(s.ctx))
	for _, p := range pairs {
		s.touched(p, "restarted")
	}
	s.settled()
	for i, p := range pairs {
		require.True(t, p.Caller.State().Live() && p.Callee.State().Live(), "a live call was ended")
		require.Equal(t, "open", s.open(p.Caller.CallID()).State)
		end := p.Caller
		if i%2 == 0 {
			end = p.Callee
		}
		_, err := end.Bye(s.ctx, lab.RequestOptions{})
		require.NoError(t, err)
	}
	for i, p := range pairs {
		want := "caller"
		if i%2 == 0 {
			want = "callee"
		}
		require.Equal(t, want, s.final(p.Caller.CallID()).Released)
	}
	require.Zero(t, s.count("SELECT count(*) FROM byeguard.events WHERE kind='vanished'"))
	s.noCommands()
	s.noViolations()
}

// TestStartedLate: byeguard is started beside a proxy that has calls. They are
// found, with when they were answered.
func TestStartedLate(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{noGuard: true})
	pairs := s.calls(5, lab.CallOptions{})
	s.guard(nil)
	for _, p := range pairs {
		s.touched(p, "start_missed")
	}
	_, err := pairs[0].Caller.Bye(s.ctx, lab.RequestOptions{})
	require.NoError(t, err)
	r := s.final(pairs[0].Caller.CallID())
	require.Equal(t, "answered", r.Disposition)
	require.Equal(t, "caller", r.Released)
	require.True(t, r.Duration.Valid)
	s.forceRace(pairs[1])
	require.NoError(t, pairs[1].Callee.WaitEnded(s.ctx))
	require.True(t, s.final(pairs[1].Caller.CallID()).Repaired)
	s.noViolations()
}

// TestFlushedTable: byeguard's table in Kamailio is flushed. That is no restart: the
// calls go on being followed, byeguard reads on within a second on the same
// connection, and a call whose end fell into it is found out like any other.
func TestFlushedTable(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{config: probeSoon})
	oneSided, later, up := s.call(lab.CallOptions{}), s.call(lab.CallOptions{}), s.call(lab.CallOptions{})
	for _, p := range []lab.Pair{oneSided, later, up} {
		s.open(p.Caller.CallID())
	}
	// Two seconds after its start its identity is its own.
	s.eventually("the proxy is older than its identity", 20*time.Second, func() bool {
		var up struct {
			Uptime int `json:"uptime"`
		}
		return s.kam.RPC().Call(s.ctx, &up, "core.uptime") == nil && up.Uptime >= 3
	})
	s.open(s.call(lab.CallOptions{}).Caller.CallID()) // the proxy is heard of

	require.NoError(t, s.kam.RPC().Call(s.ctx, nil, "htable.flush", "byeguard"))
	s.forceRace(oneSided) // unseen
	require.NoError(t, oneSided.Callee.WaitEnded(s.ctx))
	s.final(oneSided.Caller.CallID())
	s.forceRace(later)
	require.NoError(t, later.Callee.WaitEnded(s.ctx))
	require.True(t, s.final(later.Caller.CallID()).Repaired)
	s.settled()
	require.Empty(t, s.notSeen(up.Caller.CallID()))
	require.Zero(t, s.count("SELECT count(*) FROM byeguard.incidents WHERE kind='node_restarted'"))
	require.NotContains(t, s.log.String(), "not connected to evapi; connecting again")
	require.True(t, up.Caller.State().Live() && up.Callee.State().Live(), "a live call was ended")
	s.noViolations()
}
