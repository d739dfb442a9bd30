package call

// closeLegs closes each leg that the facts close. It corrects one that was
// given up and proves to be closed after all, and one whose own BYE proves to
// be a proxy's, passing again, which arrived before the news that it was built. With
// two nodes that news comes on another connection, and may come when the call
// seemed to be over: then it goes on, for the leg is up.
func (c *Call) closeLegs(ev *Event, p *Policy, out []Effect) []Effect {
	for _, s := range [...]Side{Caller, Callee} {
		l := c.Leg(s)
		if c.State == StateDone && l.State == LegOwnBye && c.proxyPassed(s) {
			c.State, c.DoneSeen = StateEnding, 0
		}
		if l.State == LegConfirmed || l.State == LegGone && !l.Probed || l.Closed() && l.State != LegUnconfirmed && c.State == StateDone {
			continue
		}
		state, endAt, code, why := c.evidence(s, p)
		probed := false
		if state == LegUp {
			if endAt, probed = c.probedGone(s, p); probed {
				state, code = LegGone, 481
			}
		}
		if state == LegUp && (l.State == LegOwnBye || l.Probed) {
			l.State, l.EndAt, l.ClosedSeen, l.Probed, c.changed = "", 0, 0, false, true
		}
		if state == LegUp || state == l.State {
			continue
		}
		l.State, l.EndAt, l.ClosedSeen, l.InFlight, c.changed = state, endAt, ev.Seen, 0, true
		l.Probed = probed
		if code != 0 {
			l.Code = int32(code)
		}
		if why && c.Repaired == ReasonNone {
			if owed := c.whyOwed(s); l.Why == ReasonNone && owed != ReasonNone { // another byeguard's BYE was faster
				l.Why = owed
				out = c.raise(IncidentOneSided, SeverityWarning, s, "the "+s.String()+"'s leg was owed a BYE: "+string(l.Why), l.Why, out)
			}
			c.Repaired = l.Why
		}
		if c.Open != 0 {
			out = c.resolve(IncidentUnconfirmed, s, out)
			out = c.resolve(IncidentOneSided, s, out)
		}
	}
	return out
}

// whyOwed is why a leg was owed the BYE that another byeguard sent, as far as the
// facts tell here; none: they do not.
func (c *Call) whyOwed(s Side) Reason {
	switch {
	case c.LostSeen != 0:
		return ReasonLogLine
	case c.EndedSeen != 0:
		return ReasonProxyEnded
	case c.Leg(s.Other()).proxyBye() != nil:
		return ReasonByeMissing
	case c.Leg(s.Other()).Closed():
		return ReasonOtherEndGone
	}
	return ReasonNone
}

// evidence says how the leg is known to have ended, LegUp if it is not.
// repaired: it was really up until byeguard's BYE.
func (c *Call) evidence(s Side, p *Policy) (state LegState, endAt int64, code int, repaired bool) {
	l, o := c.Leg(s), c.Leg(s.Other())
	state = LegUp
	// A BYE of its own, from where it is known to be, that went on to the other
	// end. A refused or forged one ends nothing.
	for i := range o.Byes {
		b := &o.Byes[i]
		if b.fromEnd() && b.KnownPath && b.believed() && (endAt == 0 || b.InAt < endAt) {
			state, endAt = LegOwnBye, b.InAt
		}
	}
	if state != LegUp {
		return state, endAt, 0, false
	}
	for i := range l.Byes {
		b := &l.Byes[i]
		if b.Code != 0 {
			b.Stale = l.Contact != "" && b.Target != "" && b.Target != l.Contact && !p.SameTarget(b.Target, l.Contact)
		}
		if !b.confirmed() && !b.gone() && !c.answeredUnseen(b) {
			continue
		}
		how := LegConfirmed
		if b.gone() {
			how = LegGone
		}
		if state == LegUp || how == LegConfirmed && state == LegGone || how == state && b.ReplyAt < endAt {
			state, endAt, code, repaired = how, b.ReplyAt, b.Code, b.Ours && how == LegConfirmed
			if s == Caller {
				// The customer's call ends with the first BYE seen or built; a
				// carrier's leg with the 2xx to its BYE.
				endAt = b.beganAt()
			}
		}
	}
	return state, endAt, code, repaired
}

// proxyPassed says that each BYE which passed for the leg's own was built by a
// proxy on the way.
func (c *Call) proxyPassed(s Side) (passed bool) {
	o := c.Leg(s.Other())
	for i := range o.Byes {
		switch b := &o.Byes[i]; {
		case b.InSeen == 0 || !b.KnownPath:
		case b.OutSeen == 0 || b.OwnSocket:
			return false
		default:
			passed = true
		}
	}
	return passed
}

// mayPass is until when a leg's own BYE may still prove to be that of another
// proxy on the way, or of another pass through the same one; 0 = it is its own.
func (c *Call) mayPass(s Side, p *Policy) (until int64) {
	if c.Leg(s).State != LegOwnBye || len(c.Dialogs) < 2 {
		return 0
	}
	o := c.Leg(s.Other())
	for i := range o.Byes {
		b := &o.Byes[i]
		if b.OwnSocket && b.KnownPath {
			return 0
		}
		if b.fromEnd() && b.KnownPath {
			until = max(until, b.InSeen+us(p.Grace))
		}
	}
	return until
}

// believed says that the BYE ended its sender's leg. From the sender's address
// but another socket it may be a neighbour's behind the same NAT: where the
// other end refuses such a one, it has ended nothing.
func (b *Bye) believed() bool {
	refused := b.Code >= 300 && b.Code != 408 && b.Code != 481
	if b.OutSeen != 0 { // the answer may be the proxy's BYE's: only the forwarding counts
		return b.forwarded()
	}
	return b.reached() && (b.OwnSocket || !refused)
}

// counts says that the BYE had to do with the end of the call: a stranger's that
// nobody confirmed had not.
func (b *Bye) counts() bool {
	return b.OutSeen != 0 || b.reached() && (b.KnownPath && b.believed() || b.confirmed() || b.gone())
}

// beganAt is when the BYE was first seen or built.
func (b *Bye) beganAt() int64 {
	if at := earliest(b.InAt, b.OutAt); at != 0 {
		return at
	}
	return b.ReplyAt
}

// noteEnd settles when the call ended and who ended it: the first BYE that
// went towards a leg, once a leg is closed or Kamailio ended the call.
func (c *Call) noteEnd() {
	if c.State == StateDone {
		return
	}
	var at int64
	by := ReleasedUnknown
	if c.Ended() || c.Leg(Caller).Closed() || c.Leg(Callee).Closed() {
		at, by = c.firstBye()
		if c.EndedAt != 0 && (at == 0 || c.EndedAt < at) {
			at, by = c.EndedAt, ReleasedProxy
		}
		for i := range c.Legs { // it ended before this; nobody saw how
			if l := &c.Legs[i]; l.Probed && (at == 0 || l.EndAt < at) {
				at, by = l.EndAt, ReleasedUnknown
			}
		}
	}
	if at != c.EndAt || by != c.Released {
		c.EndAt, c.Released, c.changed = at, by, true
	}
}

// firstBye returns when the first BYE that counts was seen or built, and whose
// it was.
func (c *Call) firstBye() (first int64, by Releaser) {
	by = ReleasedUnknown
	for _, s := range [...]Side{Caller, Callee} {
		for i := range c.Leg(s).Byes {
			b := &c.Leg(s).Byes[i]
			at := b.beganAt()
			if !b.counts() && !c.answeredUnseen(b) || at == 0 || first != 0 && at >= first {
				continue
			}
			first = at
			if c.Known { // else nobody told which tag is the caller's
				by = releaser(b, s)
			}
		}
	}
	return first, by
}

// releaser names who sent a BYE that was addressed to the leg of side to.
func releaser(b *Bye, to Side) Releaser {
	switch {
	case !b.seen():
		return ReleasedUnknown
	case b.Ours:
		return ReleasedByeguard
	case b.OutSeen != 0 && (!b.OwnSocket || b.OutAt <= b.InAt): // two nodes' clocks need not agree
		return ReleasedProxy
	case to == Callee:
		return ReleasedCaller
	}
	return ReleasedCallee
}
