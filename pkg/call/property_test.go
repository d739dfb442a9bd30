package call_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/byeguard/byeguard/pkg/call"
)

// TestP1NoByeWithoutEvidence feeds random, reordered and duplicated events. A
// BYE to a leg is right only if the other end of the dialog is known to be gone
// or Kamailio itself ended the call; a second, dumber reading of the same
// events says whether that holds.
func TestP1NoByeWithoutEvidence(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := policy()
		var c *call.Call
		var seen []call.Event
		now := int64(epoch)
		for range rapid.IntRange(1, 40).Draw(t, "events") {
			now += rapid.SampledFrom([]int64{0, 1e3, 1e5, 3e5, 2e6, 4e7}).Draw(t, "pause")
			ev := drawEvent(t, seen)
			if ev.Kind == call.KindProbed && c != nil && c.Probing != nil { // of the one that is under way
				ev.CommandID = fmt.Sprintf("%s-%s-o%d", c.Key, ev.Leg, c.Probing.Legs[ev.Leg-call.Caller].Count)
				ev.RURI = rapid.SampledFrom([]string{c.Leg(ev.Leg).Contact, "sip:elsewhere@192.0.2.3"}).Draw(t, "target")
			}
			ev.Seen, ev.At = now, now-rapid.Int64Range(0, 1e6).Draw(t, "age")
			if c == nil {
				if !call.Begins(&ev) {
					continue
				}
				c = call.New(&ev, nil)
			}
			seen = append(seen, ev)
			checkStep(t, c, &ev, p, seen)
			for i := 0; c.Wake != 0 && c.Wake <= now && i < 10; i++ {
				checkStep(t, c, &call.Event{Kind: call.KindTick, Seen: now, At: now}, p, seen)
			}
		}
	})
}

func checkStep(t *rapid.T, c *call.Call, ev *call.Event, p *call.Policy, seen []call.Event) {
	since := [2]int64{c.Legs[0].InFlight, c.Legs[1].InFlight}
	cseqs := [2]uint32{c.Legs[0].CSeq, c.Legs[1].CSeq}
	for _, e := range c.Step(ev, p, nil) {
		if e.Kind == call.EffectProbe {
			checkProbe(t, &e.Command, since, seen)
		}
		if e.Kind != call.EffectBye {
			continue
		}
		if !justified(c, e.Command.Leg, seen) {
			t.Fatalf("BYE to %s (%s) without evidence after %s", e.Command.Leg, e.Reason, ev.Kind)
		}
		if at := since[e.Command.Leg-call.Caller]; at != 0 && ev.Kind != call.KindResult && ev.Seen < at+2*p.NoReply.Microseconds() {
			t.Fatalf("second BYE in flight for %s", e.Command.Leg)
		}
		if e.Command.CSeq <= cseqs[e.Command.Leg.Other()-call.Caller] {
			t.Fatalf("CSeq %d is not above the highest seen", e.Command.CSeq)
		}
	}
}

// checkProbe: an OPTIONS goes out only where something is odd about the call,
// never beside a BYE, and with a CSeq that leaves the dialog as it is.
func checkProbe(t *rapid.T, cmd *call.Command, byes [2]int64, seen []call.Event) {
	if !hinted(seen) {
		t.Fatalf("OPTIONS to the %s of a call with nothing odd about it", cmd.Leg)
	}
	if byes[cmd.Leg-call.Caller] != 0 {
		t.Fatalf("OPTIONS to the %s beside a BYE", cmd.Leg)
	}
	highest := uint32(0)
	for _, ev := range seen {
		if ev.FromTag == cmd.FromTag {
			highest = max(highest, ev.CSeq)
		}
	}
	if cmd.CSeq > highest {
		t.Fatalf("OPTIONS with CSeq %d, above %d", cmd.CSeq, highest)
	}
}

// hinted says that something may be wrong with the call.
func hinted(seen []call.Event) bool {
	for _, ev := range seen {
		switch ev.Kind {
		case call.KindVanished, call.KindByeIn, call.KindByeFwd, call.KindEnd:
			return true
		}
	}
	return false
}

// saidGone: the leg answered OPTIONS with 481 from its target, and once more at
// least ten seconds later, and something hints at the end of the call.
func saidGone(leg call.Side, seen []call.Event) bool {
	first, hint := int64(0), false
	for _, ev := range seen {
		switch {
		case ev.Kind == call.KindVanished, ev.Kind == call.KindByeIn, ev.Kind == call.KindByeFwd:
			hint = true
		case ev.Kind != call.KindProbed || ev.Leg != leg || ev.Code != 481 || strings.Contains(ev.RURI, "elsewhere"):
		case first == 0:
			first = ev.Seen
		case ev.Seen-first >= 10e6:
			return hint
		}
	}
	return false
}

// justified reads the evidence off the bare events, without order or memory.
func justified(c *call.Call, leg call.Side, seen []call.Event) bool {
	other := c.Leg(leg.Other()).Tag
	if saidGone(leg.Other(), seen) {
		return true // rows 5 and 6
	}
	built, letGo := false, false
	for _, ev := range seen {
		if ev.Kind == call.KindByeOut && ev.CommandID == "" {
			if ev.ToTag == other {
				return true // row 1: Kamailio sent the other end a BYE (and was asked)
			}
			built = true
		}
		letGo = letGo || ev.Kind == call.KindAsked && ev.Held == call.HeldNo
	}
	if built && letGo {
		return true // Kamailio sent this leg a BYE and let go of the dialog: it ended the call
	}
	for _, ev := range seen {
		switch ev.Kind {
		case call.KindEnd:
			if ev.State == call.DialogConfirmed || ev.State == call.DialogConfirmedNA {
				return true // row 2
			}
		case call.KindByeReply, call.KindResult: // the other end confirmed a BYE, or knows none
			if ev.ToTag == other && (ev.Code/100 == 2 || ev.Code == 481) {
				return true
			}
			// The other end's own BYE was answered by this leg.
			if ev.FromTag == other && ev.Code != 408 && ev.Code >= 200 {
				return true
			}
		case call.KindByeFwd: // the other end's own BYE went on
			if ev.FromTag == other {
				return true
			}
		}
	}
	return false
}

func drawEvent(t *rapid.T, seen []call.Event) call.Event {
	if len(seen) > 0 && rapid.IntRange(0, 5).Draw(t, "again") == 0 {
		return seen[rapid.IntRange(0, len(seen)-1).Draw(t, "which")]
	}
	ev := call.Event{
		Kind: rapid.SampledFrom([]call.Kind{
			call.KindStart, call.KindConfirm, call.KindTarget, call.KindByeIn, call.KindByeFwd,
			call.KindByeRefused, call.KindByeOut, call.KindByeReply, call.KindEnd, call.KindLost,
			call.KindAsked, call.KindResult, call.KindTick, call.KindAnswer,
			call.KindListed, call.KindVanished, call.KindRestarted,
			call.KindProbed, call.KindProbed,
		}).Draw(t, "kind"),
		Node: "kam1", Boot: 7, CallID: "c", FromTag: "A", ToTag: "B", Dialog: call.DialogID{Entry: 1, ID: 5},
		CSeq:   rapid.Uint32Range(1, 4).Draw(t, "cseq"),
		Code:   rapid.SampledFrom([]int{200, 403, 407, 408, 481, 500}).Draw(t, "code"),
		State:  rapid.SampledFrom([]int{3, 4, 5, 5, 5}).Draw(t, "state"),
		Held:   rapid.SampledFrom([]call.Held{call.HeldUnknown, call.HeldYes, call.HeldNo}).Draw(t, "held"),
		Leg:    rapid.SampledFrom([]call.Side{call.Caller, call.Callee}).Draw(t, "leg"),
		Source: rapid.SampledFrom([]string{"192.0.2.1:5060", "192.0.2.2:5060", "203.0.113.6:9"}).Draw(t, "source"),
	}
	switch ev.Kind {
	case call.KindStart, call.KindAnswer, call.KindConfirm, call.KindEnd, call.KindListed:
		dialogEvent(&ev)
	case call.KindVanished:
		ev.Since = rapid.Int64Range(epoch, epoch+3e8).Draw(t, "since")
	case call.KindRestarted:
		ev.Boot = rapid.SampledFrom([]int64{7, 8}).Draw(t, "boot")
	case call.KindProbed:
		ev.Code = rapid.SampledFrom([]int{0, 200, 408, 481, 481, 481, 500}).Draw(t, "probed")
	case call.KindResult:
		// Only what was sent has an outcome; its tags say which way it went.
		ev.CSeq += 100
		if ev.Leg == call.Caller {
			ev.FromTag, ev.ToTag = "B", "A"
		}
	default:
		if rapid.Bool().Draw(t, "fromCallee") {
			ev.FromTag, ev.ToTag = "B", "A"
		}
		ev.CommandID = rapid.SampledFrom([]string{"", "", "ours"}).Draw(t, "command")
	}
	return ev
}

// TestAnyOrder: the facts, and with them the outcome, do not depend on the order
// in which the events of one ended call arrive.
func TestAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		events := []call.Event{
			{Kind: call.KindStart, CSeq: 1}, {Kind: call.KindConfirm, CSeq: 1},
			{Kind: call.KindByeIn, CSeq: 2}, {Kind: call.KindEnd, State: 5},
			{Kind: call.KindByeFwd, CSeq: 2}, {Kind: call.KindByeReply, CSeq: 2, Code: 200},
		}
		order := rapid.Permutation([]int{0, 1, 2, 3, 4, 5}).Draw(t, "order")
		p := policy()
		var c *call.Call
		step := func(i int) {
			ev := events[i]
			ev.Node, ev.Boot, ev.CallID, ev.FromTag, ev.ToTag = "kam1", 7, "c", "A", "B"
			ev.Dialog = call.DialogID{Entry: 1, ID: 5}
			ev.At, ev.Seen = epoch+int64(i)*1000, epoch+90e6
			dialogEvent(&ev)
			if c == nil {
				if !call.Begins(&ev) {
					return
				}
				c = call.New(&ev, nil)
			}
			if n := len(c.Step(&ev, p, nil)); n != 0 {
				t.Fatalf("%d effects of a call that ended well", n)
			}
		}
		for _, i := range order {
			step(i)
		}
		for i := range events { // the reply may have come before its call: it is repeated
			step(i)
		}
		if c.State != call.StateDone || c.Released != call.ReleasedCaller {
			t.Fatalf("state %s, released by %s", c.State, c.Released)
		}
		if c.EndAt != epoch+2000 || c.Leg(call.Callee).EndAt != epoch+5000 || c.AnswerAt != epoch {
			t.Fatalf("times: end %d, callee %d, answer %d", c.EndAt-epoch, c.Leg(call.Callee).EndAt-epoch, c.AnswerAt-epoch)
		}
	})
}
