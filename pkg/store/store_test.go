package store_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/store"
)

func TestWholeCall(t *testing.T) {
	t.Parallel()
	url := database(t)
	s := run(t, options(t, url))
	c := newCall("whole@example.net", time.Now())
	s.Put(c.start().confirm().rest())
	s.flush()
	live, err := s.ListDialogs(t.Context(), store.Filter{})
	require.NoError(t, err)
	require.Len(t, live, 1)
	require.Equal(t, "up", live[0].State)
	require.Equal(t, []string{"sbc1/1234:5678"}, []string(live[0].ProxyDialogs))
	cdrs, err := s.ListCDRs(t.Context(), store.Filter{})
	require.NoError(t, err)
	require.Len(t, cdrs, 1)
	require.Equal(t, "open", cdrs[0].State)
	require.Nil(t, cdrs[0].DurationMS)

	c.at += 42 * second
	s.Put(c.hangup().rest())
	s.flush()
	live, err = s.ListDialogs(t.Context(), store.Filter{})
	require.NoError(t, err)
	require.Empty(t, live)
	cdrs, err = s.ListCDRs(t.Context(), store.Filter{State: "final"})
	require.NoError(t, err)
	require.Len(t, cdrs, 1)
	require.Equal(t, "caller", cdrs[0].ReleasedBy)
	require.InDelta(t, 42_000, *cdrs[0].DurationMS, 10)

	stories, err := s.CallStory(t.Context(), "whole@example.net")
	require.NoError(t, err)
	require.Len(t, stories, 1)
	var kinds []string
	for _, e := range stories[0].Events {
		kinds = append(kinds, e.Kind+" "+e.Src+">"+e.Dst)
	}
	require.Equal(t, []string{
		"start callee>caller", "confirm caller>callee",
		"bye_in caller>proxy", "bye_fwd proxy>callee", "end proxy>", "bye_reply callee>proxy",
	}, kinds)
	nodes, err := s.Nodes(t.Context())
	require.NoError(t, err)
	require.Len(t, nodes, 1)
	require.EqualValues(t, 6, nodes[0].LastSeq)
	require.Equal(t, uint64(6), s.Stats().Evidence)
}

func TestRepair(t *testing.T) {
	t.Parallel()
	url := database(t)
	s := run(t, options(t, url))
	db := connect(t, url)
	for _, apart := range []bool{true, false} { // each step in a flush of its own, or all in one
		name := fmt.Sprintf("repair-%v@example.net", apart)
		c := newCall(name, time.Now())
		c.start().confirm().oneSided().tick(300 * time.Millisecond)
		c.result(200)
		all := c.rest()
		if apart {
			for i := range all {
				s.Put(all[i : i+1])
				s.flush()
			}
		} else {
			s.Put(all)
			s.flush()
		}
		st, err := s.CallStory(t.Context(), name)
		require.NoError(t, err)
		require.Len(t, st, 1)
		require.Len(t, st[0].Commands, 1)
		require.Equal(t, store.CommandDone, st[0].Commands[0].State)
		require.Equal(t, 200, *st[0].Commands[0].Code)
		require.Len(t, st[0].Incidents, 1)
		require.Equal(t, store.IncidentResolved, st[0].Incidents[0].State)
		require.Equal(t, "one_sided_bye", st[0].Incidents[0].Kind)
		require.Equal(t, "warning", st[0].Incidents[0].Severity)
		require.NotEmpty(t, st[0].Incidents[0].Reason)
		require.NotNil(t, st[0].Incidents[0].Resolved)
		require.Equal(t, "final", st[0].CDR.State)
		require.True(t, st[0].CDR.Repaired)
		require.Nil(t, st[0].Dialog)
	}
	require.Zero(t, count(t, db, "select count(*) from byeguard.dialogs"))
	in, err := s.GetIncident(t.Context(), 1)
	require.NoError(t, err)
	require.EqualValues(t, 1, in.ID)
	_, err = s.GetIncident(t.Context(), 1000)
	require.ErrorIs(t, err, store.ErrNotFound)
}

// A restart between the command and its result: it is pending then, and the
// call's state comes back byte for byte.
func TestRestart(t *testing.T) {
	t.Parallel()
	url := database(t)
	s := run(t, options(t, url))
	hostile := "h\x00st\xffile\\x41\\\t\r\n\"'%{}<>,\u202e\u009b é日本"
	c := newCall(hostile, time.Now())
	c.start().confirm().oneSided().tick(300 * time.Millisecond)
	want := c.last().Call
	s.Put(c.rest())
	require.NoError(t, s.stop())

	s = run(t, options(t, url))
	var calls []call.Call
	collect := func(c *call.Call) error { calls = append(calls, *c); return nil }
	require.NoError(t, s.Load(t.Context(), []string{"other"}, collect))
	require.Empty(t, calls)
	require.NoError(t, s.Load(t.Context(), []string{"sbc1"}, collect))
	require.Len(t, calls, 1)
	require.Equal(t, encoded(t, want), encoded(t, calls[0]))
	var pending []call.Command
	require.NoError(t, s.PendingCommands(t.Context(), nil, func(c call.Command) error { pending = append(pending, c); return nil }))
	require.Len(t, pending, 1)
	require.Equal(t, hostile, pending[0].CallID)
	require.Equal(t, call.Callee, pending[0].Leg)

	st, err := s.CallStory(t.Context(), hostile)
	require.NoError(t, err)
	require.Equal(t, hostile, store.Unescape(st[0].CDR.CallID))
	require.Equal(t, "caller-"+hostile, store.Unescape(st[0].Dialog.CallerTag))
	byKey, err := s.CallStory(t.Context(), want.Key.String())
	require.NoError(t, err)
	require.Equal(t, st, byKey)

	c.result(481)
	s.Put(c.rest())
	s.flush()
	pending = nil
	require.NoError(t, s.PendingCommands(t.Context(), []string{"sbc1"}, func(c call.Command) error { pending = append(pending, c); return nil }))
	require.Empty(t, pending)
}

// encoded is what of a call is stored; the rest follows from its next step.
func encoded(t *testing.T, c call.Call) string {
	t.Helper()
	b, err := cbor.Marshal(c)
	require.NoError(t, err)
	return string(b)
}

func TestCoalescing(t *testing.T) {
	t.Parallel()
	opts := options(t, database(t))
	opts.FlushEvery = time.Hour
	s := run(t, opts)
	for i := range 100 {
		c := newCall(fmt.Sprintf("short-%d", i), time.Now())
		s.Put(c.start().confirm().hangup().rest())
	}
	s.flush()
	st := s.Stats()
	require.EqualValues(t, 100, st.Calls)
	require.EqualValues(t, 100, st.CDRs)
	require.EqualValues(t, 600, st.Evidence)
	require.EqualValues(t, 1, st.Flushes)
}

func TestVersionsOutOfOrder(t *testing.T) {
	t.Parallel()
	url := database(t)
	s := run(t, options(t, url))
	db := connect(t, url)
	c := newCall("order", time.Now())
	all := c.start().confirm().hangup().rest()
	up, done := all[1], all[len(all)-1]
	s.Put([]call.Update{done})
	s.flush()
	s.Put([]call.Update{up}) // late
	s.flush()
	require.Zero(t, count(t, db, "select count(*) from byeguard.dialogs"), "a done call must not come back to life")
	require.Equal(t, 1, count(t, db, "select count(*) from byeguard.cdrs where state = 'final' and version = $1", int64(done.Call.Version)))

	// Even a higher version does not open a final record.
	up.Call.Version = done.Call.Version + 5
	s.Put([]call.Update{up})
	s.flush()
	require.Equal(t, 1, count(t, db, "select count(*) from byeguard.cdrs where state = 'final'"))
	require.Zero(t, count(t, db, "select count(*) from byeguard.dialogs"))

	// A correction of a final record keeps what it said.
	done.Call.Version += 9
	done.Call.EndAt += second
	s.Put([]call.Update{done})
	s.flush()
	require.Equal(t, 1, count(t, db, "select count(*) from byeguard.cdrs where state = 'final' and revision = 2"))
	require.Equal(t, 1, count(t, db, "select count(*) from byeguard.cdr_revisions where revision = 1 and record->>'state' = 'final'"))
	// Writing the same again is none.
	done.Call.Version++
	s.Put([]call.Update{done})
	s.flush()
	require.Equal(t, 1, count(t, db, "select count(*) from byeguard.cdrs where revision = 2"))
}

// Two byeguards that both act write the same calls: there is one record of
// each, whoever saw it begin when.
func TestSplitBrain(t *testing.T) {
	t.Parallel()
	url := database(t)
	a, b := run(t, options(t, url)), run(t, options(t, url))
	db := connect(t, url)
	const calls = 200
	done := make(chan struct{})
	setup := time.Now().AddDate(0, 0, -3)
	feed := func(s *running, joined bool) {
		defer func() { done <- struct{}{} }()
		for i := range calls {
			id := fmt.Sprintf("split-%d", i)
			c := newCall(id, setup.Add(3*time.Second))
			switch {
			case joined && i%2 == 0: // came two hours late, and was told of the setup
				c = newCall(id, setup.Add(2*time.Hour))
				c.event(call.KindConfirm, true, func(e *call.Event) { e.Setup = setup.UnixMicro() })
			case joined: // saw nothing but the end, days later
				c = newCall(id, setup.AddDate(0, 0, 2))
				c.confirm()
			default:
				c.start().confirm()
			}
			s.Put(c.rest())
			c.at = setup.AddDate(0, 0, 2).Add(time.Hour).UnixMicro()
			s.Put(c.hangup().rest())
		}
	}
	go feed(a, false)
	go feed(b, true)
	<-done
	<-done
	a.flush()
	b.flush()
	require.Equal(t, calls, count(t, db, "select count(*) from byeguard.cdrs"))
	require.Equal(t, calls, count(t, db, "select count(distinct call_key) from byeguard.cdrs where state = 'final'"))
	require.Zero(t, count(t, db, "select count(*) from byeguard.dialogs"))
}

func TestPoisonIsSetAside(t *testing.T) {
	t.Parallel()
	url := database(t)
	db := connect(t, url)
	db.MustExec(`alter table byeguard.cdrs add check (call_id not like 'poison%')`)
	db.MustExec(`alter table byeguard.events add check (detail not like '%venom%')`)
	opts := options(t, url)
	opts.FlushEvery = time.Hour
	s := run(t, opts)
	for i := range 50 {
		name := "good"
		if i == 17 || i == 33 {
			name = "poison"
		}
		c := newCall(fmt.Sprintf("%s-%d", name, i), time.Now())
		if i == 20 {
			c.event(call.KindTarget, true, nil)
			c = newCall(fmt.Sprintf("%s-%d", name, i), time.Now())
			c.start().event(call.KindTarget, true, func(e *call.Event) { e.Reason = "venom" })
		} else {
			c.start()
		}
		s.Put(c.rest())
	}
	s.flush()
	require.Equal(t, 48, count(t, db, "select count(*) from byeguard.cdrs"))
	require.Equal(t, 48, count(t, db, "select count(*) from byeguard.dialogs"))
	require.Equal(t, 50, count(t, db, "select count(*) from byeguard.events"))
	require.EqualValues(t, 3, s.Stats().SetAside)
	require.True(t, s.Stats().Up)
	// The store goes on.
	s.Put(newCall("after", time.Now()).start().rest())
	s.flush()
	require.Equal(t, 49, count(t, db, "select count(*) from byeguard.cdrs"))
}

func TestLoadIsBounded(t *testing.T) {
	t.Parallel()
	url := database(t)
	db := connect(t, url)
	s := run(t, options(t, url))
	s.Put(newCall("one", time.Now()).start().confirm().rest())
	s.flush()
	const rows = 200_000
	const rest = `version, node, state, call_id, caller_tag, callee_tag, caller_uri, callee_uri, caller_contact,
callee_contact, caller_state, callee_state, proxy_dialogs, open_incidents, started, blob`
	db.MustExec(`insert into byeguard.dialogs (call_key, `+rest+`)
select decode(md5(n::text), 'hex'), `+rest+` from byeguard.dialogs, generate_series(2, $1) n`, rows)
	n := 0
	peak := watchHeap(t, func() {
		require.NoError(t, s.Load(t.Context(), nil, func(*call.Call) error { n++; return nil }))
	})
	require.Equal(t, rows, n)
	require.Less(t, peak, uint64(64<<20), "bytes of heap on top of what was there")

	ctx, cancel := context.WithCancel(t.Context())
	n = 0
	err := s.Load(ctx, nil, func(*call.Call) error {
		if n++; n == 10 {
			cancel()
		}
		return ctx.Err()
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 10, n)
}

func TestLists(t *testing.T) {
	t.Parallel()
	s := run(t, options(t, database(t)))
	base := time.Now().Add(-time.Hour)
	for i := range 25 {
		s.Put(newCall(fmt.Sprintf("list-%02d", i), base.Add(time.Duration(i)*time.Minute)).start().rest())
	}
	s.flush()
	var seen []string
	f := store.Filter{Limit: 10, Node: "sbc1"}
	for {
		page, err := s.ListCDRs(t.Context(), f)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		for _, c := range page {
			seen = append(seen, c.CallID)
		}
		last := page[len(page)-1]
		f.After = store.Cursor{At: last.Started, ID: last.Key}
	}
	require.Len(t, seen, 25)
	require.Equal(t, "list-24", seen[0])
	require.Equal(t, "list-00", seen[24])
	page, err := s.ListDialogs(t.Context(), store.Filter{Since: base.Add(10 * time.Minute), Until: base.Add(12 * time.Minute)})
	require.NoError(t, err)
	require.Len(t, page, 2)
	page, err = s.ListDialogs(t.Context(), store.Filter{CallID: "list-07"})
	require.NoError(t, err)
	require.Len(t, page, 1)
	got, err := s.GetDialog(t.Context(), "list-07")
	require.NoError(t, err)
	require.Equal(t, page, got)
	_, err = s.GetDialog(t.Context(), "list-7")
	require.ErrorIs(t, err, store.ErrNotFound)
	none, err := s.ListCDRs(t.Context(), store.Filter{Node: "elsewhere"})
	require.NoError(t, err)
	require.Empty(t, none)
}

// A Call-ID longer than an index entry may be.
func TestLongTexts(t *testing.T) {
	t.Parallel()
	s := run(t, options(t, database(t)))
	id := strings.Repeat("0123456789abcdef\xfe", 2000)
	c := newCall(id, time.Now())
	s.Put(c.start().confirm().hangup().rest())
	s.flush()
	st, err := s.CallStory(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, id, store.Unescape(st[0].CDR.CallID))
	require.Zero(t, s.Stats().SetAside)
}

// Wild numbers come from a hostile or broken proxy.
func TestWildNumbers(t *testing.T) {
	t.Parallel()
	s := run(t, options(t, database(t)))
	c := newCall("wild", time.Now())
	c.start().event(call.KindTarget, true, func(e *call.Event) {
		e.At, e.Seen, e.Seq, e.Boot, e.Code, e.CSeq = 1<<62, -1<<62, 1<<64-1, -1<<63, 1<<40, 1<<32-1
	})
	s.Put(c.rest())
	s.flush()
	require.Zero(t, s.Stats().SetAside)
	st, err := s.CallStory(t.Context(), "wild")
	require.NoError(t, err)
	require.Len(t, st[0].Events, 2)
}
