package call

// watch raises what a person should look at while nothing may be sent:
// evidence table, rows 5 to 8.
func (c *Call) watch(now int64, p *Policy, out []Effect) []Effect {
	if c.Leg(Caller).Closed() && c.Leg(Callee).Closed() {
		return out
	}
	out = c.watchRefused(now, p, out)
	if c.Asks.Held && !c.Asks.Gone {
		if due := c.Asks.Since + us(p.Stuck); now >= due {
			out = c.raise(IncidentStuck, SeverityWarning, SideNone,
				"one side of the call got its BYE and the proxy goes on holding the dialog", ReasonStillHeld, out)
		} else {
			c.wake(due)
		}
	}
	if c.GoneSeen != 0 && !c.Ended() && !c.anyBye() {
		if due := c.GoneSeen + us(p.Refused); now >= due {
			out = c.raise(IncidentForgotten, SeverityWarning, SideNone,
				"the proxy dropped the dialog without a BYE; both legs may be up", ReasonForgotten, out)
		} else {
			c.wake(due)
		}
	}
	return out
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
			if !b.fromEnd() || b.reached() {
				continue
			}
			due := b.InSeen + us(p.Refused)
			if now < due {
				c.wake(due)
				continue
			}
			why, what := ReasonByeDropped, "neither forwarded nor answered"
			if b.Refused != 0 {
				why, what = ReasonByeRefused, "refused"
			}
			out = c.raise(IncidentRefused, SeverityWarning, s.Other(),
				"a BYE that claims to be the "+s.Other().String()+"'s was "+what+" by the proxy", why, out)
		}
	}
	return out
}

// anyBye says whether any BYE of the call was ever seen.
func (c *Call) anyBye() bool { return len(c.Legs[0].Byes)+len(c.Legs[1].Byes) > 0 }

// bits of Call.Open: a kind and a leg each.
func bit(k IncidentKind, leg Side) uint16 {
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
		Incident: Incident{Key: c.Key, Kind: k, Severity: sev, Leg: leg, Detail: detail}})
}

// resolve closes an open incident.
func (c *Call) resolve(k IncidentKind, leg Side, out []Effect) []Effect {
	if c.Open&bit(k, leg) == 0 {
		return out
	}
	c.Open &^= bit(k, leg)
	c.changed = true
	detail := "the leg is closed"
	if leg != SideNone {
		detail = "the " + leg.String() + "'s leg is closed: " + string(c.Leg(leg).Status())
	}
	return append(out, Effect{Kind: EffectIncident,
		Incident: Incident{Key: c.Key, Kind: k, Severity: SeverityInfo, Resolved: true, Leg: leg, Detail: detail}})
}

// resolveAll closes what the end of the call settles; a leg that was given up
// stays with the person who looks into it.
func (c *Call) resolveAll(out []Effect) []Effect {
	for _, s := range [...]Side{Caller, Callee} {
		out = c.resolve(IncidentOneSided, s, out)
		out = c.resolve(IncidentRefused, s, out)
	}
	out = c.resolve(IncidentStuck, SideNone, out)
	return c.resolve(IncidentForgotten, SideNone, out)
}
