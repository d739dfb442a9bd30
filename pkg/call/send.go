package call

import "strconv"

// send owes the leg a BYE now.
func (c *Call) send(s Side, why Reason, ev *Event, p *Policy, out []Effect) []Effect {
	l, o := c.Leg(s), c.Leg(s.Other())
	if p.Observe || why != ReasonByeFailed && why != ReasonByeUnanswered {
		out = c.raise(IncidentOneSided, SeverityWarning, s,
			"the "+s.String()+"'s leg is owed a BYE: "+string(why), why, out)
	}
	if p.Observe {
		l.Why = why
		return out
	}
	if l.Contact == "" {
		return c.giveUp(s, ReasonNoPath, ev.Seen, out)
	}
	if o.CSeq == maxCSeq { // no number is left that the leg would accept
		return c.giveUp(s, ReasonExhausted, ev.Seen, out)
	}
	o.CSeq += min(p.CSeqStep, maxCSeq-o.CSeq)
	l.Attempt++
	l.InFlight = ev.Seen
	if l.Why == ReasonNone {
		l.Why = why
	}
	c.changed = true
	node := l.Node
	if node == "" {
		node = c.Node
	}
	cmd := Command{
		ID:  c.Key.String() + "-" + s.String() + "-" + strconv.Itoa(l.Attempt),
		Key: c.Key, Node: node, Leg: s, Attempt: l.Attempt, Reason: why, CallID: c.CallID,
		FromURI: o.URI, FromTag: o.Tag, ToURI: l.URI, ToTag: l.Tag,
		Target: l.Contact, RouteSet: l.RouteSet, Socket: l.Socket, CSeq: o.CSeq,
	}
	if l.Natted && l.Refreshed {
		cmd.Source = l.Source
	}
	return append(out, Effect{Kind: EffectBye, Reason: why, Command: cmd})
}

// giveUp leaves the leg to a person.
func (c *Call) giveUp(s Side, why Reason, now int64, out []Effect) []Effect {
	l := c.Leg(s)
	l.State, l.ClosedSeen, c.changed = LegUnconfirmed, now, true
	if last := l.lastBye(); last != nil {
		l.Code = last.Code
	}
	out = c.settleIncident(IncidentOneSided, s, "byeguard gave up: see "+string(IncidentUnconfirmed), out)
	return c.raise(IncidentUnconfirmed, SeverityCritical, s,
		"the "+s.String()+"'s leg could not be confirmed as ended ("+string(why)+"); its carrier may go on billing", why, out)
}
