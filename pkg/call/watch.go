package call

// watch raises what a person should look at while nothing may be sent:
// evidence table, rows 5 to 8.
func (c *Call) watch(now int64, p *Policy, out []Effect) []Effect {
	if c.Leg(Caller).Closed() && c.Leg(Callee).Closed() {
		return out
	}
	out = c.watchRefused(now, p, out)
	out = c.watchHalf(now, p, out)
	out = c.watchVanished(now, p, out)
	out = c.watchAge(now, p, out)
	out = c.watchHalfGone(p, out)
	if c.GoneSeen != 0 && !c.Ended() && !c.anyByeSeen() && !c.Leg(Caller).Closed() && !c.Leg(Callee).Closed() {
		if due := c.GoneSeen + us(p.Refused); now >= due {
			out = c.raise(IncidentForgotten, SeverityWarning, SideNone,
				"the proxy dropped the dialog without a BYE; both legs may be up", ReasonForgotten, out)
			c.suspect(ReasonForgotten, now)
		} else {
			c.wake(due)
		}
	}
	return out
}

// watchHalf: row 8, and the cases in which nobody can say whether the proxy
// holds the dialog. One leg got its BYE, nothing goes on towards the other.
func (c *Call) watchHalf(now int64, p *Policy, out []Effect) []Effect {
	since, why := int64(0), ReasonAskFailed
	if c.Asks.Held && !c.Asks.Gone {
		since, why = c.Asks.Since, ReasonStillHeld
	} else if !c.Leg(Caller).Closed() && !c.Leg(Callee).Closed() {
		return out
	}
	for _, s := range [...]Side{Caller, Callee} {
		l, o := c.Leg(s), c.Leg(s.Other())
		if since == 0 && o.Closed() && !o.Probed && !l.Closed() && l.InFlight == 0 && l.lastBye() == nil {
			since = o.ClosedSeen
		}
	}
	if since == 0 {
		return out
	}
	if due := since + us(p.Stuck); now < due {
		c.wake(due)
		return out
	}
	what := "the proxy goes on holding the dialog"
	if why == ReasonAskFailed {
		what = "nobody can say whether the proxy holds the dialog"
	}
	return c.raise(IncidentStuck, SeverityWarning, SideNone, "one side of the call got its BYE and "+what, why, out)
}

// watchVanished: row 6. The end points are asked at once; a person is told only
// where that does not settle it.
func (c *Call) watchVanished(now int64, p *Policy, out []Effect) []Effect {
	if c.VanishedSeen == 0 && c.Probing != nil && c.Probing.Why == ReasonVanished {
		c.Probing, c.changed = nil, true // it is there after all
	}
	if c.VanishedSeen == 0 || c.Ended() {
		return out
	}
	c.suspect(ReasonVanished, now)
	if due := c.VanishedSeen + us(p.Stuck); now < due {
		c.wake(due)
		return out
	}
	return c.raise(IncidentForgotten, SeverityWarning, SideNone,
		"the proxy does not hold the dialog any more, and nobody saw its end; the end points are asked", ReasonVanished, out)
}

// watchRefused: row 5. An end point's BYE that the proxy refused, or neither
// forwarded nor answered, ends nothing by itself. A proxy that asks for
// credentials first is given time to get them.
func (c *Call) watchRefused(now int64, p *Policy, out []Effect) []Effect {
	if c.Ended() || c.Leg(Caller).Closed() || c.Leg(Callee).Closed() {
		return out
	}
	for _, s := range [...]Side{Caller, Callee} {
		for i := range c.Leg(s).Byes {
			b := &c.Leg(s).Byes[i]
			if !b.fromEnd() {
				continue
			}
			due := b.InSeen + us(p.Refused)
			if b.reached() && b.Code == 0 && b.Refused == 0 {
				due = b.InSeen + us(p.NoReply) // the leg may still answer
			}
			if now < due {
				c.wake(due)
				continue
			}
			why, what := ReasonByeDropped, "neither forwarded nor answered by the proxy"
			switch {
			case b.Code/100 == 2:
				why, what = ReasonByeRefused, "answered by somebody else than the "+s.String()
			case b.Code != 0:
				why, what = ReasonByeRefused, "refused by the "+s.String()
			case b.FwdSeen != 0:
				why, what = ReasonByeUnanswered, "not answered by the "+s.String()
			case b.Refused != 0:
				why, what = ReasonByeRefused, "refused by the proxy"
			}
			out = c.raise(IncidentRefused, SeverityWarning, s.Other(),
				"a BYE that claims to be the "+s.Other().String()+"'s was "+what, why, out)
			c.suspect(why, now)
		}
	}
	return out
}

// anyBye says whether any BYE of the call was ever seen.
func (c *Call) anyBye() bool { return len(c.Legs[0].Byes)+len(c.Legs[1].Byes) > 0 }

// anyByeSeen is anyBye without BYEs of which only a reply was seen.
func (c *Call) anyByeSeen() bool {
	for i := range c.Legs {
		for j := range c.Legs[i].Byes {
			if c.Legs[i].Byes[j].seen() {
				return true
			}
		}
	}
	return false
}

// bits of Call.Open: a kind and a leg each.
func bit(k IncidentKind, leg Side) uint32 {
	switch k {
	case IncidentOneSided:
		return 1 << leg // 1, 2 or 4
	case IncidentUnconfirmed:
		return 8 << leg
	case IncidentRefused:
		return 64 << leg
	case IncidentStuck:
		return 512
	case IncidentForgotten:
		return 1024
	case IncidentZombie:
		return 2048 << leg // 2048, 4096 or 8192
	case IncidentHalfGone:
		return 8192 << leg
	}
	return 0
}

// raise opens an incident once.
func (c *Call) raise(k IncidentKind, sev Severity, leg Side, detail string, why Reason, out []Effect) []Effect {
	if c.Open&bit(k, leg) != 0 {
		return out
	}
	c.Open |= bit(k, leg)
	c.changed = true
	return append(out, Effect{Kind: EffectIncident, Reason: why,
		Incident: Incident{Key: c.Key, CallID: c.CallID, Kind: k, Severity: sev, Leg: leg, Detail: detail}})
}

// resolve closes an open incident.
func (c *Call) resolve(k IncidentKind, leg Side, out []Effect) []Effect {
	if c.Open&bit(k, leg) == 0 {
		return out // as nearly always: no sentence is made for it
	}
	detail := "both legs are accounted for"
	if leg != SideNone {
		detail = "the " + leg.String() + "'s leg is closed: " + string(c.Leg(leg).Status())
	}
	return c.settleIncident(k, leg, detail, out)
}

// settleIncident closes an open incident with a sentence of its own.
func (c *Call) settleIncident(k IncidentKind, leg Side, detail string, out []Effect) []Effect {
	if c.Open&bit(k, leg) == 0 {
		return out
	}
	c.Open &^= bit(k, leg)
	c.changed = true
	return append(out, Effect{Kind: EffectIncident,
		Incident: Incident{Key: c.Key, CallID: c.CallID, Kind: k, Severity: SeverityInfo, Resolved: true, Leg: leg, Detail: detail}})
}

// resolveAll closes what the end of the call settles; a leg that was given up
// stays with the person who looks into it.
func (c *Call) resolveAll(out []Effect) []Effect {
	if c.Open == 0 {
		return out
	}
	for _, s := range [...]Side{Caller, Callee} {
		out = c.resolve(IncidentOneSided, s, out)
		out = c.resolve(IncidentRefused, s, out)
		out = c.resolve(IncidentHalfGone, s, out)
		out = c.resolve(IncidentZombie, s, out)
	}
	out = c.resolve(IncidentZombie, SideNone, out)
	out = c.resolve(IncidentStuck, SideNone, out)
	return c.resolve(IncidentForgotten, SideNone, out)
}
