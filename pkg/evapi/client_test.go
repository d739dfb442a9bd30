package evapi_test

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/evapi"
)

// quick are options with short times where a test waits for them.
func quick(addr string) evapi.Options {
	return evapi.Options{
		Addr: addr, Node: testNode, Reader: "tester",
		BackoffMin: time.Millisecond, BackoffMax: 20 * time.Millisecond,
		SyncIdle: 60 * time.Millisecond, ReorderWait: 60 * time.Millisecond,
		HelloTimeout: time.Minute, DeadAfter: time.Minute, WriteTimeout: 10 * time.Second, // a busy machine is no error
	}
}

// start runs a client until the test ends.
func start(t *testing.T, o evapi.Options, h evapi.Handler) *evapi.Client {
	t.Helper()
	c, err := evapi.New(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, h) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, wait(t, done))
	})
	return c
}

func TestClientReads(t *testing.T) {
	t.Parallel()
	p, r := newProxy(t), newRecorder()
	var beats atomic.Int64
	o := quick(p.addr())
	o.Beat = func() { beats.Add(1) }
	c := start(t, o, r)
	conn := p.welcome(41, 7)
	h := wait(t, r.hellos)
	require.Equal(t, evapi.Hello{
		Node: testNode, Addr: p.addr(), Boot: testBoot, Seq: 41, Limit: 100, Version: "kamailio 5.6.3",
		At: 1700000000_041123, Seen: h.Seen,
	}, h)

	conn.send(event(42, 8), `{"some":"thing of the operator's"}`, event(43, 9))
	ev := wait(t, r.events)
	require.Equal(t, "call-42", ev.CallID)
	require.Equal(t, uint64(42), ev.Seq)
	require.Equal(t, uint64(8), ev.Sent)
	require.Equal(t, testNode, ev.Node)
	require.InDelta(t, time.Now().UnixMicro(), ev.Seen, 5e6)
	require.Equal(t, "call-43", wait(t, r.events).CallID)
	require.Equal(t, "byeguard ack 9", conn.ask())

	// The count of acknowledgements follows the writing of one.
	require.Eventually(t, func() bool { return c.Stats().Acks == 2 }, 10*time.Second, time.Millisecond)
	s := c.Stats()
	require.True(t, s.Connected)
	require.Equal(t, []uint64{1, 0, 4, 2, 1, 0, 0, 2}, []uint64{
		s.Connects, s.Failures, s.Frames, s.Events, s.Foreign, s.Bad, s.Gaps, s.Acks,
	})
	require.Equal(t, []int64{9, 9, 100, 1700000000_043123}, []int64{s.LastSent, s.LastAcked, s.CreditLimit, s.LastAt})
	require.Equal(t, uint64(43), s.LastSeq)
	require.Positive(t, beats.Load())
}

// TestClientEveryCut: frames may be torn at each byte.
func TestClientEveryCut(t *testing.T) {
	t.Parallel()
	p, r := newProxy(t), newRecorder()
	start(t, quick(p.addr()), r)
	conn := p.welcome(0, 0)
	data := string(evapi.AppendFrame(nil, event(1, 1)))
	seq := int64(0)
	for cut := range len(data) {
		seq++
		frame := string(evapi.AppendFrame(nil, event(seq, seq)))
		conn.raw(frame[:cut])
		conn.raw(frame[cut:])
		require.Equal(t, uint64(seq), wait(t, r.events).Seq, "cut at %d", cut)
	}
	require.Empty(t, r.gaps)
	require.Empty(t, r.errs)
}

// TestClientAcks: within one read after every AckEvery frames, and at its end.
func TestClientAcks(t *testing.T) {
	t.Parallel()
	p, r := newProxy(t), newRecorder()
	o := quick(p.addr())
	o.AckEvery = 4
	c := start(t, o, r)
	conn := p.welcome(0, 0)
	var frames []string
	for i := range int64(10) {
		frames = append(frames, event(i+1, i+1))
	}
	conn.send(frames...) // one write, so one read
	for range frames {
		wait(t, r.events)
	}
	require.Equal(t, "byeguard ack 4", conn.ask())
	require.Equal(t, "byeguard ack 8", conn.ask())
	require.Equal(t, "byeguard ack 10", conn.ask())
	require.Eventually(t, func() bool { return c.Stats().LastAcked == 10 }, 10*time.Second, time.Millisecond)

	conn.send(event(13, 13), event(11, 11), event(12, 12)) // relayed out of order: the newest counts
	require.Equal(t, "byeguard ack 13", conn.ask())
}

// TestClientAcksWrappedCounter: Kamailio 5.6 counts in 32 bits with a sign, so
// the number goes back as it came.
func TestClientAcksWrappedCounter(t *testing.T) {
	t.Parallel()
	p, r := newProxy(t), newRecorder()
	start(t, quick(p.addr()), r)
	conn := p.welcome(1<<31-2, 1<<31-2)
	conn.send(event(1<<31-1, 1<<31-1))
	require.Equal(t, "byeguard ack 2147483647", conn.ask())
	conn.send(event(-1<<31, -1<<31))
	require.Equal(t, "byeguard ack -2147483648", conn.ask())
	require.Equal(t, uint64(1<<31-1), wait(t, r.events).Seq)
	require.Equal(t, uint64(1<<31), wait(t, r.events).Seq)
	require.Empty(t, r.gaps)
}

func TestClientRests(t *testing.T) {
	t.Parallel()
	p, r := newProxy(t), newRecorder()
	o := quick(p.addr())
	o.SyncIdle, o.AckEvery, o.Rest = time.Minute, 1000, 20*time.Millisecond
	c := start(t, o, r)
	conn := p.welcome(0, 0)
	for i := range int64(50) { // far more than one rest would let pass unread
		conn.send(event(i+1, i+1))
	}
	for f := ""; f != "byeguard ack 50"; {
		f = conn.ask()
	}
	require.Less(t, c.Stats().Acks, uint64(25), "several events share one acknowledgement")
	for range 50 {
		wait(t, r.events)
	}
	require.Empty(t, r.gaps)
}

func TestClientSyncAndTail(t *testing.T) {
	t.Parallel()
	p, r := newProxy(t), newRecorder()
	start(t, quick(p.addr()), r)
	conn := p.welcome(0, 0)
	conn.send(event(1, 1))
	require.Equal(t, "byeguard ack 1", conn.ask())
	require.Equal(t, "byeguard sync", wait(t, conn.in))
	conn.send(syncFrame(4, 1)) // three events were counted and not relayed
	require.Equal(t, evapi.Gap{Boot: testBoot, From: 2, To: 4, Cause: evapi.CauseHole}, wait(t, r.gaps))
	require.Equal(t, "byeguard ack 1", conn.ask())
	require.Equal(t, "byeguard sync", wait(t, conn.in), "again when idle")
}

func TestClientDead(t *testing.T) {
	t.Parallel()
	p, r := newProxy(t), newRecorder()
	o := quick(p.addr())
	o.DeadAfter = 150 * time.Millisecond
	start(t, o, r)
	conn := p.welcome(3, 3)
	require.ErrorIs(t, wait(t, r.errs), evapi.ErrDead)
	conn.closed()
	p.welcome(5, 3)
	require.Equal(t, evapi.Gap{Boot: testBoot, From: 4, To: 5, Cause: evapi.CauseReconnect}, wait(t, r.gaps))
}

func TestClientReconnects(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		raw string
		err error
		msg string
	}{
		"garbage":       {"\x00\x01garbage", evapi.ErrFrameSyntax, ""},
		"negative":      {"-1:x,", evapi.ErrFrameSyntax, ""},
		"huge":          {"4294967296:", evapi.ErrFrameTooLong, ""},
		"torn":          {"5:{\"bg\"9:", evapi.ErrFrameSyntax, ""},
		"another boot":  {string(evapi.AppendFrame(nil, strings.Replace(event(2, 2), "1700000000", "1700000009", 1))), evapi.ErrBoot, ""},
		"sync of other": {string(evapi.AppendFrame(nil, strings.Replace(syncFrame(2, 2), "1700000000", "1700000009", 1))), evapi.ErrBoot, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, r := newProxy(t), newRecorder()
			c := start(t, quick(p.addr()), r)
			conn := p.welcome(0, 0)
			conn.raw(string(evapi.AppendFrame(nil, event(1, 1))) + tc.raw)
			require.ErrorIs(t, wait(t, r.errs), tc.err)
			require.Equal(t, uint64(1), wait(t, r.events).Seq, "what came before the error is kept")
			conn.closed()
			p.welcome(2, 2)
			require.False(t, wait(t, r.hellos).Restarted)
			require.Equal(t, evapi.Gap{Boot: testBoot, From: 2, To: 2, Cause: evapi.CauseReconnect}, wait(t, r.gaps))
			require.Equal(t, uint64(2), c.Stats().Connects)
			require.Equal(t, uint64(1), c.Stats().Failures)
		})
	}
}

func TestClientHandshakeErrors(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer string
		err    error
		says   string
	}{
		"silence":      {"", evapi.ErrNotByeguard, "does kamailio.cfg include byeguard-routes.cfg?"},
		"foreign only": {`{"event":"x"}`, evapi.ErrNotByeguard, "no answer to hello from 127.0.0.1:"},
		"other node":   {hello("edge2", 0, 0), evapi.ErrNode, `calls itself "edge2"`},
		"no node":      {head("hello", 0, 0) + `}`, evapi.ErrNode, `calls itself ""`},
		"version 2":    {`{"bg":2,"k":"hello"}`, evapi.ErrVersion, "byeguard-routes.cfg do not fit together"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, r := newProxy(t), newRecorder()
			o := quick(p.addr())
			o.HelloTimeout = 100 * time.Millisecond
			start(t, o, r)
			conn := p.accept()
			if tc.answer != "" {
				conn.send(tc.answer)
			}
			err := wait(t, r.errs)
			require.ErrorIs(t, err, tc.err)
			require.ErrorContains(t, err, tc.says)
			conn.closed()
			p.accept()
			require.Empty(t, r.hellos)
		})
	}
}

func TestClientNobodyListens(t *testing.T) {
	t.Parallel()
	p, r := newProxy(t), newRecorder()
	addr := p.addr()
	require.NoError(t, p.l.Close())
	start(t, quick(addr), r)
	for range 3 {
		require.ErrorContains(t, wait(t, r.errs), "is kamailio up")
	}
	l, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	defer l.Close()
	conn, err := l.Accept()
	require.NoError(t, err)
	conn.Close()
	for {
		if err := wait(t, r.errs); !strings.Contains(err.Error(), "is kamailio up") {
			require.ErrorContains(t, err, "before the answer to hello")
			break
		}
	}
}

// TestClientEarlyEvents: events may overtake the answer to hello.
func TestClientEarlyEvents(t *testing.T) {
	t.Parallel()
	p, r := newProxy(t), newRecorder()
	start(t, quick(p.addr()), r)
	conn := p.accept()
	conn.send(event(11, 1))
	conn.send(event(13, 3), hello(testNode, 12, 2), event(12, 2), event(14, 4))
	for _, want := range []uint64{11, 13, 12, 14} {
		require.Equal(t, want, wait(t, r.events).Seq)
	}
	require.Equal(t, "byeguard ack 4", conn.ask())
	require.Equal(t, "connected", r.calls()[0])
	require.Empty(t, r.gaps)
}

func TestClientRestartOfTheProxy(t *testing.T) {
	t.Parallel()
	p, r := newProxy(t), newRecorder()
	start(t, quick(p.addr()), r)
	conn := p.welcome(100, 90)
	require.False(t, wait(t, r.hellos).Restarted)
	conn.Close()
	require.Error(t, wait(t, r.errs))
	conn = p.accept()
	conn.send(strings.Replace(hello(testNode, 0, 0), `"b":1700000000`, `"b":1700000500`, 1))
	h := wait(t, r.hellos)
	require.True(t, h.Restarted)
	require.Equal(t, evapi.Gap{Boot: testBoot, From: 101, Cause: evapi.CauseRestart}, wait(t, r.gaps))
	conn.send(strings.Replace(event(1, 1), `"b":1700000000`, `"b":1700000500`, 1))
	require.Equal(t, uint64(1), wait(t, r.events).Seq)
}

func TestClientResume(t *testing.T) {
	t.Parallel()
	p, r := newProxy(t), newRecorder()
	o := quick(p.addr())
	o.Resume = evapi.Position{Boot: testBoot, Seq: 3<<32 + 5}
	start(t, o, r)
	conn := p.welcome(9, 4)
	require.Equal(t, evapi.Gap{Boot: testBoot, From: 3<<32 + 6, To: 3<<32 + 9, Cause: evapi.CauseReconnect}, wait(t, r.gaps))
	conn.send(event(10, 5))
	require.Equal(t, uint64(3<<32+10), wait(t, r.events).Seq)
}

// TestClientSlowHandler: a refused batch closes the connection and is a gap.
func TestClientSlowHandler(t *testing.T) {
	t.Parallel()
	p, r := newProxy(t), newRecorder()
	c := start(t, quick(p.addr()), r)
	conn := p.welcome(0, 0)
	r.setRefuse(true)
	conn.send(event(2, 1), event(1, 2), event(4, 3))
	require.ErrorIs(t, wait(t, r.errs), evapi.ErrSlow)
	require.Equal(t, evapi.Gap{Boot: testBoot, From: 1, To: 2, Cause: evapi.CauseRefused}, wait(t, r.gaps))
	require.Equal(t, evapi.Gap{Boot: testBoot, From: 4, To: 4, Cause: evapi.CauseRefused}, wait(t, r.gaps))
	conn.closed()
	r.setRefuse(false)
	p.welcome(6, 3)
	require.Equal(t, evapi.Gap{Boot: testBoot, From: 3, To: 3, Cause: evapi.CauseHole}, wait(t, r.gaps))
	require.Equal(t, evapi.Gap{Boot: testBoot, From: 5, To: 6, Cause: evapi.CauseReconnect}, wait(t, r.gaps))
	require.Equal(t, uint64(3), c.Stats().Refused)
	require.Equal(t, uint64(6), c.Stats().Missed)
}

func TestClientBadFrames(t *testing.T) {
	t.Parallel()
	p, r := newProxy(t), newRecorder()
	c := start(t, quick(p.addr()), r)
	conn := p.welcome(0, 0)
	conn.send(head("start", 1, 1)+`,"i":5}`, head("magic", 2, 2)+`}`, `{"bg":1,"what"`, event(3, 3))
	require.Equal(t, evapi.Gap{Boot: testBoot, From: 1, To: 1, Cause: evapi.CauseBad}, wait(t, r.gaps))
	require.Equal(t, evapi.Gap{Boot: testBoot, From: 2, To: 2, Cause: evapi.CauseBad}, wait(t, r.gaps))
	require.Equal(t, uint64(3), wait(t, r.events).Seq)
	require.Equal(t, "byeguard ack 3", conn.ask())
	require.Equal(t, uint64(3), c.Stats().Bad)
	require.Empty(t, r.errs)
}

// TestClientBlockedAck: a proxy that takes nothing must not stop the reading
// for longer than WriteTimeout.
func TestClientBlockedAck(t *testing.T) {
	t.Parallel()
	small := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) })
	}}
	l, err := small.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	r := newRecorder()
	o := quick(l.Addr().String())
	o.WriteTimeout, o.AckEvery, o.DeadAfter = 50*time.Millisecond, 1, time.Minute
	start(t, o, r)
	conn, err := l.Accept() // and never read from it
	require.NoError(t, err)
	defer conn.Close()
	out := evapi.AppendFrame(nil, hello(testNode, 0, 0))
	for seq := int64(1); len(r.errs) == 0; {
		if _, err := conn.Write(out); err != nil {
			break // closed by the client
		}
		out = out[:0]
		for range 200 {
			out = evapi.AppendFrame(out, event(seq, seq))
			seq++
		}
		for len(r.events) > 50_000 {
			<-r.events
		}
	}
	require.ErrorIs(t, wait(t, r.errs), evapi.ErrWrite)
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	low, high := 100*time.Millisecond, 5*time.Second
	for attempt, ms := range []int{100, 200, 400, 800, 1600, 3200, 5000, 5000} {
		want := time.Duration(ms) * time.Millisecond
		require.Equal(t, want/2, evapi.Backoff(attempt, low, high, 0))
		require.Equal(t, min(high, want), evapi.Backoff(attempt, low, high, 0.5))
		require.LessOrEqual(t, evapi.Backoff(attempt, low, high, 0.999), min(high, want*3/2))
	}
	require.Equal(t, high, evapi.Backoff(1<<30, low, high, 0.9))
}

func TestOptionsValidate(t *testing.T) {
	t.Parallel()
	good := evapi.Options{Addr: "127.0.0.1:8448", Node: "n"}
	require.NoError(t, good.Validate())
	for says, bad := range map[string]evapi.Options{
		"want host:port":      {Addr: "localhost", Node: "n"},
		"node name is empty":  {Addr: "h:1"},
		"only A-Z":            {Addr: "h:1", Node: "n", Reader: "a b"},
		"longer than 32":      {Addr: "h:1", Node: "n", Reader: strings.Repeat("a", 33)},
		"out of range":        {Addr: "h:1", Node: "n", MaxFrame: -1},
		"negative duration":   {Addr: "h:1", Node: "n", SyncIdle: -1},
		"longest back-off 1s": {Addr: "h:1", Node: "n", BackoffMin: 2e9, BackoffMax: 1e9},
	} {
		_, err := evapi.New(bad)
		require.ErrorContains(t, err, says)
	}
}

// TestClientStartStop starts and stops at every moment of a connection's life.
func TestClientStartStop(t *testing.T) {
	t.Parallel()
	p, r := newProxy(t), newRecorder()
	go func() {
		for c := range p.conns {
			go func() {
				var out []byte
				out = evapi.AppendFrame(out, hello(testNode, 0, 0))
				for i := range int64(50) {
					out = evapi.AppendFrame(out, event(i+1, i+1))
				}
				_, _ = c.Write(out)
				for range c.in {
				}
				c.Close()
			}()
		}
	}()
	t.Cleanup(func() { p.l.Close() })
	c, err := evapi.New(quick(p.addr()))
	require.NoError(t, err)
	for i := range 200 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*20*time.Microsecond)
		begun := time.Now()
		require.NoError(t, c.Run(ctx, r))
		cancel()
		require.Less(t, time.Since(begun), 3*time.Second)
		c.Stats()
		for len(r.events) > 0 {
			<-r.events
		}
		for len(r.hellos)+len(r.gaps)+len(r.errs) > 0 {
			select {
			case <-r.hellos:
			case <-r.gaps:
			case err := <-r.errs:
				require.Error(t, err)
			}
		}
	}
	require.False(t, c.Stats().Connected)
}

// TestClientFlushedTable: the proxy's table was flushed. It takes the sync for a
// hello, and counts anew: byeguard acknowledges in the new numbers.
func TestClientFlushedTable(t *testing.T) {
	t.Parallel()
	p, r := newProxy(t), newRecorder()
	start(t, quick(p.addr()), r)
	conn := p.welcome(9000, 8000)
	wait(t, r.hellos)
	conn.send(event(9001, 8001)) // nine seconds after its start, by these frames' times
	require.EqualValues(t, 9001, wait(t, r.events).Seq)
	require.Equal(t, "byeguard ack 8001", conn.ask())
	require.Equal(t, "byeguard sync", wait(t, conn.in))
	conn.send(hello(testNode, 7, 0))
	require.Equal(t, evapi.CauseReset, wait(t, r.gaps).Cause)
	require.Equal(t, "byeguard ack 0", conn.ask())
	conn.send(event(8, 1))
	require.EqualValues(t, 1<<32+8, wait(t, r.events).Seq)
	require.Equal(t, "byeguard ack 1", conn.ask())
	require.Empty(t, r.errs)
}

// TestClientAnotherHello: another reader's hello may come of a flushed table, which
// has forgotten this reader too: it asks at once.
func TestClientAnotherHello(t *testing.T) {
	t.Parallel()
	p, r := newProxy(t), newRecorder()
	o := quick(p.addr())
	o.SyncIdle = time.Hour
	start(t, o, r)
	conn := p.welcome(10, 10)
	conn.send(hello(testNode, 10, 10))
	for frame := ""; frame != "byeguard sync"; {
		frame = wait(t, conn.in)
	}
	require.Empty(t, r.gaps)
}
