package call_test

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/byeguard/byeguard/pkg/call"
)

// flow returns the six events of an everyday call, with texts of usual length.
func flow(i int) []call.Event {
	id := fmt.Sprintf("%08x-7c1e-4b8e-9a5f-%012x@192.0.2.10", i, i)
	events := []call.Event{
		{Kind: call.KindStart, CSeq: 102}, {Kind: call.KindConfirm, CSeq: 102},
		{Kind: call.KindByeIn, CSeq: 103}, {Kind: call.KindEnd, State: 5},
		{Kind: call.KindByeFwd, CSeq: 103}, {Kind: call.KindByeReply, CSeq: 103, Code: 200},
	}
	for k := range events {
		ev := &events[k]
		ev.Node, ev.Boot, ev.CallID = "kam1", 1_700_000_000, id
		ev.FromTag, ev.ToTag = "as7c3e9b21", "gK0a1b2c3d"
		ev.Dialog = call.DialogID{Entry: uint32(i % 4096), ID: uint32(i)}
		ev.At, ev.Seen = epoch+int64(k)*1000, epoch+int64(k)*1000
		dialogEvent(ev)
		ev.Source = "192.0.2.1:5060"
		if ev.Kind == call.KindStart {
			ev.PeerSource = "192.0.2.2:5060"
		}
		if ev.Kind == call.KindByeReply {
			ev.Source = "192.0.2.2:5060"
		}
		ev.Contact = "<sip:+4930123456@192.0.2.2:5060;transport=udp>"
		ev.Caller.URI, ev.Caller.RouteSet = "sip:+4989654321@carrier.example", ""
	}
	return events
}

// BenchmarkStep steps whole calls; events/cpu-s counts each of their six events
// for a second of one core's time, garbage collection included, so that the
// machine's other work does not count. As in a daemon, 20,000 calls are in memory:
// with nothing alive the collector would run after every few hundred calls.
func BenchmarkStep(b *testing.B) {
	events := make([][]call.Event, 256)
	for i := range events {
		events[i] = flow(i)
	}
	p := policy()
	var out []call.Effect
	live := make([]*call.Call, 20_000)
	for i := range live {
		live[i] = call.New(&events[i%len(events)][0], nil)
	}
	b.ReportAllocs()
	before := cpu()
	for i := 0; b.Loop(); i++ {
		flow := events[i%len(events)]
		c := call.New(&flow[0], nil)
		for k := range flow {
			out = c.Step(&flow[k], p, out[:0])
		}
		if c.State != call.StateDone {
			b.Fatal("call is not done")
		}
		live[i%len(live)] = c
	}
	b.ReportMetric(float64(b.N)*6/(cpu()-before).Seconds(), "events/cpu-s")
}

// cpu is the CPU time, user and system, of this process.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkMemory holds 200,000 live calls and reports what one costs.
func BenchmarkMemory(b *testing.B) {
	const live = 200_000
	p := policy()
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		calls := make(map[call.Key]*call.Call)
		for i := range live {
			ev := flow(i)
			c := call.New(&ev[0], nil)
			c.Step(&ev[0], p, nil)
			c.Step(&ev[1], p, nil)
			calls[c.Key] = c
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/live, "B/call")
		runtime.KeepAlive(calls)
	}
}
