package call

import "strconv"

// Probing is what asking the end points by OPTIONS has shown: evidence table,
// rows 5 to 7, and zombies. A call that gives no cause is never asked.
type Probing struct {
	Why   Reason   `cbor:"1,keyasint"` // what gave rise to it
	Since int64    `cbor:"2,keyasint"` // Seen of that
	Legs  [2]Probe `cbor:"3,keyasint"` // [Caller-1], [Callee-1]
}

// Probe is what one leg has answered. Only 481 says anything: phones answer
// 200, 405, 500 or nothing whether they know the dialog or not.
type Probe struct {
	Count    int    `cbor:"1,keyasint,omitempty"` // OPTIONS sent to it
	InFlight int64  `cbor:"-"`                    // Seen of the one under way; lost with a restart: asked again
	Last     int64  `cbor:"2,keyasint,omitempty"` // Seen of the newest outcome
	Code     int    `cbor:"3,keyasint,omitempty"` // and its code; 408 = no answer, 0 = not sent
	Heard    int64  `cbor:"4,keyasint,omitempty"` // Seen of the newest answer or request of the leg
	Target   string `cbor:"5,keyasint,omitempty"` // where the 481s came from
	GoneAt   int64  `cbor:"6,keyasint,omitempty"` // first 481 of the present row, on the proxy's clock
	GoneSeen int64  `cbor:"7,keyasint,omitempty"` // and on byeguard's; 0 = the last word was not 481
	MoreSeen int64  `cbor:"8,keyasint,omitempty"` // newest 481 of the row
	Doubted  bool   `cbor:"9,keyasint,omitempty"` // it was alive after a 481: its 481s prove nothing
}

// leg returns what a side has answered.
func (g *Probing) leg(s Side) *Probe { return &g.Legs[s-Caller] }

// acts says that a leg which is gone justifies a BYE to the other one: something
// hints at the end of the call (rows 5 and 6). Where the proxy forgot a call
// that may well go on (row 7), or the call is merely old, nothing does.
func (g *Probing) acts() bool {
	switch g.Why {
	case ReasonVanished, ReasonByeRefused, ReasonByeDropped, ReasonByeUnanswered:
		return true
	}
	return false
}

// suspect gives cause to ask the end points. A cause that acts replaces one
// that does not, and begins anew.
func (c *Call) suspect(why Reason, now int64) {
	g := &Probing{Why: why, Since: now}
	if c.Probing == nil || g.acts() && !c.Probing.acts() {
		if c.Probing != nil {
			g.Legs = c.Probing.Legs
			for i := range g.Legs {
				g.Legs[i].Count, g.Legs[i].Last = 0, 0
			}
		}
		c.Probing, c.changed = g, true
	}
}

// probe asks each leg that is due. It is over when BYEs account for a leg: rows
// 1 to 4 and 8 have the rest.
func (c *Call) probe(now int64, p *Policy, out []Effect) []Effect {
	if c.Probing == nil || p.NoProbes || c.Ended() || c.observed(p) {
		return out
	}
	for _, s := range [...]Side{Caller, Callee} {
		if l := c.Leg(s); l.Closed() && !l.Probed || l.Attempt > 0 {
			return out
		}
	}
	for _, s := range [...]Side{Caller, Callee} {
		l, b := c.Leg(s), c.Probing.leg(s)
		if l.Closed() || l.InFlight != 0 || l.Contact == "" {
			continue
		}
		if b.InFlight != 0 {
			if due := b.InFlight + 2*us(p.NoReply); now < due {
				c.wake(due)
				continue
			}
			b.InFlight, b.Last = 0, now // a lost report must not hold the leg for ever
		}
		if due := c.probeDue(s, p); now < due {
			c.wake(due)
			continue
		}
		b.Count++
		b.InFlight, c.changed = now, true
		c.wake(now + 2*us(p.NoReply))
		cmd := c.command(s, MethodOptions)
		cmd.ID, cmd.Attempt, cmd.Reason, cmd.CSeq = c.probeID(s), b.Count, c.Probing.Why, c.probeCSeq(s)
		cmd.Patient = !c.Probing.acts()
		out = append(out, Effect{Kind: EffectProbe, Reason: c.Probing.Why, Command: cmd})
	}
	return out
}

// probeDue is when the leg is asked next. A 481 is checked soon. Rows 5 and 6
// begin at once and slow down fourfold each time; so do calls that were restarted
// after a gap: the end of one may have been missed, and a person should hear of a leg
// left up. Others begin slowly and spread (a restart concerns all calls of a
// proxy) and slow down twofold.
func (c *Call) probeDue(s Side, p *Policy) int64 {
	g, b := c.Probing, c.Probing.leg(s)
	again, slow := us(p.ProbeAgain), us(p.ProbeSlow)
	soon := g.acts() || c.Touched&TouchedGap != 0
	switch {
	case b.GoneSeen != 0 && !b.Doubted && b.MoreSeen-b.GoneSeen < again:
		return max(b.MoreSeen, b.Last) + again
	case soon && b.Count == 0 && b.Last == 0:
		return g.Since
	case soon:
		return b.Last + min(again<<(2*min(b.Count, 10)), slow<<4)
	case b.Count == 0 && b.Last == 0:
		return g.Since + slow/2 + slow*int64(c.Key[0])/256
	}
	return b.Last + slow<<min(b.Count, 4)
}

// probeCSeq is a CSeq that leaves the dialog as it is: the leg must go on to
// take the next request of the other side, which will have a higher one than
// all before. The INVITE's CSeq is known to a callee that answered it; of other
// requests it is only known that they were sent, so one less is taken. 0 is legal
// (RFC 3261 8.1.1.5) and the only number that is right where the other side has
// sent none yet.
func (c *Call) probeCSeq(to Side) uint32 {
	if to == Callee && c.InviteCSeq != 0 {
		return c.InviteCSeq
	}
	if own := c.Leg(to.Other()).OwnCSeq; own > 0 {
		return own - 1
	}
	return 0
}

func (c *Call) probeID(s Side) string {
	return c.Key.String() + "-" + s.String() + "-o" + strconv.Itoa(c.Probing.leg(s).Count)
}

// learnProbed takes the outcome of an OPTIONS of byeguard.
func (c *Call) learnProbed(ev *Event) {
	if ev.Leg == SideNone || c.Probing == nil {
		return
	}
	b := c.Probing.leg(ev.Leg)
	if b.InFlight == 0 || ev.CommandID != c.probeID(ev.Leg) {
		return // nobody asked, or it was given up
	}
	b.InFlight, b.Last, b.Code, c.changed = 0, ev.Seen, ev.Code, true
	switch {
	case ev.Code == 0: // not sent: it is tried again, and is not one more
		b.Count--
		return
	case ev.Code == 408:
		return
	case ev.Code != 481:
		b.Doubted = b.Doubted || ev.Code/100 == 2 && b.GoneSeen != 0
		b.GoneSeen, b.GoneAt, b.MoreSeen = 0, 0, 0
	case ev.RURI != c.Leg(ev.Leg).Contact:
		return // it has moved meanwhile: an old target says nothing
	case b.GoneSeen == 0 || b.Target != ev.RURI:
		b.GoneSeen, b.GoneAt, b.MoreSeen, b.Target = ev.Seen, ev.At, ev.Seen, ev.RURI
	default:
		b.MoreSeen = max(b.MoreSeen, ev.Seen)
	}
	b.Heard = ev.Seen
}

// learnAlive notes that a leg took part in its dialog. One that said 481 before
// may not be believed: it says so to whatever it gets, or another one does.
func (c *Call) learnAlive(ev *Event) {
	s := c.sender(ev)
	if ev.Kind != KindTarget || s == SideNone {
		return
	}
	if ev.Code != 0 {
		s = s.Other() // it answered
	}
	b := c.Probing.leg(s)
	if !c.Leg(s).known(ev.Source) {
		return
	}
	b.Heard = max(b.Heard, ev.Seen)
	if b.GoneSeen != 0 && ev.At > b.GoneAt {
		b.Doubted, b.GoneSeen, b.GoneAt, b.MoreSeen, c.changed = true, 0, 0, 0, true
	}
}

// answeredGone says that the leg's current target answered 481 twice, some time
// apart, and nothing speaks against it.
func (c *Call) answeredGone(s Side, p *Policy) bool {
	b := c.Probing.leg(s)
	return b.GoneSeen != 0 && !b.Doubted && b.Target == c.Leg(s).Contact && b.MoreSeen-b.GoneSeen >= us(p.ProbeAgain)
}

// probedGone says whether OPTIONS close the leg, and gives the upper bound of
// its end. What lies behind a further proxy, or is asked elsewhere than where
// its messages come from, may be alive while another one answers for it. So
// such a leg is closed only together with the other one: then nobody gets a BYE.
func (c *Call) probedGone(s Side, p *Policy) (at int64, gone bool) {
	if c.Probing == nil || !c.answeredGone(s, p) {
		return 0, false
	}
	if c.direct(s, p) || c.answeredGone(s.Other(), p) || c.Leg(s.Other()).Closed() && !c.Leg(s.Other()).Probed {
		return c.Probing.leg(s).GoneAt, true
	}
	return 0, false
}

// watchHalfGone tells a person of a leg that says it is gone and is not closed:
// it is not certain who said it.
func (c *Call) watchHalfGone(p *Policy, out []Effect) []Effect {
	if c.Probing == nil {
		return out
	}
	for _, s := range [...]Side{Caller, Callee} {
		if c.Leg(s).Closed() || c.Leg(s.Other()).Closed() || !c.answeredGone(s, p) {
			continue
		}
		out = c.raise(IncidentHalfGone, SeverityWarning, s, "the "+s.String()+
			"'s leg answers OPTIONS with 481, but a proxy behind this one, or another phone at its address, may have answered; no BYE was sent",
			ReasonProbedGone, out)
	}
	return out
}

// direct says that a request to the leg goes to the very socket that its
// messages come from, and to no socket of the proxy itself.
func (c *Call) direct(s Side, p *Policy) bool {
	l := c.Leg(s)
	cmd := c.command(s, MethodOptions)
	return p.Direct != nil && c.ownSocket(s, l.Source) && p.Direct(&cmd, l.Source)
}

// oweProbed: the other end is gone, and only OPTIONS say so.
func (c *Call) oweProbed(s Side, ev *Event, p *Policy, out []Effect) []Effect {
	l, o, now := c.Leg(s), c.Leg(s.Other()), ev.Seen
	if last := l.lastBye(); last != nil && last.Ours {
		return c.oweAgain(s, last, ev, p, out)
	}
	if !c.Probing.acts() && !p.EndZombies {
		return c.raise(IncidentHalfGone, SeverityWarning, s.Other(), "the "+s.Other().String()+
			"'s leg answers OPTIONS with 481 and is gone, the "+s.String()+"'s may be up; nothing else says that the call ended, so no BYE was sent",
			ReasonProbedGone, out)
	}
	// If both are gone, nobody needs a BYE: the leg is asked twice, too.
	b := c.Probing.leg(s)
	if b.InFlight != 0 || b.GoneSeen != 0 && !b.Doubted && b.Target == l.Contact && b.MoreSeen == b.GoneSeen {
		return out
	}
	if due := o.ClosedSeen + us(p.ProbeAgain); now < due {
		c.wake(due)
		return out
	}
	return c.send(s, ReasonProbedGone, ev, p, out)
}
