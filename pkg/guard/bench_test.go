package guard_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/guard"
)

// sink takes everything and keeps nothing.
type sink struct{}

func (sink) Put([]call.Update) {}
func (sink) Send(call.Command) {}

// answered are the two events of a call that is up, with texts of usual length
// that lie in one string an event, as evapi's decoder hands them over.
func answered(i int) []call.Event {
	now := time.Now().UnixMicro()
	events := make([]call.Event, 2)
	for k, kind := range []call.Kind{call.KindStart, call.KindConfirm} {
		texts := fmt.Sprintf("%08x-7c1e-4b8e-9a5f-%012x@192.0.2.10|as7c3e9b21%06x|gK0a1b2c3d%06x|"+
			"sip:+4989654321@carrier.example|sip:+4930123456@carrier.example|"+
			"sip:+4989654321@192.0.2.1:5060;transport=udp|<sip:+4930123456@192.0.2.2:5060;transport=udp>|"+
			"udp:192.0.2.9:5060|192.0.2.1:5060|192.0.2.2:5060", i, i, i, i)
		f := strings.Split(texts, "|")
		ev := &events[k]
		*ev = call.Event{
			Kind: kind, Node: "kam1", Boot: 1_700_000_000, Seq: uint64(2*i + k + 1), At: now, Seen: now,
			CallID: f[0], FromTag: f[1], ToTag: f[2], CSeq: 102, Setup: now - 3e6,
			Dialog: call.DialogID{Entry: uint32(i % 4096), ID: uint32(i)}, Source: f[8], PeerSource: f[9],
			Caller: call.Endpoint{URI: f[3], Contact: f[5], Socket: f[7], CSeq: 102},
			Callee: call.Endpoint{URI: f[4]},
		}
		if kind == call.KindStart {
			ev.Contact = f[6]
		} else {
			ev.Callee.Contact, ev.Callee.Socket = f[6], f[7]
		}
	}
	return events
}

// BenchmarkMemory holds 200,000 live calls in a guard and reports what one costs
// in all: the call, its place in the map, its timers. "B/ended" is what a call
// costs that has ended and lingers for late events.
func BenchmarkMemory(b *testing.B) {
	const live = 200_000
	for range b.N {
		before := heap()
		g, stop := idle(b)
		seen := uint64(0)
		feed := func(events []call.Event) {
			seen += uint64(len(events))
			require.True(b, g.Feed(events))
			if seen%1000 == 0 || len(events) == 0 {
				settle(b, g, seen)
			}
		}
		for i := range live {
			feed(answered(i))
		}
		settle(b, g, seen)
		require.EqualValues(b, live, g.Stats().Live)
		b.ReportMetric(float64(heap()-before)/live, "B/live")
		for i := range live {
			feed(hungUp(i))
		}
		settle(b, g, seen)
		require.Eventually(b, func() bool { return g.Stats().Done == live }, 10*time.Second, time.Millisecond)
		b.ReportMetric(float64(heap()-before)/live, "B/ended")
		stop()
	}
	b.ReportMetric(0, "ns/op") // says nothing
}

// hungUp are the events of a caller's BYE.
func hungUp(i int) []call.Event {
	up := answered(i)[1]
	up.Contact, up.Caller, up.Callee = "", call.Endpoint{}, call.Endpoint{}
	events := make([]call.Event, 4)
	for k, kind := range []call.Kind{call.KindByeIn, call.KindEnd, call.KindByeFwd, call.KindByeReply} {
		events[k] = up
		events[k].Kind, events[k].CSeq = kind, 103
	}
	events[1].State, events[3].Code = call.DialogDeleted, 200
	return events
}

// BenchmarkGuard steps whole calls of six events through a guard with a store
// that keeps nothing.
func BenchmarkGuard(b *testing.B) {
	g, stop := idle(b)
	defer stop()
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		require.True(b, g.Feed(answered(i)))
		require.True(b, g.Feed(hungUp(i)))
		if i%1000 == 0 {
			settle(b, g, uint64(i+1)*6)
		}
	}
	settle(b, g, uint64(b.N)*6)
}

func idle(b *testing.B) (g *guard.Guard, stop func()) {
	b.Helper()
	opts := guard.Options{
		Policy: call.DefaultPolicy(), Store: sink{}, Sender: sink{}, Logger: quiet(),
	}
	opts.Policy.SameTarget = func(a, b string) bool { return a == b }
	opts.Policy.Linger = time.Hour
	g, err := guard.New(opts)
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = g.Run(ctx) }()
	return g, func() { cancel(); <-done }
}

// settle waits until the guard has stepped n events.
func settle(b *testing.B, g *guard.Guard, n uint64) {
	b.Helper()
	for g.Stats().Events < n {
		runtime.Gosched()
	}
}

// heap is what is in use after garbage collection.
func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
