package compensate_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/compensate"
	"github.com/byeguard/byeguard/pkg/indialog"
)

// callerFunc is a proxy in one function.
type callerFunc func(context.Context, indialog.Request) (indialog.Reply, error)

func (f callerFunc) UACWait(ctx context.Context, r indialog.Request) (indialog.Reply, error) {
	return f(ctx, r)
}

func ok(context.Context, indialog.Request) (indialog.Reply, error) {
	return indialog.Reply{Code: 200, Reason: "OK"}, nil
}

// unreachable and refused are errors as package kamrpc makes them.
type unreachable struct{ sent bool }

func (e unreachable) Error() string { return "connection refused" }
func (e unreachable) NotSent() bool { return !e.sent }

type refused struct{}

func (refused) Error() string  { return "400 No local socket" }
func (refused) Rejected() bool { return true }

// command returns the i-th command, each for a call of its own.
func command(i int) call.Command {
	id := fmt.Sprintf("c%d", i)
	return call.Command{
		ID: id, Key: call.NewKey(id, "f", "t", call.DialogID{}), Node: "a", Leg: call.Callee, Attempt: 1,
		Reason: call.ReasonByeMissing, CallID: id, FromURI: "sip:a@h", FromTag: "f", ToURI: "sip:b@h", ToTag: "t",
		Target: "sip:b@192.0.2.1", CSeq: 102,
	}
}

// pass lets time go by: the fake time of a synctest bubble.
func pass(d time.Duration) { <-time.After(d) }

// sink keeps reports.
type sink struct {
	mu   sync.Mutex
	all  []call.Event
	keys []call.Key
	at   []time.Time
}

func (s *sink) take(k call.Key, e call.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all, s.keys, s.at = append(s.all, e), append(s.keys, k), append(s.at, time.Now())
}

func (s *sink) events() []call.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]call.Event(nil), s.all...)
}

// start runs a sender until the returned function is called.
func start(t *testing.T, s *compensate.Sender) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
}

func newSender(t *testing.T, o compensate.Options, f callerFunc) (*compensate.Sender, *sink) {
	t.Helper()
	out := &sink{}
	o.Nodes, o.Results = map[string]compensate.Caller{"a": f, "b": f}, out.take
	s, err := compensate.New(o)
	require.NoError(t, err)
	return s, out
}

func TestReport(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*call.Command)
		caller callerFunc
		code   int
		reason string
	}{
		{"200", nil, ok, 200, "OK"},
		{"481", nil, func(context.Context, indialog.Request) (indialog.Reply, error) {
			return indialog.Reply{Code: 481, Reason: "Gone"}, nil
		}, 481, "Gone"},
		{"408", nil, func(context.Context, indialog.Request) (indialog.Reply, error) {
			return indialog.Reply{Code: 408, Reason: "Request Timeout"}, nil
		}, 408, "Request Timeout"},
		{"rejected", nil, func(context.Context, indialog.Request) (indialog.Reply, error) {
			return indialog.Reply{}, fmt.Errorf("wrapped: %w", refused{})
		}, 0, "wrapped: 400 No local socket"},
		{"half answer", nil, func(context.Context, indialog.Request) (indialog.Reply, error) {
			return indialog.Reply{}, unreachable{sent: true}
		}, call.CodeOpen, "outcome unknown: connection refused"},
		{"strange error", nil, func(context.Context, indialog.Request) (indialog.Reply, error) {
			return indialog.Reply{}, errors.New("strange")
		}, call.CodeOpen, "outcome unknown: strange"},
		{"not buildable", func(c *call.Command) { c.ToTag = "a\r\nb" }, ok, 0, "build request: ToTag holds a control byte: 0x0d at byte 1"},
		{"no such node", func(c *call.Command) { c.Node = "z" }, ok, 0, "send bye: no such node, name it in nodes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, out := newSender(t, compensate.Options{}, c.caller)
				cmd := command(1)
				if c.change != nil {
					c.change(&cmd)
				}
				stop := start(t, s)
				s.Send(cmd)
				synctest.Wait()
				stop()
				require.Equal(t, []call.Event{{
					Kind: call.KindResult, Node: cmd.Node, Seen: time.Now().UnixMicro(), Method: "BYE",
					CallID: cmd.CallID, FromTag: cmd.FromTag, ToTag: cmd.ToTag, Leg: call.Callee,
					Code: c.code, Reason: c.reason, CommandID: cmd.ID, CSeq: cmd.CSeq,
				}}, out.events())
				require.Equal(t, []call.Key{cmd.Key}, out.keys)
				require.Empty(t, s.Pending())
			})
		})
	}
}

func TestRequestIsBuilt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got indialog.Request
		s, _ := newSender(t, compensate.Options{}, func(ctx context.Context, r indialog.Request) (indialog.Reply, error) {
			got = r
			return ok(ctx, r)
		})
		cmd := command(1)
		cmd.Target, cmd.Socket = "<sip:b@h;alias=192.0.2.2~5070~2>", "tcp:192.0.2.1:5060"
		stop := start(t, s)
		s.Send(cmd)
		synctest.Wait()
		stop()
		require.Equal(t, indialog.Request{
			Method: "BYE", RequestURI: "sip:b@h", NextHop: "sip:192.0.2.2:5070;transport=tcp",
			Socket: "tcp:192.0.2.1:5060", CSeq: 102,
			Headers: "From: <sip:a@h>;tag=f\r\nTo: <sip:b@h>;tag=t\r\nCall-ID: c1\r\nCSeq: 102 BYE\r\nX-Byeguard: c1\r\n",
		}, got)
	})
}

// 1,000 commands at once: the burst goes out at once, the rest at the rate, and
// one node's pace does not slow the other.
func TestPacing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, out := newSender(t, compensate.Options{}, ok)
		begin := time.Now()
		for i := range 1000 {
			s.Send(command(i))
		}
		other := command(5000)
		other.Node = "b"
		s.Send(other)
		stop := start(t, s)
		defer stop()
		synctest.Wait()
		require.Len(t, out.events(), 201)
		require.Equal(t, 1, int(s.Stats().Nodes["b"].Reported))
		for second := 1; second <= 4; second++ {
			pass(time.Second)
			synctest.Wait()
			require.InDelta(t, 201+200*second, len(out.events()), 1, "after %d s", second)
		}
		require.InDelta(t, 4, out.at[1000].Sub(begin).Seconds(), 0.01)
		for i := range 1000 { // in their order
			require.Contains(t, out.all[max(0, i-1):i+2], out.all[i])
		}
		st := s.Stats().Nodes["a"]
		require.Equal(t, compensate.NodeStats{Accepted: 1000, Attempts: 1000, Reported: 1000, Closed: 1000}, st)
	})
}

func TestOneInFlightPerLeg(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, most, order := map[string]int{}, 0, []string{}
		s, out := newSender(t, compensate.Options{}, func(ctx context.Context, r indialog.Request) (indialog.Reply, error) {
			mu.Lock()
			now[r.RequestURI]++
			most = max(most, now[r.RequestURI])
			order = append(order, r.Headers[len(r.Headers)-4:len(r.Headers)-2])
			mu.Unlock()
			pass(time.Second)
			mu.Lock()
			now[r.RequestURI]--
			mu.Unlock()
			return ok(ctx, r)
		})
		for i := range 6 { // of one leg, over two nodes
			c := command(0)
			c.ID, c.Node = fmt.Sprintf("m%d", i), []string{"a", "b"}[i%2]
			s.Send(c)
		}
		far := command(0) // the other leg of the same call is free
		far.ID, far.Leg, far.Target = "m9", call.Caller, "sip:a@192.0.2.9"
		s.Send(far)
		s.Send(far) // the same again: ignored
		stop := start(t, s)
		defer stop()
		synctest.Wait()
		require.Len(t, order, 2)
		require.Equal(t, 1, int(s.Stats().Nodes["a"].Duplicates))
		pass(7 * time.Second)
		synctest.Wait()
		require.Len(t, out.events(), 7)
		require.Equal(t, 1, most)
		require.Len(t, order, 7)
		s.Send(far) // reported, so it is a new one
		pass(2 * time.Second)
		require.Len(t, out.events(), 8)
	})
}

func TestMaxInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var flying, most atomic.Int64
		s, out := newSender(t, compensate.Options{MaxInFlight: 3}, func(ctx context.Context, r indialog.Request) (indialog.Reply, error) {
			if n := flying.Add(1); n > most.Load() {
				most.Store(n)
			}
			pass(30 * time.Second)
			flying.Add(-1)
			return indialog.Reply{Code: 408}, nil
		})
		for i := range 9 {
			s.Send(command(i))
		}
		stop := start(t, s)
		defer stop()
		pass(time.Second)
		st := s.Stats().Nodes["a"]
		require.Equal(t, 3, st.InFlight)
		require.Equal(t, 6, st.Queued)
		pass(90 * time.Second)
		require.Len(t, out.events(), 9)
		require.EqualValues(t, 3, most.Load())
		require.EqualValues(t, 9, s.Stats().Nodes["a"].Unanswered)
	})
}

func TestRetriesUntilReached(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var tries atomic.Int64
		s, out := newSender(t, compensate.Options{}, func(ctx context.Context, r indialog.Request) (indialog.Reply, error) {
			tries.Add(1)
			if time.Since(begin) < 10*time.Second {
				return indialog.Reply{}, unreachable{}
			}
			return ok(ctx, r)
		})
		stop := start(t, s)
		defer stop()
		s.Send(command(1))
		pass(13 * time.Second)
		require.Len(t, out.events(), 1)
		require.Equal(t, 200, out.events()[0].Code)
		require.Less(t, tries.Load(), int64(14))
		require.EqualValues(t, tries.Load()-1, s.Stats().Nodes["a"].Retries)
	})
}

func TestRetriesEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, out := newSender(t, compensate.Options{}, func(context.Context, indialog.Request) (indialog.Reply, error) {
			return indialog.Reply{}, unreachable{}
		})
		stop := start(t, s)
		defer stop()
		s.Send(command(1))
		pass(27 * time.Second)
		require.Empty(t, out.events())
		pass(4 * time.Second)
		require.Len(t, out.events(), 1)
		require.Zero(t, out.events()[0].Code)
		require.Contains(t, out.events()[0].Reason, "not reached for 30s")
	})
}

func TestDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, out := newSender(t, compensate.Options{MaxInFlight: 3}, func(ctx context.Context, r indialog.Request) (indialog.Reply, error) {
			wait := time.Hour
			switch r.Headers[len(r.Headers)-4 : len(r.Headers)-2] {
			case "c0":
				wait = 3 * time.Second // ends within the drain time
			case "c2":
				return indialog.Reply{}, unreachable{}
			}
			select {
			case <-time.After(wait):
				return ok(ctx, r)
			case <-ctx.Done():
				return indialog.Reply{}, ctx.Err()
			}
		})
		for i := range 5 {
			s.Send(command(i))
		}
		parked := command(1)
		parked.ID = "p1"
		stop := start(t, s)
		s.Send(parked)
		synctest.Wait()
		begin := time.Now()
		stop()
		require.Equal(t, 5*time.Second, time.Since(begin))
		require.Len(t, out.events(), 1)
		require.Equal(t, "c0", out.events()[0].CommandID)
		left := map[string]bool{}
		for _, c := range s.Pending() {
			left[c.ID] = true
		}
		require.Equal(t, map[string]bool{"c1": true, "c2": true, "c3": true, "c4": true, "p1": true}, left)
		require.Zero(t, s.Stats().Nodes["a"].InFlight)
	})
}

func TestObserve(t *testing.T) {
	t.Parallel()
	log, hook := test.NewNullLogger()
	log.SetLevel(logrus.InfoLevel)
	s, out := newSender(t, compensate.Options{Mode: compensate.ModeObserve, Log: log},
		func(context.Context, indialog.Request) (indialog.Reply, error) { panic("sent") })
	stop := start(t, s)
	s.Send(command(1))
	bad := command(2)
	bad.Target = ""
	s.Send(bad)
	stop()
	require.Empty(t, out.events())
	require.Empty(t, s.Pending())
	require.EqualValues(t, 2, s.Stats().Nodes["a"].Observed)
	require.Len(t, hook.AllEntries(), 2)
	require.Equal(t, "sip:b@192.0.2.1", hook.AllEntries()[0].Data["request_uri"])
	require.Equal(t, logrus.WarnLevel, hook.AllEntries()[1].Level)
}

// TestStressStartStop starts and stops the sender while commands come in: each
// one is reported at least once or pending at the end.
func TestStressStartStop(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	s, out := newSender(t, compensate.Options{Rate: 1e6, Burst: 1000, MaxInFlight: 8, Drain: time.Microsecond},
		func(ctx context.Context, r indialog.Request) (indialog.Reply, error) {
			if n.Add(1)%5 == 0 {
				<-ctx.Done()
				return indialog.Reply{}, ctx.Err()
			}
			return ok(ctx, r)
		})
	const total = 2000
	var fed sync.WaitGroup
	fed.Go(func() {
		for i := range total {
			c := command(i % (total / 2)) // two per leg
			c.ID = fmt.Sprint("s", i)
			s.Send(c)
		}
	})
	for range 300 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		require.Eventually(t, func() bool { return s.Stats().Nodes["a"].InFlight > 0 || len(s.Pending()) == 0 },
			10*time.Second, 50*time.Microsecond)
		cancel()
		require.NoError(t, <-done)
	}
	fed.Wait()
	seen := map[string]int{}
	for _, e := range out.events() {
		seen[e.CommandID]++
	}
	for _, c := range s.Pending() {
		seen[c.ID]++
	}
	require.Len(t, seen, total)
	for id, times := range seen {
		require.Equal(t, 1, times, id)
	}
	st := s.Stats().Nodes["a"]
	require.Zero(t, st.InFlight)
	require.EqualValues(t, total, st.Accepted)
}

func TestRunTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _ := newSender(t, compensate.Options{}, ok)
		stop := start(t, s)
		synctest.Wait()
		require.ErrorIs(t, s.Run(t.Context()), compensate.ErrRunning)
		stop()
		stop = start(t, s)
		synctest.Wait()
		stop()
	})
}

func TestOptionsValidate(t *testing.T) {
	t.Parallel()
	take := func(call.Key, call.Event) {}
	for _, o := range []compensate.Options{
		{}, {Mode: "guess", Results: take}, {Results: take, Rate: -1}, {Results: take, Drain: -1},
		{Results: take, Nodes: map[string]compensate.Caller{"a": nil}},
	} {
		_, err := compensate.New(o)
		require.Error(t, err, "%+v", o)
	}
}
