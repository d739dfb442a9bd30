package call_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
)

// TestResumeOnAnotherClock: a call is taken over on a clock that is an hour behind
// the one on which it was followed so far. What is due is due now, not in an hour.
func TestResumeOnAnotherClock(t *testing.T) {
	t.Parallel()
	const hour = int64(3_600_000_000)
	p := policy()
	now := int64(1_795_465_500_000_000)
	ahead := now + hour
	dialog := call.DialogID{Entry: 1, ID: 5}
	at := func(kind call.Kind, seen int64) *call.Event {
		ev := &call.Event{
			Kind: kind, Node: "kam1", Boot: 7, CallID: "x", FromTag: "A", ToTag: "B", CallerTag: "A", Dialog: dialog, At: now, Seen: seen, CSeq: 1,
			Caller: call.Endpoint{URI: "sip:a@h", Contact: "sip:a@192.0.2.1", Socket: "udp:192.0.2.9:5060", CSeq: 1},
			Callee: call.Endpoint{URI: "sip:b@h", Contact: "sip:b@192.0.2.2", Socket: "udp:192.0.2.9:5060"},
		}
		return ev
	}
	begun := func() *call.Call {
		ev := at(call.KindStart, ahead)
		c := call.New(ev, nil)
		c.Step(ev, p, nil)
		c.Step(at(call.KindConfirm, ahead), p, nil)
		require.Equal(t, call.StateUp, c.State)
		return c
	}
	kinds := func(effects []call.Effect) (out []call.EffectKind) {
		for i := range effects {
			out = append(out, effects[i].Kind)
		}
		return out
	}

	t.Run("owed a BYE", func(t *testing.T) {
		t.Parallel()
		c := begun()
		out := at(call.KindByeOut, ahead)
		out.FromTag, out.ToTag = "B", "A"
		c.Step(out, p, nil)
		end := at(call.KindEnd, ahead)
		end.State = call.DialogConfirmed
		c.Step(end, p, nil)
		require.True(t, c.Resume(now))
		require.False(t, c.Resume(now), "once is enough")
		later := now + p.Grace.Microseconds()
		effects := c.Step(&call.Event{Kind: call.KindTick, Seen: later, At: later}, p, nil)
		require.Contains(t, kinds(effects), call.EffectBye)
	})
	t.Run("vanished", func(t *testing.T) {
		t.Parallel()
		c := begun()
		require.False(t, c.Resume(now), "nothing is due of a call that is up")
		gone := at(call.KindVanished, now+time.Second.Microseconds())
		gone.Since = now + 1
		effects := c.Step(gone, p, nil)
		require.NotZero(t, c.VanishedSeen)
		require.Contains(t, kinds(effects), call.EffectProbe)
	})
	t.Run("the clock is right", func(t *testing.T) {
		t.Parallel()
		c := begun()
		before := *c
		require.False(t, c.Resume(ahead+1))
		require.Equal(t, before.FirstSeen, c.FirstSeen)
	})
}
