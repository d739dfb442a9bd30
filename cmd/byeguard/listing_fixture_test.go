package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/lab"
	"github.com/byeguard/byeguard/pkg/store"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files in testdata with what the commands print now")

// began is when the calls of the tests begin; the commands run two hours later.
var began = time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *rewrite {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
		return
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "run `go test ./cmd/byeguard -rewrite` if the change is meant")
}

// flow makes the updates of one call as the guard would: real steps of
// call.Call, with events like a proxy's.
type flow struct {
	c       *call.Call
	p       call.Policy
	id      string
	caller  string
	at      int64
	seq     uint64
	updates []call.Update
}

func newFlow(id string, after time.Duration) *flow {
	p := call.DefaultPolicy()
	p.SameTarget = func(a, b string) bool { return a == b }
	return &flow{p: p, id: id, caller: "sip:+4917012345@home.example", at: began.Add(after).UnixMicro()}
}

// event steps the call, some time after the event before; the request that it
// is about came from the callee if fromCallee.
func (f *flow) event(after time.Duration, kind call.Kind, fromCallee bool, more func(*call.Event)) *flow {
	f.seq++
	f.at += after.Microseconds()
	e := call.Event{
		Kind: kind, Node: "kam1", Boot: 1700000000, Seq: f.seq,
		CallID: f.id, FromTag: "A", ToTag: "B", CallerTag: "A",
		Dialog: call.DialogID{Entry: 1234, ID: 5678}, Socket: "udp:192.0.2.10:5060",
	}
	if fromCallee {
		e.FromTag, e.ToTag = "B", "A"
	}
	if more != nil {
		more(&e)
	}
	return f.step(e)
}

func (f *flow) step(e call.Event) *flow {
	e.At, e.Seen = f.at, f.at+800
	if f.c == nil {
		f.c = call.New(&e, nil)
	}
	out := f.c.Step(&e, &f.p, nil)
	f.updates = append(f.updates, call.Update{Call: f.c.Clone(), Changed: f.c.Changed(), Event: e, Effects: out})
	return f
}

// answer is the call's first minute.
func (f *flow) answer() *flow {
	caller := call.Endpoint{URI: f.caller, Contact: "sip:+4917012345@198.51.100.17:5060", CSeq: 1}
	callee := call.Endpoint{URI: "sip:+4930123456@carrier.example", Contact: "sip:+4930123456@203.0.113.40:5060"}
	f.event(0, call.KindStart, false, func(e *call.Event) {
		e.Code, e.Method, e.CSeq, e.Reason = 200, "INVITE", 1, "OK"
		e.Setup, e.Contact = f.at-3_000_000, callee.Contact
		e.Source, e.PeerSource = "198.51.100.17:5060", "203.0.113.40:5060"
		e.Caller, e.Callee = caller, call.Endpoint{URI: callee.URI}
	})
	return f.event(41*time.Millisecond, call.KindConfirm, false, func(e *call.Event) {
		e.Method, e.CSeq, e.Caller, e.Callee = "ACK", 1, caller, callee
	})
}

// hangup ends the call as the callee does.
func (f *flow) hangup() *flow {
	bye := func(e *call.Event) { e.Method, e.CSeq, e.Source = "BYE", 7, "203.0.113.40:5060" }
	f.event(62*time.Second, call.KindByeIn, true, bye)
	f.event(time.Millisecond, call.KindByeFwd, true, bye)
	f.event(time.Millisecond, call.KindEnd, true, func(e *call.Event) { e.State = call.DialogDeleted })
	return f.event(9*time.Millisecond, call.KindByeReply, true, func(e *call.Event) {
		e.Method, e.Code, e.Reason, e.CSeq = "BYE", 200, "OK", 7
	})
}

// oneSided ends the call as Kamailio's race does: the caller alone gets a BYE.
func (f *flow) oneSided() *flow {
	f.event(62*time.Second, call.KindByeOut, true, func(e *call.Event) { e.Method, e.CSeq = "BYE", 1 })
	return f.event(3*time.Millisecond, call.KindByeReply, true, func(e *call.Event) {
		e.Method, e.Code, e.Reason, e.CSeq = "BYE", 200, "OK", 1
	})
}

// repair lets byeguard ask and send its BYE; code is the callee's answer.
func (f *flow) repair(code int, phrase string) *flow {
	f.at = f.c.Wake - 800
	f.step(call.Event{Kind: call.KindTick})
	f.at += 4000
	for _, effect := range f.last() {
		if effect.Kind == call.EffectAsk {
			f.step(call.Event{Kind: call.KindAsked, Node: "kam1", Boot: effect.Question.Boot, CallID: f.id, Dialog: effect.Question.Dialog, Held: call.HeldNo})
		}
	}
	for _, effect := range f.last() {
		if c := effect.Command; effect.Kind == call.EffectBye {
			f.event(2*time.Millisecond, call.KindByeOut, false, func(e *call.Event) { e.Method, e.CSeq, e.CommandID = "BYE", c.CSeq, c.ID })
			f.event(6*time.Millisecond, call.KindByeReply, false, func(e *call.Event) {
				e.Method, e.Code, e.Reason, e.CSeq = "BYE", code, phrase, c.CSeq
			})
			f.at += 1000
			f.step(call.Event{Kind: call.KindResult, Node: "kam1", CallID: f.id, CommandID: c.ID, Leg: c.Leg, Code: code, CSeq: c.CSeq, Reason: phrase})
		}
	}
	return f
}

func (f *flow) last() []call.Effect { return f.updates[len(f.updates)-1].Effects }

// failed is a call that nobody answered.
func (f *flow) failed() *flow {
	return f.event(0, call.KindFail, false, func(e *call.Event) {
		e.ToTag, e.Code, e.Reason, e.Setup = "", 486, "Busy Here", f.at-1_000_000
		e.Caller, e.Callee = call.Endpoint{URI: f.caller}, call.Endpoint{URI: "sip:+4930123456@carrier.example"}
	})
}

// bench is a database with calls in it, and commands that read it.
type bench struct {
	t     *testing.T
	url   string
	con   console
	rates string // text of the rates file
	mask  bool
	keep  store.Keep
	nodes []app.Node
}

func newBench(t *testing.T, flows ...*flow) *bench {
	t.Helper()
	b := &bench{t: t, url: lab.Postgres(t), con: console{
		now:   func() time.Time { return began.Add(2 * time.Hour) },
		zone:  time.FixedZone("CET", 3600),
		width: func(io.Writer) int { return 0 },
	}}
	ctx := t.Context()
	opts := store.Options{URL: b.url, FlushEvery: 10 * time.Millisecond}
	require.NoError(t, store.Migrate(ctx, opts))
	s, err := store.Open(ctx, opts)
	require.NoError(t, err)
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(running) }()
	for _, f := range flows {
		s.Put(f.updates)
		require.NoError(t, s.Flush(ctx))
	}
	stop()
	require.NoError(t, <-ended)
	require.NoError(t, s.Close())
	b.exec("update byeguard.cdrs set updated_at = '2026-11-23 16:00Z'")
	b.exec("alter table byeguard.cdrs disable trigger keep_cdr_revision")
	b.exec("update byeguard.cdrs set closed_at = coalesce(ended_at, started) + interval '5 s' where state = 'final'")
	b.exec("alter table byeguard.cdrs enable trigger keep_cdr_revision")
	b.exec("update byeguard.dialogs set updated_at = '2026-11-23 16:00Z'")
	return b
}

func (b *bench) exec(query string) {
	b.t.Helper()
	db, err := sqlx.Connect("postgres", b.url)
	require.NoError(b.t, err)
	_, err = db.Exec(query)
	require.NoError(b.t, err)
	require.NoError(b.t, db.Close())
}

// run runs one command line and returns what it printed.
func (b *bench) run(args ...string) (stdout, stderr string, err error) {
	b.t.Helper()
	open := func(ctx context.Context) (*store.Store, error) {
		return store.Open(ctx, store.Options{URL: b.url, ReadOnly: true})
	}
	root := &cobra.Command{Use: "byeguard", SilenceUsage: true, SilenceErrors: true}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(dialogsCommand(b.con, open, b.settings), callsCommand(b.con, open, b.settings), incidentsCommand(b.con, open, open, b.settings), cdrsCommand(b.con, open, b.settings),
		reportCommand(b.con, open, b.settings), retentionCommand(b.con, func(context.Context) (store.Options, error) {
			return store.Options{URL: b.url, Keep: b.keep}, nil
		}),
		reconcileCommand(b.con, open, func(ctx context.Context) (*store.Store, error) {
			return store.Open(ctx, store.Options{URL: b.url})
		}, b.settings, func() ([]app.Node, error) { return b.nodes, nil }),
		migrateCommand(b.con, func(context.Context) (store.Options, error) { return store.Options{URL: b.url}, nil }))
	var out, errs bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&errs)
	root.SetArgs(args)
	err = root.ExecuteContext(b.t.Context())
	return out.String(), errs.String(), err
}

func (b *bench) settings() (billingSettings, error) {
	rates, err := billing.ParseRates([]byte(b.rates))
	return billingSettings{rates: rates, mask: b.mask}, err
}

// print is run for what must succeed without a word on stderr.
func (b *bench) print(args ...string) string {
	b.t.Helper()
	out, errs, err := b.run(args...)
	require.NoError(b.t, err)
	require.Empty(b.t, errs)
	return out
}
