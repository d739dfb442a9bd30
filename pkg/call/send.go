package call

import (
	"strconv"
	"strings"
)

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
	l.InFlight, l.Last, l.Deferred = ev.Seen, why, ReasonNone
	if l.Why == ReasonNone {
		l.Why = why
	}
	c.changed = true
	cmd := c.command(s, MethodBye)
	cmd.ID = c.CommandID(s)
	cmd.Attempt, cmd.Reason, cmd.CSeq = int(l.Attempt), why, o.CSeq
	return append(out, Effect{Kind: EffectBye, Reason: why, Command: cmd})
}

// command is a request to the leg, as far as it follows from where the leg is.
func (c *Call) command(s Side, method string) Command {
	l, o := c.Leg(s), c.Leg(s.Other())
	cmd := Command{
		Key: c.Key, Node: c.Sender(s), Leg: s, Method: method, CallID: c.CallID,
		FromURI: o.URI, FromTag: o.Tag, ToURI: l.URI, ToTag: l.Tag,
		Target: l.Contact, RouteSet: l.RouteSet, Socket: l.Socket,
	}
	if l.Natted && l.Refreshed {
		cmd.Source = l.Source
	}
	return cmd
}

// observed says that nothing may be sent: by policy, or because a node on the
// way hides topology, so that what byeguard knows is not what the end points do.
func (c *Call) observed(p *Policy) bool {
	return p.Observe || p.Hidden != nil && (p.Hidden(c.Node) || p.Hidden(c.Sender(Caller)) || p.Hidden(c.Sender(Callee)))
}

// CommandID names the newest command to a leg.
func (c *Call) CommandID(s Side) string {
	return c.Key.String() + "-" + s.String() + "-" + strconv.Itoa(int(c.Leg(s).Attempt))
}

// Sender returns the node that sends a leg its BYEs.
func (c *Call) Sender(s Side) string {
	if l := c.Leg(s); l.Node != "" {
		return l.Node
	}
	return c.Node
}

// attemptOf reads the number of the attempt out of a command's name, 0 if it
// is none of this leg.
func (c *Call) attemptOf(id string, s Side) int32 {
	n, ok := strings.CutPrefix(id, c.Key.String()+"-"+s.String()+"-")
	if !ok {
		return 0
	}
	i, err := strconv.ParseInt(n, 10, 32)
	if err != nil || i < 0 || i > 1<<20 {
		return 0
	}
	return int32(i)
}

// learnDeferral: a command may not be sent now (sending is paused, another
// byeguard acts for the node), or one that waited is given back. Then what was
// decided is forgotten, and the leg gets a command again only if the facts of
// that moment ask for one.
func (c *Call) learnDeferral(ev *Event) {
	if ev.Leg == SideNone {
		return
	}
	l := c.Leg(ev.Leg)
	if l.InFlight == 0 || ev.CommandID != c.CommandID(ev.Leg) {
		return // its leg was closed, or it is not the newest
	}
	c.changed = true
	if ev.Kind == KindDeferred {
		l.Deferred = l.Last
		return
	}
	l.InFlight, l.Deferred = 0, ReasonNone
	if l.Built < l.Attempt {
		l.Withdrawn++
	}
}

// Waiting says whether the command to a leg waits to be allowed, and why it was
// decided on.
func (c *Call) Waiting(s Side) (why Reason, waits bool) {
	l := c.Leg(s)
	return l.Deferred, l.InFlight != 0 && l.Deferred != ReasonNone
}

// giveUp leaves the leg to a person.
func (c *Call) giveUp(s Side, why Reason, now int64, out []Effect) []Effect {
	l := c.Leg(s)
	l.State, l.ClosedSeen, c.changed = LegUnconfirmed, now, true
	if last := l.lastBye(); last != nil {
		l.Code = int32(last.Code)
	}
	out = c.settleIncident(IncidentOneSided, s, "byeguard gave up: see "+string(IncidentUnconfirmed), out)
	return c.raise(IncidentUnconfirmed, SeverityCritical, s,
		"the "+s.String()+"'s leg could not be confirmed as ended ("+string(why)+"); its carrier may go on billing", why, out)
}
