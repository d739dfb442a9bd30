package guard_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/guard"
)

// proxy is a Kamailio that can fail in ways that a real one does not on demand.
type proxy struct {
	mu        sync.Mutex
	boot      int64
	listed    []call.DialogID // what its snapshots show
	held      []call.DialogID // what it answers single questions by
	fail      error           // after the first part
	looks     int
	questions int
	during    func() // called while a snapshot is taken
	answering func() // called while a single question is
}

func (p *proxy) Snapshot(ctx context.Context, boot int64,
	pause func(context.Context, time.Duration) error, each func([]call.Event)) error {
	p.mu.Lock()
	p.looks++
	listed, fail, during, same := p.listed, p.fail, p.during, boot == p.boot
	p.mu.Unlock()
	if !same {
		return errors.New("it was restarted")
	}
	for i, d := range listed {
		each([]call.Event{{
			Kind: call.KindListed, CallID: "c" + d.String(), FromTag: "A", ToTag: "B", CallerTag: "A", Dialog: d,
			State: call.DialogConfirmed, Setup: 1_700_000_000e6, Answer: 1_700_000_002e6,
			Caller: call.Endpoint{Contact: "sip:a@192.0.2.1", Socket: "udp:192.0.2.9:5060", CSeq: 7},
			Callee: call.Endpoint{Contact: "sip:b@192.0.2.2", Socket: "udp:192.0.2.9:5060"},
		}})
		if i == 0 && fail != nil {
			return fail
		}
		if err := pause(ctx, time.Microsecond); err != nil {
			return err
		}
	}
	if during != nil {
		during()
	}
	return nil
}

func (p *proxy) Holds(_ context.Context, q call.Question) (call.Held, error) {
	p.mu.Lock()
	p.questions++
	held, answering, same := p.held, p.answering, q.Boot == p.boot
	p.mu.Unlock()
	if answering != nil {
		answering()
	}
	if !same {
		return call.HeldUnknown, errors.New("it was restarted")
	}
	for _, d := range held {
		if d == q.Dialog {
			return call.HeldYes, nil
		}
	}
	return call.HeldNo, nil
}

func (p *proxy) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

var (
	one   = call.DialogID{Entry: 1, ID: 1}
	two   = call.DialogID{Entry: 2, ID: 2}
	three = call.DialogID{Entry: 3, ID: 3}
)

// resynced starts a guard that knows the calls of some dialogs of boot 7.
func resynced(t *testing.T, w *world, p *proxy, known ...call.DialogID) (*guard.Guard, <-chan guard.Resynced) {
	t.Helper()
	reports := make(chan guard.Resynced, 100)
	g := start(t, w, func(o *guard.Options) {
		o.Lanes = 2
		o.Holders = map[string]guard.Holder{"kam1": p}
		o.Listers = map[string]guard.Lister{"kam1": p}
		o.Resync = guard.ResyncOptions{
			Delay: time.Millisecond, Jitter: time.Millisecond, SecondLook: time.Millisecond,
			Every: time.Millisecond, Retry: time.Millisecond,
		}
		o.Resynced = func(r guard.Resynced) { reports <- r }
	})
	for _, d := range known {
		require.True(t, g.Feed(up(d)))
	}
	return g, reports
}

// up is what a proxy tells of a call that comes up.
func up(d call.DialogID) []call.Event {
	ev := call.Event{
		Kind: call.KindConfirm, Node: "kam1", Boot: 7, Seq: 1, CallID: "c" + d.String(), FromTag: "A", ToTag: "B", CallerTag: "A", Dialog: d,
		CSeq: 1, At: time.Now().UnixMicro(), Seen: time.Now().UnixMicro(),
		Caller: call.Endpoint{Contact: "sip:a@192.0.2.1", Socket: "udp:192.0.2.9:5060", CSeq: 1},
		Callee: call.Endpoint{Contact: "sip:b@192.0.2.2", Socket: "udp:192.0.2.9:5060"},
	}
	return []call.Event{ev}
}

// state is the newest state of a call that the store was given.
func (w *world) state(d call.DialogID) (c call.Call, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, u := range w.updates {
		if u.Call.CallID == "c"+d.String() && u.Call.Version >= c.Version {
			c, ok = u.Call, true
		}
	}
	return c, ok
}

// noByes says that no leg was sent a BYE; being asked by OPTIONS ends nothing.
func (w *world) noByes() bool {
	return !slices.ContainsFunc(w.commands, func(c call.Command) bool { return c.Method != call.MethodOptions })
}

// through waits for a resynchronisation without an error after which none is due.
func through(t *testing.T, reports <-chan guard.Resynced) guard.Resynced {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case r := <-reports:
			if r.Err == nil && !r.More {
				return r
			}
		case <-deadline:
			require.Fail(t, "no resynchronisation went through")
		}
	}
}

func TestResync(t *testing.T) {
	t.Parallel()
	w, p := newWorld(), &proxy{boot: 7, listed: []call.DialogID{one, three}, held: []call.DialogID{one, three}}
	g, reports := resynced(t, w, p, one, two)
	g.Resync("kam1", 7, false)
	r := through(t, reports)
	require.Equal(t, 2, r.Listed)
	require.Equal(t, 1, r.Vanished)
	require.Zero(t, r.Forgotten)

	c, ok := w.state(one)
	require.True(t, ok)
	require.Zero(t, c.VanishedSeen)
	require.Zero(t, c.Touched)
	require.Equal(t, uint32(7), c.Leg(call.Caller).CSeq, "a snapshot tells what was missed")
	c, _ = w.state(two)
	require.NotZero(t, c.VanishedSeen)
	require.Equal(t, call.StateUp, c.State, "a vanished dialog ends nothing")
	require.Equal(t, call.TouchedVanished, c.Touched)
	c, ok = w.state(three)
	require.True(t, ok, "a call whose start was missed is found")
	require.Equal(t, call.TouchedStart, c.Touched)
	require.Equal(t, call.StateUp, c.State)
	require.Equal(t, "sip:b@192.0.2.2", c.Leg(call.Callee).Contact)
	require.Equal(t, int64(1_700_000_000e6), c.StartedAt())
	require.True(t, w.is(w.noByes), "a BYE was sent")
}

// TestResyncFails: a snapshot that fails half-way, is of another run, or is not
// confirmed by the second look, lets nothing vanish.
func TestResyncFails(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]struct {
		proxy *proxy
		fails bool
	}{
		"half-way":       {&proxy{boot: 7, listed: []call.DialogID{one}, fail: errors.New("cut short")}, true},
		"another run":    {&proxy{boot: 8}, true},
		"second look":    {&proxy{boot: 7, listed: []call.DialogID{one}, held: []call.DialogID{one, two}}, false},
		"empty, and not": {&proxy{boot: 7, held: []call.DialogID{one, two}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			g, reports := resynced(t, w, o.proxy, one, two)
			g.Resync("kam1", 7, false)
			r := <-reports
			require.Equal(t, o.fails, r.Err != nil, "%v", r.Err)
			require.Zero(t, r.Vanished)
			if o.fails { // it is tried again, ever more slowly, until it works
				o.proxy.set(func() { o.proxy.boot, o.proxy.fail, o.proxy.listed = 7, nil, []call.DialogID{one, two} })
				require.Equal(t, 2, through(t, reports).Listed)
			}
			for _, d := range []call.DialogID{one, two} {
				c, _ := w.state(d)
				require.Zero(t, c.VanishedSeen)
				require.Zero(t, c.Touched)
			}
		})
	}
}

// TestResyncEventsWin: what the proxy tells of a call while it is asked about it
// is newer than the answer; the call is asked about again after that.
func TestResyncEventsWin(t *testing.T) {
	t.Parallel()
	w, p := newWorld(), &proxy{boot: 7}
	g, reports := resynced(t, w, p, one, two)
	ended := false
	p.answering = func() {
		if ended {
			return
		}
		ended = true
		for _, d := range []call.DialogID{one, two} {
			ev := up(d)[0]
			ev.Kind, ev.Method, ev.CSeq, ev.Seen = call.KindTarget, "INFO", 5, time.Now().Add(time.Millisecond).UnixMicro()
			g.Feed([]call.Event{ev})
		}
	}
	g.Resync("kam1", 7, false)
	r := through(t, reports)
	require.Equal(t, 2, r.Vanished)
	require.True(t, w.is(func() bool {
		refused := 0
		for _, u := range w.updates {
			if u.Event.Kind == call.KindVanished && u.Call.VanishedSeen == 0 {
				refused++
			}
		}
		return refused > 0
	}), "an answer from before the newest event was believed")
}

// TestResyncRestart: the proxy has forgotten its calls. They are marked; they
// have not vanished, and nothing is sent.
func TestResyncRestart(t *testing.T) {
	t.Parallel()
	w, p := newWorld(), &proxy{boot: 8, listed: []call.DialogID{three}}
	g, reports := resynced(t, w, p, one, two)
	g.Resync("kam1", 8, false)
	r := through(t, reports)
	require.Equal(t, 2, r.Forgotten)
	require.Zero(t, r.Vanished)
	for _, d := range []call.DialogID{one, two} {
		c, _ := w.state(d)
		require.Zero(t, c.VanishedSeen)
		require.Equal(t, call.TouchedRestart, c.Touched)
		require.Equal(t, call.StateUp, c.State)
	}
	g.Resync("kam1", 8, false) // once is enough
	require.Zero(t, through(t, reports).Forgotten)
	require.True(t, w.is(w.noByes), "a BYE was sent")
}

// TestResyncRestartWithinASecond: both runs have the same boot identity, and the
// counter of events tells that there were two.
func TestResyncRestartWithinASecond(t *testing.T) {
	t.Parallel()
	w, p := newWorld(), &proxy{boot: 7, listed: []call.DialogID{two}, held: []call.DialogID{two}, fail: errors.New("cut short")}
	g, reports := resynced(t, w, p, one, two)
	g.Resync("kam1", 7, true)
	require.Error(t, (<-reports).Err)
	p.set(func() { p.fail = nil }) // it is not forgotten over a failure
	r := through(t, reports)
	require.Equal(t, 1, r.Forgotten)
	require.Zero(t, r.Vanished)
	c, _ := w.state(one)
	require.Equal(t, call.TouchedRestart, c.Touched)
	c, _ = w.state(two)
	require.Zero(t, c.Touched)
	g.Resync("kam1", 7, false)
	require.Zero(t, through(t, reports).Forgotten)
}

// TestResyncSingleFlight: causes that come while one runs make one more.
func TestResyncSingleFlight(t *testing.T) {
	t.Parallel()
	w, p := newWorld(), &proxy{boot: 7}
	g, reports := resynced(t, w, p)
	began, goOn := make(chan struct{}, 100), make(chan struct{})
	p.during = func() { began <- struct{}{}; <-goOn }
	for range 50 {
		g.Resync("kam1", 7, false)
	}
	<-began
	for range 50 {
		g.Resync("kam1", 7, false)
	}
	goOn <- struct{}{}
	require.True(t, (<-reports).More)
	<-began
	goOn <- struct{}{}
	require.False(t, (<-reports).More)
	p.set(func() { require.Equal(t, 2, p.looks) })
	g.Resync("nobody", 7, false)
}

// TestResyncRestartAfterGap: events were missed, and before the proxy could be looked
// through it was restarted: ends of its calls may be among them. A restart alone, or
// after a look that went through, says no such thing.
func TestResyncRestartAfterGap(t *testing.T) {
	t.Parallel()
	w, p := newWorld(), &proxy{boot: 7, listed: []call.DialogID{one, two}, held: []call.DialogID{one, two}}
	g, reports := resynced(t, w, p, one, two)
	g.Resync("kam1", 7, false)
	through(t, reports)
	p.set(func() { p.fail = errors.New("cut short") })
	g.Resync("kam1", 7, false)
	require.Error(t, (<-reports).Err)
	p.set(func() { p.boot, p.listed, p.held = 8, nil, nil })
	g.Resync("kam1", 8, true)
	p.set(func() { p.fail = nil })
	require.Equal(t, 2, through(t, reports).Forgotten)
	for _, d := range []call.DialogID{one, two} {
		c, _ := w.state(d)
		require.Equal(t, call.TouchedRestart|call.TouchedGap, c.Touched)
	}
	require.True(t, w.is(w.noByes), "a BYE was sent")
}
