package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/store"
)

// lives is one call as two byeguards see it, each with a store of its own.
func lives(t *testing.T, id string) (first, second *testCall, a, b *running) {
	t.Helper()
	url := database(t)
	a, b = run(t, options(t, url)), run(t, options(t, url))
	began := time.Now().Add(-time.Hour)
	return newCall(id, began), newCall(id, began.Add(3*time.Millisecond)), a, b
}

func record(t *testing.T, s *running, id string) store.CDR {
	t.Helper()
	list, err := s.ListCDRs(t.Context(), store.Filter{CallID: id})
	require.NoError(t, err)
	require.Len(t, list, 1, "a call has one record")
	return list[0]
}

// TestWhoSawTheEndCloses: the other byeguard's open record has a higher version
// and does not keep it from being closed, nor does it open it again.
func TestWhoSawTheEndCloses(t *testing.T) {
	t.Parallel()
	near, far, a, b := lives(t, "two-nodes")
	a.Put(near.start().confirm().rest())
	far.start().confirm()
	for range 20 {
		far.event(call.KindTarget, true, func(e *call.Event) { e.Method, e.CSeq = "INFO", uint32(10+far.seq) })
	}
	b.Put(far.rest())
	a.flush()
	b.flush()
	a.Put(near.hangup().rest())
	a.flush()
	r := record(t, a, "two-nodes")
	require.Equal(t, "final", r.State)
	require.Equal(t, "caller", r.ReleasedBy)
	list, err := a.ListDialogs(t.Context(), store.Filter{})
	require.NoError(t, err)
	require.Empty(t, list, "a closed call is not live")

	b.Put(far.event(call.KindTarget, true, func(e *call.Event) { e.Method, e.CSeq = "INFO", 90 }).rest())
	b.flush()
	b.Put(far.hangup().rest())
	b.flush()
	again := record(t, a, "two-nodes")
	require.Equal(t, r.Revision, again.Revision, "the second life rewrote a final record")
	require.Equal(t, r.Ended, again.Ended)
	require.Equal(t, r.Version, again.Version)
}

// TestStrayLife: a stray BYE of a call that is long over makes no new record and
// corrects none, whichever side it is taken for.
func TestStrayLife(t *testing.T) {
	t.Parallel()
	for _, callee := range []bool{false, true} {
		whole, stray, a, b := lives(t, "stray")
		a.Put(whole.start().confirm().hangup().rest())
		a.flush()
		before := record(t, a, "stray")
		stray.strayBye(!callee)
		require.Equal(t, call.StateDone, stray.c.State)
		require.Equal(t, callee, stray.c.Key != whole.c.Key)
		b.Put(stray.rest())
		b.flush()
		after := record(t, a, "stray")
		require.Equal(t, before, after)
	}
}

// TestStrayClosesWhatIsKnown: the byeguard that saw the start misses the end, and
// the other one sees nothing else. The record has both.
func TestStrayClosesWhatIsKnown(t *testing.T) {
	t.Parallel()
	whole, stray, a, b := lives(t, "halves")
	a.Put(whole.start().confirm().rest())
	a.flush()
	stray.at += 60 * second
	stray.strayBye(true)
	b.Put(stray.rest())
	b.flush()
	r := record(t, a, "halves")
	require.Equal(t, "final", r.State)
	require.Equal(t, "answered", r.Disposition)
	require.NotNil(t, r.Answered)
	require.NotEmpty(t, r.CallerURI)
	require.NotNil(t, r.DurationMS)
	require.InDelta(t, 60_000, *r.DurationMS, 1000)
	// Its own end, when it comes at last, says more.
	a.Put(whole.hangup().rest())
	a.flush()
	require.LessOrEqual(t, record(t, a, "halves").Revision, 2)
}

// strayBye is a BYE of a call of which nothing else was seen; nobody tells whose
// tag is the caller's.
func (t *testCall) strayBye(caller bool) {
	bare := func(e *call.Event) { e.CallerTag, e.Method = "", "BYE" }
	t.event(call.KindByeIn, caller, bare)
	t.event(call.KindByeFwd, caller, bare)
	t.event(call.KindByeReply, caller, func(e *call.Event) { bare(e); e.Code, e.Source = 200, "203.0.113.40:5060" })
	t.tick(2 * time.Second)
}
