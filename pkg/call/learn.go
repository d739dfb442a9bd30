package call

import "strings"

// maxCSeq bounds CSeq numbers (RFC 3261 8.1.1.5: less than 2^31).
const maxCSeq = 1<<31 - 1

// learn merges the facts of one event. It decides nothing.
func (c *Call) learn(ev *Event) {
	if ev.Kind < KindTick {
		c.HeardSeen = max(c.HeardSeen, ev.Seen)
	}
	if ev.Kind < KindVanished {
		c.addDialog(ev)
	}
	switch ev.Kind {
	case KindStart:
		c.learnStart(ev)
	case KindAnswer:
		c.learnAnswer(ev)
	case KindConfirm:
		c.learnConfirm(ev)
	case KindTarget:
		c.learnTarget(ev)
	case KindByeIn, KindByeFwd, KindByeRefused, KindByeOut, KindByeReply:
		c.learnBye(ev)
	case KindEnd, KindFail, KindLost:
		c.learnEnd(ev)
	case KindAsked:
		c.learnAsked(ev)
	case KindResult:
		c.learnResult(ev)
	case KindListed:
		c.learnListed(ev)
	case KindVanished:
		c.learnVanished(ev)
	case KindRestarted:
		c.learnRestarted(ev)
	case KindProbed:
		c.learnProbed(ev)
	case KindDeferred, KindWithdrawn:
		c.learnDeferral(ev)
	case KindUnknown, KindTick: // nothing new
	}
	if c.Probing != nil {
		c.learnAlive(ev)
	}
	// What a long call keeps is packed once its sides are known; the texts of a
	// call that is about to confirm or to end are left where they are.
	if c.changed && (ev.Kind == KindConfirm || ev.Kind == KindTarget || ev.Kind == KindListed) {
		c.pack()
	}
}

// learnStart: the 200 OK that makes the dialog. The caller's side is known, of
// the callee's what stands in the message.
func (c *Call) learnStart(ev *Event) {
	c.learnAnswered(ev)
	c.learnSide(Caller, &ev.Caller, ev, ev.Source)
	c.learnSide(Callee, &ev.Callee, ev, ev.PeerSource)
	callee := c.Leg(Callee)
	// Where the 200 came from is the callee for the last proxy on the way alone: for
	// one before it, it is the next proxy.
	if behind := uint8(min(routes(ev.Caller.RouteSet), 255)); behind > callee.Behind {
		callee.Behind, c.changed = behind, true
		c.set(&callee.Source, ev.PeerSource)
	}
	fill(&callee.Source, ev.PeerSource)
	fill(&callee.Contact, ev.Contact)
}

// learnAnswer: a 2xx to INVITE of which the proxy made no dialog: a fork's
// second branch, or a call that rang longer than the proxy's early_timeout. In
// a call that is known already it is a retransmission, or the 2xx to a
// re-INVITE after the proxy forgot the dialog.
func (c *Call) learnAnswer(ev *Event) {
	if c.Known && (c.sender(ev) != Caller || ev.CSeq != c.InviteCSeq) {
		c.learnTarget(ev)
		return
	}
	c.learnAnswered(ev)
	callee := c.Leg(Callee)
	fill(&c.Leg(Caller).URI, ev.Caller.URI)
	fill(&callee.URI, ev.Callee.URI)
	fill(&callee.Contact, ev.Contact)
	fill(&callee.Source, ev.Source)
}

func (c *Call) learnAnswered(ev *Event) {
	c.orient(ev)
	if !c.Known || c.AnswerAt == 0 {
		c.changed = true
	}
	// Kamailio now and then runs dialog:start without the 200, and before its
	// dialog has the callee's tag: such a one waits for the ACK, which tells it.
	c.Known = c.Known || ev.ToTag != ""
	c.AnswerAt = earliest(c.AnswerAt, ev.At)
	if c.SetupAt == 0 {
		c.SetupAt = ev.Setup
	}
	if c.InviteCSeq == 0 {
		c.InviteCSeq, c.Code = ev.CSeq, 200
	}
	c.ownRequest(Caller, ev.CSeq)
}

// learnConfirm: the ACK. The proxy's dialog knows both sides now.
func (c *Call) learnConfirm(ev *Event) {
	c.orient(ev)
	if c.ConfirmAt == 0 {
		c.changed = true
	}
	c.Known = true
	c.ConfirmAt = earliest(c.ConfirmAt, ev.At)
	if ev.Dialog.IsZero() {
		return // it tells no more than the message, which may be the callee's
	}
	c.learnSide(Caller, &ev.Caller, ev, ev.Source)
	c.learnSide(Callee, &ev.Callee, ev, "")
}

// learnSide takes over what the proxy's dialog says of a side. In a spiral the
// dialog nearest to the end point, the one with fewer routes, is believed. What
// a target refresh told later is newer than the proxy's dialog and stays.
func (c *Call) learnSide(s Side, e *Endpoint, ev *Event, source string) {
	l := c.Leg(s)
	c.set(&l.URI, e.URI)
	c.moveCSeq(s, e.CSeq)
	if e.Contact == "" {
		return
	}
	if l.Socket == e.Socket && l.Contact == e.Contact && l.RouteSet == e.RouteSet && l.Node == ev.Node && l.Socket != "" {
		if l.Source == "" {
			c.set(&l.Source, source)
		}
		return // told before, as nearly always
	}
	hops := routes(e.RouteSet)
	if l.Socket != "" && hops > l.Hops {
		return
	}
	if !l.Refreshed {
		c.set(&l.Contact, e.Contact)
		l.Natted = strings.Contains(e.Contact, ";alias=")
	}
	c.set(&l.Socket, e.Socket)
	if l.RouteSet != e.RouteSet {
		l.RouteSet, c.changed = e.RouteSet, true
	}
	if l.Source == "" || hops < l.Hops {
		c.set(&l.Source, source)
	}
	l.Hops = hops
	l.Node = ev.Node
}

// learnTarget: an in-dialog request moves its sender's CSeq. The Contact of a
// re-INVITE or UPDATE is the new target once a 2xx accepted it, and the 2xx's
// own Contact at once (RFC 3261 12.2.1.2, 12.2.2).
func (c *Call) learnTarget(ev *Event) {
	s := c.sender(ev)
	if s == SideNone || s == Caller && ev.CSeq == c.InviteCSeq {
		return // the initial INVITE's own 200, again
	}
	l, o := c.Leg(s), c.Leg(s.Other())
	if ev.Code == 0 {
		c.ownRequest(s, ev.CSeq)
		if ev.Contact != "" && ev.CSeq > l.NextCSeq && (ev.Method == "INVITE" || ev.Method == "UPDATE") {
			l.NextContact, l.NextSource, l.NextCSeq, c.changed = ev.Contact, ev.Source, ev.CSeq, true
		}
		return
	}
	if l.NextCSeq != ev.CSeq && !o.known(ev.Source) {
		return // a reply to nothing that was seen, from nobody that is known
	}
	if l.NextContact != "" && l.NextCSeq == ev.CSeq {
		c.refresh(l, l.NextContact, l.NextSource)
		l.NextContact, l.NextSource = "", ""
	}
	if ev.Contact != "" {
		c.refresh(o, ev.Contact, ev.Source)
	}
}

func (c *Call) refresh(l *Leg, contact, source string) {
	if contact != l.Contact {
		l.Contact, l.Refreshed, c.changed = contact, true, true
	}
	c.set(&l.Source, source)
}

// ownRequest notes the CSeq of a request that a side sent itself.
func (c *Call) ownRequest(s Side, n uint32) {
	if l := c.Leg(s); n > l.OwnCSeq && n <= maxCSeq {
		l.OwnCSeq, c.changed = n, true
	}
	c.moveCSeq(s, n)
}

func (c *Call) moveCSeq(s Side, n uint32) {
	if l := c.Leg(s); n > l.CSeq && n <= maxCSeq {
		l.CSeq = n
		c.changed = true
	}
}

func (c *Call) addDialog(ev *Event) {
	d := ProxyDialog{Node: ev.Node, Boot: ev.Boot, Dialog: ev.Dialog}
	if ev.Dialog.IsZero() || ev.Boot == 0 || c.hasDialog(d) || len(c.Dialogs) >= 8 {
		return
	}
	c.Dialogs, c.changed = append(c.Dialogs, d), true
}

// set takes over a value that was told, fill only one that is not known yet.
func (c *Call) set(field *string, v string) {
	if v != "" && *field != v {
		*field, c.changed = v, true
	}
}

func fill(field *string, v string) {
	if *field == "" {
		*field = v
	}
}

func earliest(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// routes counts the entries of a route set; commas inside <> or quotes do not
// part entries (RFC 3261 section 25.1, "route-param").
func routes(set string) int32 {
	if set == "" {
		return 0
	}
	n, quoted, angle := int32(1), false, false
	for i := 0; i < len(set); i++ {
		switch ch := set[i]; {
		case quoted && ch == '\\':
			i++
		case ch == '"':
			quoted = !quoted
		case quoted:
		case ch == '<':
			angle = true
		case ch == '>':
			angle = false
		case ch == ',' && !angle:
			n++
		}
	}
	return n
}
