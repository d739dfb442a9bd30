//go:build attack

package call_test

import (
	"testing"

	"github.com/byeguard/byeguard/pkg/call"
)

func TestAttackTwoNodesSocket(t *testing.T) {
	p := policy()
	ev := func(k call.Kind, node string, at int64) call.Event {
		boot := int64(7)
		if node == "kam2" {
			boot = 8
		}
		return call.Event{Kind: k, Node: node, Boot: boot, CallID: "c", FromTag: "A", ToTag: "B", CSeq: 1, Dialog: call.DialogID{Entry: 1, ID: 5}, At: epoch + at, Seen: epoch + at}
	}
	// caller - kam1 - kam2 - callee; the 200 passes kam2 first.
	s2 := ev(call.KindStart, "kam2", 0)
	s2.Caller = call.Endpoint{URI: "sip:a@x", Contact: "sip:a@192.0.2.1", Socket: "udp:10.0.0.2:5060", RouteSet: "<sip:10.0.0.1;lr>", CSeq: 1}
	s2.Callee.URI, s2.Contact, s2.Source, s2.PeerSource = "sip:b@x", "sip:b@192.0.2.2", "10.0.0.1:5060", "192.0.2.2:5060"
	s1 := ev(call.KindStart, "kam1", 1000)
	s1.Caller = call.Endpoint{URI: "sip:a@x", Contact: "sip:a@192.0.2.1", Socket: "udp:10.0.0.1:5060", CSeq: 1}
	s1.Callee.URI, s1.Contact, s1.Source, s1.PeerSource = "sip:b@x", "sip:b@192.0.2.2", "192.0.2.1:5060", "10.0.0.2:5060"
	o := ev(call.KindByeOut, "kam1", 60e6) // kam1 ends the call: callee's BYE only
	o.CSeq = 2
	r := ev(call.KindByeReply, "kam1", 60e6+1000)
	r.CSeq, r.Code = 2, 200
	c := call.New(&s2, nil)
	var out []call.Effect
	for _, e := range []*call.Event{&s2, &s1, &o, &r} {
		out = c.Step(e, p, out)
	}
	out = c.Step(&call.Event{Kind: call.KindTick, Seen: c.Wake, At: c.Wake}, p, out)
	a := ev(call.KindAsked, "kam1", 60e6+300e3)
	a.Held = call.HeldNo
	out = c.Step(&a, p, out)
	for _, e := range out {
		if e.Kind == call.EffectBye {
			if e.Command.Node != "kam1" {
				t.Errorf("the socket is kam1's, the node is %s", e.Command.Node)
			}
			t.Logf("BYE to %s from node %s by socket %s, routes %q", e.Command.Leg, e.Command.Node, e.Command.Socket, e.Command.RouteSet)
		} else if e.Kind == call.EffectAsk {
			t.Logf("ask %s %s", e.Question.Node, e.Question.Dialog)
		}
	}
}

// A second life of a key: what a late BYE that somebody answers 200 makes.
func TestAttackSecondLife(t *testing.T) {
	p := policy()
	at := int64(epoch)
	life := func(evs []call.Event) *call.Call {
		var c *call.Call
		for i := range evs {
			e := &evs[i]
			e.Node, e.Boot, e.CallID = "kam1", 7, "c"
			at += 10_000
			e.At, e.Seen = at, at
			if c == nil {
				c = call.New(e, nil)
			}
			c.Step(e, p, nil)
		}
		at += 2e6
		c.Step(&call.Event{Kind: call.KindTick, At: at, Seen: at}, p, nil)
		return c
	}
	first := life([]call.Event{
		{Kind: call.KindStart, FromTag: "A", ToTag: "B", CSeq: 1}, {Kind: call.KindConfirm, FromTag: "A", ToTag: "B", CSeq: 1},
		{Kind: call.KindByeIn, FromTag: "A", ToTag: "B", CSeq: 2}, {Kind: call.KindByeFwd, FromTag: "A", ToTag: "B", CSeq: 2},
		{Kind: call.KindByeReply, FromTag: "A", ToTag: "B", CSeq: 2, Code: 200},
	})
	at += 60e6
	var again []call.Event
	for n := uint32(3); n < 6; n++ {
		again = append(again,
			call.Event{Kind: call.KindByeIn, FromTag: "A", ToTag: "B", CSeq: n}, call.Event{Kind: call.KindByeFwd, FromTag: "A", ToTag: "B", CSeq: n},
			call.Event{Kind: call.KindByeReply, FromTag: "A", ToTag: "B", CSeq: n, Code: 200})
	}
	second := life(again)
	if first.Key == second.Key && second.Version > first.Version {
		t.Error("a second life of the key outranks the final record")
	}
	t.Logf("same key %v: first %s version %d answer %d; second %s version %d answer %d", first.Key == second.Key, first.State, first.Version, first.AnswerAt, second.State, second.Version, second.AnswerAt)
}
