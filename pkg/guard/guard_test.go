package guard_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/guard"
)

// world stands around a guard: it keeps what the guard hands on.
type world struct {
	mu       sync.Mutex
	updates  []call.Update
	commands []call.Command
	stored   map[call.Key]bool
	early    int // commands for calls that the store had not heard of
	changed  chan struct{}
	held     call.Held
	err      error
	asked    int
}

func newWorld() *world {
	return &world{stored: map[call.Key]bool{}, changed: make(chan struct{}, 1), held: call.HeldNo}
}

func (w *world) note() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

func (w *world) Put(u []call.Update) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.updates = append(w.updates, u...)
	for i := range u {
		w.stored[u[i].Call.Key] = true
	}
	w.note()
}

func (w *world) Send(c call.Command) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stored[c.Key] {
		w.early++
	}
	w.commands = append(w.commands, c)
	w.note()
}

func (w *world) Holds(context.Context, call.Question) (call.Held, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	return w.held, w.err
}

func (w *world) is(ok func() bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return ok()
}

// last is the newest update, an empty one if there is none.
func (w *world) last() call.Update {
	if len(w.updates) == 0 {
		return call.Update{}
	}
	return w.updates[len(w.updates)-1]
}

// await waits until ok holds.
func (w *world) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		if w.is(ok) {
			return
		}
		select {
		case <-w.changed:
		case <-deadline:
			require.Fail(t, "never happened: "+what)
		}
	}
}

func quiet() logrus.FieldLogger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return l
}

func start(t *testing.T, w *world, change func(*guard.Options)) *guard.Guard {
	t.Helper()
	opts := guard.Options{
		Policy: call.DefaultPolicy(), Store: w, Sender: w, Logger: quiet(),
		Holders: map[string]guard.Holder{"kam1": w},
	}
	opts.Policy.Grace = 20 * time.Millisecond
	opts.Policy.SameTarget = func(a, b string) bool { return a == b }
	if change != nil {
		change(&opts)
	}
	g, err := guard.New(opts)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = g.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return g
}

func event(id string, kind call.Kind, seq uint64) call.Event {
	now := time.Now().UnixMicro()
	return call.Event{
		Kind: kind, Node: "kam1", Boot: 7, Seq: seq, CallID: id, FromTag: "A", ToTag: "B", CSeq: uint32(seq),
		Dialog: call.DialogID{Entry: 1, ID: 2}, At: now - 5e6, Seen: now, Source: "192.0.2.1:5060",
		Caller: call.Endpoint{URI: "sip:a@a.example", Contact: "sip:a@192.0.2.1"},
		Callee: call.Endpoint{URI: "sip:b@b.example", Contact: "sip:b@192.0.2.2"},
	}
}

// oneSided is a call that the proxy ended towards the caller only.
func oneSided(id string) []call.Event {
	bye := event(id, call.KindByeOut, 3)
	bye.FromTag, bye.ToTag = "B", "A"
	reply := event(id, call.KindByeReply, 3)
	reply.FromTag, reply.ToTag, reply.Code = "B", "A", 200
	return []call.Event{event(id, call.KindStart, 1), event(id, call.KindConfirm, 2), bye, reply}
}

func TestOneSidedCallIsRepaired(t *testing.T) {
	t.Parallel()
	w := newWorld()
	g := start(t, w, nil)
	require.True(t, g.Feed(oneSided("c1")))
	w.await(t, "a command", func() bool { return len(w.commands) == 1 })
	require.Equal(t, call.Callee, w.commands[0].Leg)
	require.Equal(t, "A", w.commands[0].FromTag)
	require.Zero(t, w.early, "a command was sent before its call was handed to the store")

	cmd := w.commands[0]
	g.Result(call.Event{Kind: call.KindResult, Node: "kam1", CallID: "c1", FromTag: "A", ToTag: "B",
		Leg: call.Callee, CSeq: cmd.CSeq, Code: 200, CommandID: cmd.ID, Seen: time.Now().UnixMicro()})
	w.await(t, "the end of the call", func() bool { return w.last().Call.State == call.StateDone })
	last := w.last().Call
	require.Equal(t, call.LegConfirmed, last.Leg(call.Callee).State)
	require.InDelta(t, time.Now().UnixMicro()-5e6, last.Leg(call.Callee).EndAt, 2e6, "times are on the proxy's clock")
	require.Equal(t, uint64(1), g.Stats().Done)
}

func TestP1NoAnswerIsNoEvidence(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.held, w.err = call.HeldUnknown, errors.New("connection refused")
	g := start(t, w, nil)
	require.True(t, g.Feed(oneSided("c1")))
	w.await(t, "an answer", func() bool { return w.last().Event.Kind == call.KindAsked })
	require.Empty(t, w.commands)
}

func TestUnknownNodeCannotBeAsked(t *testing.T) {
	t.Parallel()
	w := newWorld()
	g := start(t, w, func(o *guard.Options) { o.Holders = nil })
	require.True(t, g.Feed(oneSided("c1")))
	w.await(t, "an answer", func() bool { return w.last().Event.Kind == call.KindAsked })
	require.Empty(t, w.commands)
}

func TestEventsOfOneCallKeepTheirOrder(t *testing.T) {
	t.Parallel()
	w := newWorld()
	g := start(t, w, func(o *guard.Options) { o.Lanes = 4 })
	const calls, each = 50, 40
	for seq := range each {
		var batch []call.Event
		for c := range calls {
			kind := call.KindTarget
			if seq == 0 {
				kind = call.KindStart
			}
			batch = append(batch, event(fmt.Sprint("c", c), kind, uint64(seq+1)))
		}
		require.True(t, g.Feed(batch))
	}
	w.await(t, "all events", func() bool { return len(w.updates) == calls*each })
	last := map[string]uint64{}
	for _, u := range w.updates {
		require.Equal(t, last[u.Call.CallID]+1, u.Event.Seq)
		last[u.Call.CallID] = u.Event.Seq
	}
}

func TestFullLaneSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld()
	opts := guard.Options{Policy: call.DefaultPolicy(), Store: w, Sender: w, Logger: quiet(), MaxQueue: 3, Lanes: 1}
	opts.Policy.SameTarget = func(a, b string) bool { return a == b }
	g, err := guard.New(opts) // it does not run: nothing empties the lane
	require.NoError(t, err)
	require.True(t, g.Feed(oneSided("c1")[:3]))
	require.False(t, g.Feed(oneSided("c1")[3:]))
	require.Equal(t, uint64(1), g.Stats().Dropped)
}

func TestRestoredCallGoesOn(t *testing.T) {
	t.Parallel()
	p := call.DefaultPolicy()
	p.SameTarget = func(a, b string) bool { return a == b }
	var c *call.Call
	for _, ev := range oneSided("c1") {
		if c == nil {
			c = call.New(&ev, nil)
		}
		c.Step(&ev, &p, nil)
	}
	w := newWorld()
	opts := guard.Options{Policy: p, Store: w, Sender: w, Logger: quiet(), Holders: map[string]guard.Holder{"kam1": w}}
	g, err := guard.New(opts)
	require.NoError(t, err)
	restored := c.Clone()
	g.Restore(&restored)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = g.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	w.await(t, "a command", func() bool { return len(w.commands) == 1 })
}

func TestDoneCallsAreForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld()
	g := start(t, w, func(o *guard.Options) { o.Policy.Linger = time.Millisecond })
	events := []call.Event{event("c1", call.KindStart, 1), event("c1", call.KindConfirm, 1), event("c1", call.KindByeIn, 2),
		event("c1", call.KindByeFwd, 2), event("c1", call.KindByeReply, 2)}
	events[4].Code = 200
	require.True(t, g.Feed(events))
	deadline := time.Now().Add(10 * time.Second)
	for g.Stats().Done == 0 || g.Stats().Live != 0 {
		require.True(t, time.Now().Before(deadline), "the call is still in memory")
		<-time.After(time.Millisecond)
	}
}

// Whoever guesses tags makes byeguard search, so no more than a few of the guesses
// are kept, and each of the others is met by that few.
func TestForgedByesOfOneCallIDAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld()
	g := start(t, w, func(o *guard.Options) {
		o.Lanes, o.Policy.Settle = 1, time.Hour // no guess is given up meanwhile
	})
	const forged, kept = 20_000, 64
	var events []call.Event
	for i := range forged {
		for _, kind := range []call.Kind{call.KindByeIn, call.KindByeFwd} {
			ev := event("c1", kind, uint64(i+1))
			ev.FromTag, ev.Source = fmt.Sprint("guess", i), "203.0.113.66:5060"
			events = append(events, ev)
		}
	}
	require.True(t, g.Feed(events))
	require.True(t, g.Feed(oneSided("restored")))
	require.True(t, g.Feed(oneSided("c1")), "a real call of the same Call-ID")
	w.await(t, "commands of the calls behind them", func() bool { return len(w.commands) == 2 })
	require.EqualValues(t, kept+2, g.Stats().Live)
	require.Equal(t, uint64(2*(forged-kept)), g.Stats().Strays, "the rest are counted")
	require.Zero(t, g.Stats().Dropped)
	require.True(t, w.is(func() bool {
		return !slices.ContainsFunc(w.updates, func(u call.Update) bool { return u.Call.Leg(call.Caller).Tag != "A" })
	}), "a guess is recorded as a call")
}

func TestStartStop(t *testing.T) {
	t.Parallel()
	for i := range 50 {
		w := newWorld()
		opts := guard.Options{Policy: call.DefaultPolicy(), Store: w, Sender: w, Logger: quiet(), Holders: map[string]guard.Holder{"kam1": w}}
		opts.Policy.SameTarget = func(a, b string) bool { return a == b }
		g, err := guard.New(opts)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); _ = g.Run(ctx) }()
		require.True(t, g.Feed(oneSided(fmt.Sprint(i))))
		cancel()
		<-done
		require.Len(t, w.updates, 4, "what was fed before the stop is stepped")
	}
}
