package guard_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/guard"
)

// tape is a journal in memory: what is appended is on disk when the test says
// so.
type tape struct {
	mu     sync.Mutex
	groups []group
	next   uint64
}

type group struct {
	first uint64
	n     int
	data  []byte
}

func (p *tape) Append(entries []byte, n int, _ bool) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.groups = append(p.groups, group{p.next + 1, n, append([]byte(nil), entries...)})
	p.next += uint64(n)
	return p.next
}

func (p *tape) head() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next
}

// replay steps the tape again, from position from on.
func (p *tape) replay(t *testing.T, opts guard.Options, from uint64, stored func(uint64) bool) (*guard.Guard, guard.Replayed) {
	t.Helper()
	opts.Journal = nil
	g, err := guard.New(opts)
	require.NoError(t, err)
	r := g.Replay(stored)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, gr := range p.groups {
		if gr.first+uint64(gr.n) > from {
			require.NoError(t, r.Take(gr.first, gr.n, gr.data))
		}
	}
	return g, r.Done()
}

func options(w *world) guard.Options {
	o := guard.Options{
		Policy: call.DefaultPolicy(), Store: w, Sender: w, Logger: quiet(),
		Holders: map[string]guard.Holder{"kam1": w},
	}
	o.Policy.Grace = 5 * time.Millisecond
	o.Policy.SameTarget = func(a, b string) bool { return a == b }
	return o
}

// newest returns the last state of each call that was handed to the store.
func (w *world) newest() map[call.Key]call.Call {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[call.Key]call.Call{}
	for _, u := range w.updates {
		if have, ok := all[u.Call.Key]; !ok || u.Call.Version >= have.Version {
			all[u.Call.Key] = u.Call
		}
	}
	return all
}

// TestReplayGivesTheSame: calls of all sorts, with answers, outcomes and ticks
// on the way. Stepped again by what the journal holds, the store is handed the
// very same updates, and the commands without an outcome are known.
func TestReplayGivesTheSame(t *testing.T) {
	t.Parallel()
	w, tp := newWorld(), &tape{}
	opts := options(w)
	opts.Journal, opts.Lanes = tp, 2
	g, err := guard.New(opts)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = g.Run(ctx) }()

	const calls = 60
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range calls {
		events := oneSided(fmt.Sprint("c", i))
		switch i % 4 {
		case 1: // up
			events = events[:2]
		case 2: // both got their BYE
			second := events[2]
			second.FromTag, second.ToTag = "A", "B"
			events = append(events, second)
		case 3: // strays first
			rnd.Shuffle(len(events), func(a, b int) { events[a], events[b] = events[b], events[a] })
		}
		for k := range events {
			require.True(t, g.Feed(events[k:k+1]))
		}
		g.Feed([]call.Event{event(fmt.Sprint("stray", i), call.KindTarget, uint64(1000+i))})
		g.Committed(tp.head())
	}
	stopped := make(chan struct{})
	go func() { // the disk
		for {
			select {
			case <-stopped:
				return
			case <-time.After(time.Millisecond):
				g.Committed(tp.head())
			}
		}
	}()
	w.await(t, "commands of the one-sided calls", func() bool { return len(w.commands) >= calls/4 })
	w.mu.Lock()
	commands := append([]call.Command(nil), w.commands...)
	w.mu.Unlock()
	for i, c := range commands {
		if i%2 == 0 {
			g.Result(call.Event{Kind: call.KindResult, Node: "kam1", CallID: c.CallID, FromTag: "A", ToTag: "B",
				Leg: c.Leg, CSeq: c.CSeq, Code: 200, CommandID: c.ID, Seen: time.Now().UnixMicro()})
		}
	}
	w.await(t, "their ends", func() bool {
		n := 0
		for _, u := range w.updates {
			if u.Event.Kind == call.KindResult {
				n++
			}
		}
		return n == (len(commands)+1)/2
	})
	cancel()
	<-done
	close(stopped)

	again := newWorld()
	g2, out := tp.replay(t, options(again), 0, func(uint64) bool { return false })
	require.Zero(t, out.Bad+out.Unknown)
	place := out.Places["kam1"]
	require.Positive(t, place.At)
	place.At = 0
	require.Equal(t, guard.Place{Boot: 7, Seq: 1000 + calls - 1}, place)
	require.Equal(t, w.newest(), again.newest(), "another state after the replay")
	require.Len(t, again.updates, len(w.updates))
	sent := map[string]bool{}
	for _, c := range w.commands {
		sent[c.ID] = true
	}
	require.Len(t, out.Commands, len(w.commands)-(len(commands)+1)/2)
	for _, c := range out.Commands {
		require.True(t, sent[c.ID], "a command that was never sent")
	}
	require.EqualValues(t, out.Calls, g2.Stats().Live)

	// What is stored is not handed over again, what is not is.
	half := tp.head() / 2
	third := newWorld()
	_, out = tp.replay(t, options(third), 0, func(pos uint64) bool { return pos <= half })
	require.Less(t, len(third.updates), len(w.updates))
	require.Positive(t, out.Calls)
	for _, u := range third.updates {
		require.Greater(t, u.Pos, half)
	}
}

// TestNothingBeforeTheJournal: neither the store nor the sender hears of what
// the journal has not got.
func TestNothingBeforeTheJournal(t *testing.T) {
	t.Parallel()
	w, tp := newWorld(), &tape{}
	g := start(t, w, func(o *guard.Options) { o.Journal = tp })
	require.True(t, g.Feed(oneSided("c1")))
	soon(t, "the events in the journal", func() bool { return tp.head() >= 6 }) // and the question's answer, and the tick
	require.True(t, w.is(func() bool { return len(w.updates) == 0 && len(w.commands) == 0 }))
	soon(t, "a command", func() bool {
		g.Committed(tp.head())
		return w.is(func() bool { return len(w.commands) == 1 })
	})
}

// TestOldCallsAreWrittenAnew: the older part of the journal can go, and the rest
// tells all.
func TestOldCallsAreWrittenAnew(t *testing.T) {
	t.Parallel()
	w, tp := newWorld(), &tape{}
	g := start(t, w, func(o *guard.Options) { o.Journal = tp })
	const calls = 700
	for i := range calls {
		require.True(t, g.Feed(oneSided(fmt.Sprint("c", i))[:2]))
	}
	soon(t, "all in the journal", func() bool { return tp.head() == 2*calls })
	g.Committed(tp.head())
	require.Equal(t, uint64(1), g.Floor())
	g.Clean(calls, calls) // the later half is not stored yet: it stays
	soon(t, "the older calls anew", func() bool { return g.Floor() > calls })
	require.EqualValues(t, 2*calls+calls/2, tp.head())
	require.True(t, g.Feed([]call.Event{event("c0", call.KindTarget, 77)}))
	soon(t, "one more event", func() bool { return tp.head() == 2*calls+calls/2+1 })

	again := newWorld()
	_, out := tp.replay(t, options(again), g.Floor(), func(uint64) bool { return false })
	require.Equal(t, calls, out.Calls)
	require.Zero(t, out.Bad)
}

func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 20*time.Second, time.Millisecond, what)
}
