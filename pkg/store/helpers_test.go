package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/store"
)

const second = int64(1_000_000) // in µs

// testCall makes the updates of one call as the guard would: it steps a real
// call.Call with events like a proxy's.
type testCall struct {
	c       *call.Call
	p       call.Policy
	id      string
	at      int64
	seq     uint64
	updates []call.Update
	command call.Command // the last one
}

func newCall(id string, at time.Time) *testCall {
	p := call.DefaultPolicy()
	p.SameTarget = func(a, b string) bool { return a == b }
	return &testCall{p: p, id: id, at: at.UnixMicro()}
}

// event steps the call; caller says who sent the request.
func (t *testCall) event(kind call.Kind, caller bool, more func(*call.Event)) *testCall {
	t.seq++
	t.at += 1500
	e := call.Event{
		Kind: kind, Node: "sbc1", Boot: 1700000000, Seq: t.seq, At: t.at, Seen: t.at + 800,
		CallID: t.id, FromTag: "caller-" + t.id, ToTag: "callee-" + t.id, CallerTag: "caller-" + t.id,
		Dialog: call.DialogID{Entry: 1234, ID: 5678}, CSeq: 2,
		Source: "198.51.100.17:5060", Socket: "udp:192.0.2.10:5060",
	}
	if !caller {
		e.FromTag, e.ToTag = e.ToTag, e.FromTag
	}
	if more != nil {
		more(&e)
	}
	if t.c == nil {
		t.c = call.New(&e, nil)
	}
	out := t.c.Step(&e, &t.p, nil)
	for i := range out {
		if out[i].Kind == call.EffectBye {
			t.command = out[i].Command
		}
	}
	t.updates = append(t.updates, call.Update{Call: t.c.Clone(), Changed: t.c.Changed(), Event: e, Effects: out})
	return t
}

func (t *testCall) start() *testCall {
	return t.event(call.KindStart, true, func(e *call.Event) {
		e.Code, e.Method, e.CSeq, e.Reason = 200, "INVITE", 1, "OK"
		e.Setup = t.at - 3*second
		e.Contact = "<sip:+4930123456@203.0.113.40:5060;transport=udp>"
		e.RecordRoute = "<sip:192.0.2.10;lr;did=4d2.61e1>"
		e.PeerSource = "203.0.113.40:5060"
		e.Caller = endpoint("+4917012345", "198.51.100.17") // the callee's is not told yet
	})
}

func (t *testCall) confirm() *testCall {
	return t.event(call.KindConfirm, true, func(e *call.Event) {
		e.Method, e.CSeq = "ACK", 1
		e.Caller = endpoint("+4917012345", "198.51.100.17")
		e.Callee = endpoint("+4930123456", "203.0.113.40")
	})
}

// hangup ends the call as the caller does.
func (t *testCall) hangup() *testCall {
	t.event(call.KindByeIn, true, func(e *call.Event) { e.Method = "BYE" })
	t.event(call.KindByeFwd, true, func(e *call.Event) {
		e.Method, e.RURI, e.NextHop = "BYE", "sip:+4930123456@203.0.113.40:5060;transport=udp", "sip:203.0.113.40:5060"
	})
	t.event(call.KindEnd, true, func(e *call.Event) { e.State = 5 })
	return t.event(call.KindByeReply, true, func(e *call.Event) {
		e.Method, e.Code, e.Reason, e.Source = "BYE", 200, "OK", "203.0.113.40:5060"
	})
}

// oneSided ends the call as a faulty proxy does: a BYE to the caller alone.
func (t *testCall) oneSided() *testCall {
	t.event(call.KindByeOut, false, func(e *call.Event) {
		e.Method, e.RURI = "BYE", "sip:+4917012345@198.51.100.17:5060;transport=udp"
	})
	return t.event(call.KindByeReply, false, func(e *call.Event) { e.Method, e.Code, e.Reason = "BYE", 200, "OK" })
}

// tick lets time pass, answering what byeguard asks.
func (t *testCall) tick(d time.Duration) *testCall {
	t.at += d.Microseconds()
	t.internal(call.Event{Kind: call.KindTick})
	for _, f := range t.last().Effects {
		if f.Kind == call.EffectAsk {
			t.internal(call.Event{Kind: call.KindAsked, Node: "sbc1", Boot: f.Question.Boot, CallID: t.id, Dialog: f.Question.Dialog, Held: call.HeldNo})
		}
	}
	return t
}

// result answers the last command.
func (t *testCall) result(code int) *testCall {
	t.at += 2000
	return t.internal(call.Event{Kind: call.KindResult, Node: "sbc1", CallID: t.id, CommandID: t.command.ID,
		Leg: t.command.Leg, Code: code, CSeq: t.command.CSeq, Reason: "OK"})
}

func (t *testCall) internal(e call.Event) *testCall {
	e.At, e.Seen = t.at, t.at+800
	out := t.c.Step(&e, &t.p, nil)
	for i := range out {
		if out[i].Kind == call.EffectBye {
			t.command = out[i].Command
		}
	}
	t.updates = append(t.updates, call.Update{Call: t.c.Clone(), Changed: t.c.Changed(), Event: e, Effects: out})
	return t
}

func (t *testCall) last() *call.Update { return &t.updates[len(t.updates)-1] }

// rest returns the updates that were not returned before.
func (t *testCall) rest() []call.Update {
	u := t.updates
	t.updates = nil
	return u
}

func endpoint(user, host string) call.Endpoint {
	return call.Endpoint{
		URI:     "sip:" + user + "@carrier.example.net",
		Contact: fmt.Sprintf("sip:%s@%s:5060;transport=udp", user, host),
		Socket:  "udp:192.0.2.10:5060", CSeq: 1,
	}
}

// database is an empty, migrated database of the test.
func database(tb testing.TB) string {
	tb.Helper()
	url := emptyDatabase(tb)
	require.NoError(tb, store.Migrate(tb.Context(), store.Options{URL: url}))
	return url
}

func options(tb testing.TB, url string) store.Options {
	tb.Helper()
	log := logrus.New()
	log.SetOutput(tb.Output())
	return store.Options{URL: url, Logger: log, FlushEvery: 10 * time.Millisecond, RetryMax: 100 * time.Millisecond}
}

// running is a store whose Run ends with the test.
type running struct {
	*store.Store
	t    testing.TB
	stop func() error // idempotent
}

func run(tb testing.TB, opts store.Options) *running {
	tb.Helper()
	s, err := store.Open(tb.Context(), opts)
	require.NoError(tb, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	var once bool
	var result error
	stop := func() error {
		if !once {
			once = true
			cancel()
			result = <-ended
			require.NoError(tb, s.Close())
		}
		return result
	}
	tb.Cleanup(func() { _ = stop() })
	return &running{Store: s, t: tb, stop: stop}
}

func (r *running) flush() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	require.NoError(r.t, r.Flush(ctx))
}

func connect(tb testing.TB, url string) *sqlx.DB {
	tb.Helper()
	db, err := sqlx.Connect("postgres", url)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	return db
}

func count(tb testing.TB, db *sqlx.DB, query string, args ...any) (n int) {
	tb.Helper()
	require.NoError(tb, db.Get(&n, query, args...))
	return n
}
