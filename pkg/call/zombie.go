package call

// Old says that the call wants a look at its age. Calls that are up have no
// timer: whoever keeps them goes through them from time to time.
func (c *Call) Old(now int64, p *Policy) bool {
	if c.State != StateUp || c.Probing != nil {
		return false
	}
	age := now - c.FirstSeen
	return p.MaxAge > 0 && age >= us(p.MaxAge) || len(c.Dialogs) == 0 && age >= us(p.ProbeSlow)
}

// watchAge finds the trouble that nobody logs: a call that is up for longer
// than any call should be, one that the proxy never knew or has forgotten, and
// a leg that answers nothing for long.
func (c *Call) watchAge(now int64, p *Policy, out []Effect) []Effect {
	if c.Ended() {
		return out
	}
	age := now - c.FirstSeen
	if p.MaxAge > 0 && age >= us(p.MaxAge) {
		c.suspect(ReasonTooOld, now)
		out = c.raise(IncidentZombie, SeverityWarning, SideNone,
			"the call has been up for longer than max_age; its end may have been missed", ReasonTooOld, out)
	}
	if c.forgotten() {
		c.suspect(ReasonRestarted, now)
	}
	if len(c.Dialogs) == 0 && age >= us(p.ProbeSlow) {
		c.suspect(ReasonForgotten, now)
	}
	if c.Probing == nil {
		return out
	}
	for _, s := range [...]Side{Caller, Callee} {
		b := c.Probing.leg(s)
		quiet := now - max(b.Heard, c.Probing.Since)
		if c.Leg(s).Closed() || b.Code != 408 || quiet < us(p.ZombieAfter) {
			continue
		}
		out = c.raise(IncidentZombie, SeverityWarning, s,
			"the "+s.String()+"'s leg has answered no OPTIONS for long; it may be gone, or out of reach", ReasonSilent, out)
	}
	return out
}

// forgotten says that no proxy knows the call any more, for they were restarted.
func (c *Call) forgotten() bool {
	for i := range c.Dialogs {
		if d := &c.Dialogs[i]; !d.Forgotten && d.GoneSeen == 0 {
			return false
		}
	}
	return c.Touched&TouchedRestart != 0 && c.VanishedSeen == 0
}
