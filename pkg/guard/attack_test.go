//go:build attack

package guard_test

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/guard"
)

func attackGuard(t *testing.T, w *world, clock func() time.Time) *guard.Guard {
	t.Helper()
	p := call.DefaultPolicy()
	p.SameTarget = func(a, b string) bool { return a == b }
	log := logrus.New()
	log.SetOutput(io.Discard)
	g, err := guard.New(guard.Options{Lanes: 1, MaxQueue: 1 << 22, Policy: p, Holders: map[string]guard.Holder{"k": w}, Store: w, Sender: w, Logger: log, Clock: clock})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = g.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return g
}

// forwarded forged BYEs of one Call-ID with ever new tags.
func TestAttackOneCallIDManyTags(t *testing.T) {
	for _, same := range []bool{false, true} {
		w := newWorld()
		g := attackGuard(t, w, nil)
		const n = 20000
		now := time.Now().UnixMicro()
		var evs []call.Event
		for i := range n {
			id := "one"
			if !same {
				id = fmt.Sprint("c", i)
			}
			for _, k := range []call.Kind{call.KindByeIn, call.KindByeFwd} {
				evs = append(evs, call.Event{Kind: k, Node: "k", Boot: 7, Seq: uint64(i + 1), At: now, Seen: now, CallID: id, FromTag: fmt.Sprint("f", i), ToTag: "t", CSeq: 1, Source: "203.0.113.66:5060"})
			}
		}
		begin := time.Now()
		require.True(t, g.Feed(evs))
		for g.Stats().Events < 2*n {
			time.Sleep(time.Millisecond)
		}
		t.Logf("same Call-ID %v: %d forged BYEs took %v", same, n, time.Since(begin))
	}
}

// byeguard's wall clock is set back an hour while a call waits for its grace time.
func TestAttackClockSetBack(t *testing.T) {
	w := newWorld()
	var off atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(off.Load())) }
	g := attackGuard(t, w, clock)
	ev := func(k call.Kind) call.Event {
		now := clock().UnixMicro()
		return call.Event{Kind: k, Node: "k", Boot: 7, Seq: 1, At: now, Seen: now, CallID: "c", FromTag: "A", ToTag: "B", CSeq: 1, Dialog: call.DialogID{Entry: 1, ID: 5}}
	}
	s := ev(call.KindStart)
	s.Caller = call.Endpoint{URI: "sip:a@x", Contact: "sip:a@192.0.2.1", Socket: "udp:192.0.2.9:5060", CSeq: 1}
	s.Callee.URI, s.Contact = "sip:b@x", "sip:b@192.0.2.2"
	o := ev(call.KindByeOut)
	o.FromTag, o.ToTag = "B", "A"
	r := ev(call.KindByeReply)
	r.FromTag, r.ToTag, r.Code = "B", "A", 200
	g.Feed([]call.Event{s, o, r})
	for g.Stats().Events < 3 {
		time.Sleep(time.Millisecond)
	}
	off.Store(-int64(time.Hour))
	time.Sleep(3 * time.Second)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.commands) == 0 {
		t.Error("no BYE 3 s after the grace time")
	}
	t.Logf("3 s later: asked %d, commands %d", w.asked, len(w.commands))
}
