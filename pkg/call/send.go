package call

import "strconv"

// send owes the leg a BYE now.
func (c *Call) send(s Side, why Reason, ev *Event, p *Policy, out []Effect) []Effect {
	l, o := c.Leg(s), c.Leg(s.Other())
	observed := c.observed(p)
	if observed || why != ReasonByeFailed && why != ReasonByeUnanswered {
		detail := "the " + s.String() + "'s leg is owed a BYE: " + string(why)
		if observed && !p.Observe {
			detail += "; its proxy hides topology, so byeguard sends none"
		}
		out = c.raise(IncidentOneSided, SeverityWarning, s, detail, why, out)
	}
	if observed {
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
	cmd := c.command(s, MethodBye)
	cmd.ID = c.Key.String() + "-" + s.String() + "-" + strconv.Itoa(l.Attempt)
	cmd.Attempt, cmd.Reason, cmd.CSeq = l.Attempt, why, o.CSeq
	return append(out, Effect{Kind: EffectBye, Reason: why, Command: cmd})
}

// command is a request to the leg, as far as it follows from where the leg is.
func (c *Call) command(s Side, method string) Command {
	l, o := c.Leg(s), c.Leg(s.Other())
	cmd := Command{
		Key: c.Key, Node: c.sendsTo(s), Leg: s, Method: method, CallID: c.CallID,
		FromURI: o.URI, FromTag: o.Tag, ToURI: l.URI, ToTag: l.Tag,
		Target: l.Contact, RouteSet: l.RouteSet, Socket: l.Socket,
	}
	if l.Natted && l.Refreshed {
		cmd.Source = l.Source
	}
	return cmd
}

// sendsTo names the node that sends requests to the leg.
func (c *Call) sendsTo(s Side) string {
	if n := c.Leg(s).Node; n != "" {
		return n
	}
	return c.Node
}

// observed says that nothing may be sent: by policy, or because a node on the
// way hides topology, so that what byeguard knows is not what the end points do.
func (c *Call) observed(p *Policy) bool {
	return p.Observe || p.Hidden != nil && (p.Hidden(c.Node) || p.Hidden(c.sendsTo(Caller)) || p.Hidden(c.sendsTo(Callee)))
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
