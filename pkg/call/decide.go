package call

import "time"

// decide draws what follows from the facts as they stand. now is ev.Seen.
func (c *Call) decide(ev *Event, p *Policy, out []Effect) []Effect {
	c.Wake, c.Forget = 0, false
	now := ev.Seen
	switch c.State {
	case StateNew:
		if !c.settle(now, p) {
			return out
		}
	case StateFailed:
		c.linger(now, us(p.Settle))
		return out
	case StateUp, StateEnding, StateDone:
	}
	if !c.anyBye() && c.EndedSeen == 0 && c.GoneSeen == 0 && c.VanishedSeen == 0 && c.Touched&TouchedRestart == 0 &&
		c.Probing == nil && !c.Old(now, p) {
		return out // the call is up: nothing hints at its end
	}
	out = c.closeLegs(ev, p, out)
	c.noteEnd()
	if c.State != StateDone {
		for _, s := range [...]Side{Caller, Callee} {
			out = c.owe(s, ev, p, out)
		}
		out = c.watch(now, p, out)
		out = c.probe(now, p, out)
	}
	return c.finish(now, p, out)
}

// settle turns strays into a call. What forms a dialog does so at once. A stray
// BYE does so only after the time in which its call's start may still overtake
// it, and only if it proves that there was a call: the proxy knew its dialog, and
// an end point confirmed the BYE or the proxy built it. Forged BYEs, however many, are
// thus no calls. A call that the proxy forgot by a restart is the exception.
func (c *Call) settle(now int64, p *Policy) bool {
	due, patience := c.FirstSeen+us(p.Settle), us(p.NoReply)
	proven, waiting := c.proven()
	survivor := len(c.Dialogs) == 0
	if survivor {
		proven, waiting = c.survived(p)
		patience = us(survivorWait)
	}
	switch {
	case c.Known, proven && now >= due:
		if survivor && !c.Known {
			c.Touched |= TouchedStart
		}
		c.State, c.changed = StateUp, true
		return true
	case now < due:
		c.wake(due)
	case waiting && now < c.FirstSeen+patience:
		c.wake(c.FirstSeen + patience)
	default:
		c.Forget = true
	}
	return false
}

// survivorWait is how long the answer to the BYE of a call that nobody knows is
// waited for. Such BYEs cost their sender nothing, so none is kept for long.
const survivorWait = 5 * time.Second

// survived says that the strays are the end of a call that the proxy forgot by a
// restart before byeguard had heard of it: it was being answered just then, say.
// Its proxy has no dialog of it, so both ends must agree: one sent a BYE that was
// forwarded, the other one answered it with 2xx. And the proxy's present run must be
// younger than calls may be. More than a partial record, without a
// duration, does not follow.
func (c *Call) survived(p *Policy) (yes, waiting bool) {
	oldest := p.MaxAge
	if oldest <= 0 {
		oldest = survivorAge
	}
	// The proxy's clock may have been set back since it was started.
	if c.Boot == 0 || c.FirstAt-c.Boot*1e6 > us(oldest) {
		return false, false
	}
	for i := range c.Legs {
		for j := range c.Legs[i].Byes {
			b := &c.Legs[i].Byes[j]
			agreed := b.fromEnd() && b.KnownPath && b.forwarded()
			yes = yes || agreed && b.Code/100 == 2
			waiting = waiting || agreed && b.Code == 0
		}
	}
	return yes, waiting
}

// survivorAge is the age of the oldest calls where no max_age is set.
const survivorAge = 24 * time.Hour

func (c *Call) proven() (yes, waiting bool) {
	if len(c.Dialogs) == 0 {
		return false, false
	}
	yes = c.EndedSeen != 0
	for i := range c.Legs {
		for j := range c.Legs[i].Byes {
			b := &c.Legs[i].Byes[j]
			yes = yes || b.confirmed() || b.OutSeen != 0 && !b.Dialog.Dialog.IsZero()
			waiting = waiting || b.reached() && b.Code == 0
		}
	}
	return yes, waiting
}

// owe decides whether a leg is owed a BYE, now or later.
func (c *Call) owe(s Side, ev *Event, p *Policy, out []Effect) []Effect {
	l, now := c.Leg(s), ev.Seen
	if l.Closed() {
		return out
	}
	if l.InFlight != 0 {
		if l.Deferred != ReasonNone {
			return out // whoever holds it back withdraws it one day
		}
		// Whoever carries out commands always reports. This bound only keeps a
		// lost report from holding the leg for ever.
		due := l.InFlight + 2*us(p.NoReply)
		if now < due {
			c.wake(due)
			return out
		}
		l.InFlight = 0
	}
	if c.Leg(s.Other()).Probed {
		return c.oweProbed(s, ev, p, out)
	}
	last := l.lastBye()
	if last == nil {
		return c.oweFirst(s, ev, p, out)
	}
	return c.oweAgain(s, last, ev, p, out)
}

// oweFirst: no BYE ever went towards the leg. Evidence table, rows 1 to 3, and
// the case that the other end confirmed a BYE which came from elsewhere than
// this leg.
func (c *Call) oweFirst(s Side, ev *Event, p *Policy, out []Effect) []Effect {
	o, now := c.Leg(s.Other()), ev.Seen
	if c.EndedSeen != 0 { // row 2: Kamailio says that it ended the call
		if c.LostSeen != 0 {
			return c.send(s, ReasonLogLine, ev, p, out)
		}
		if due := c.EndedSeen + us(p.Grace); now < due {
			c.wake(due)
			return out
		}
		return c.send(s, ReasonProxyEnded, ev, p, out)
	}
	if first := o.proxyBye(); first != nil { // row 1, or 3 with the log line
		reason, due := ReasonByeMissing, first.OutSeen+us(p.Grace)
		if c.LostSeen != 0 {
			reason, due = ReasonLogLine, now
		}
		switch {
		case now < due:
			c.wake(due)
			return out
		case c.Asks.Gone:
			return c.send(s, reason, ev, p, out)
		case o.State.confirmed() && !c.Asks.Held:
			// Nobody can be asked, for a minute now: the proxy was restarted, or its
			// JSON-RPC is down. The other end is known to be gone: that is enough.
			due := o.ClosedSeen + us(p.Stuck)
			if now >= due {
				return c.send(s, ReasonOtherEndGone, ev, p, out)
			}
			c.wake(due)
		}
		return c.ask(first, now, out)
	}
	if o.State.confirmed() {
		if due := o.ClosedSeen + us(p.Grace); now < due {
			c.wake(due)
			return out
		}
		return c.send(s, ReasonOtherEndGone, ev, p, out)
	}
	return out
}

// oweAgain: a BYE went towards the leg and has not closed it. Evidence table,
// row 4: it is repeated only where the call is known to have ended, by the
// other end or by Kamailio itself.
func (c *Call) oweAgain(s Side, last *Bye, ev *Event, p *Policy, out []Effect) []Effect {
	l, now := c.Leg(s), ev.Seen
	if !c.Ended() && !c.Leg(s.Other()).Closed() {
		return out
	}
	reason := ReasonByeFailed
	if last.Code == 0 || last.Code == 408 {
		reason = ReasonByeUnanswered
		if due := last.sentSeen() + us(p.NoReply); last.Code == 0 && now < due {
			c.wake(due)
			return out
		}
	}
	if !last.Counted {
		last.Counted, c.changed = true, true
		l.Fails++
		l.FailSeen = now
	}
	if last.Ours && needsCredentials(last.Code) {
		return c.giveUp(s, ReasonAuthRequired, now, out)
	}
	if int(l.Fails) > len(p.Retry) || l.Sent() > len(p.Retry)+1 {
		return c.giveUp(s, ReasonExhausted, now, out)
	}
	if due := l.FailSeen + us(p.Retry[l.Fails-1]); now < due {
		c.wake(due)
		return out
	}
	return c.send(s, reason, ev, p, out)
}

// askAgain is how long to wait between questions: the proxy is asked at once,
// then ever more slowly, for as long as it holds the dialog.
var askAgain = [...]int64{0, 1e6, 5e6, 30e6, 60e6}

func (c *Call) ask(b *Bye, now int64, out []Effect) []Effect {
	a := &c.Asks
	if a.Pending {
		return out
	}
	if due := a.Last + askAgain[min(int(a.Count), len(askAgain)-1)]; now < due {
		c.wake(due)
		return out
	}
	d := b.Dialog
	if d.Dialog.IsZero() && len(c.Dialogs) > 0 { // built by somebody's own tm.t_uac_*
		d = c.Dialogs[0]
	}
	if d.Dialog.IsZero() {
		return out // a BYE of no dialog that is known proves nothing
	}
	a.Pending = true
	return append(out, Effect{Kind: EffectAsk, Reason: ReasonByeMissing, Question: Question{
		Key: c.Key, Node: d.Node, Boot: d.Boot, Dialog: d.Dialog,
		CallID: c.CallID, FromTag: c.Leg(Caller).Tag, ToTag: c.Leg(Callee).Tag,
	}})
}

// finish ends the call when both legs are accounted for, and lets it go when
// late events need not be expected any more.
func (c *Call) finish(now int64, p *Policy, out []Effect) []Effect {
	caller, callee := c.Leg(Caller), c.Leg(Callee)
	if !caller.Closed() || !callee.Closed() {
		if c.State == StateUp && (caller.Closed() || callee.Closed() || c.Ended()) {
			c.State, c.changed = StateEnding, true
		}
		return out
	}
	if c.State != StateDone {
		if due := max(c.mayPass(Caller, p), c.mayPass(Callee, p)); now < due {
			if c.State == StateUp {
				c.State, c.changed = StateEnding, true
			}
			c.wake(due)
			return out
		}
		c.State, c.DoneSeen, c.changed = StateDone, now, true
		out = c.resolveAll(out)
	}
	keep := p.Linger
	if caller.State == LegUnconfirmed || callee.State == LegUnconfirmed {
		keep = p.LingerBad
	}
	c.linger(now, us(keep))
	return out
}

func (c *Call) linger(now, keep int64) {
	if due := c.DoneSeen + keep; now < due {
		c.wake(due)
		return
	}
	c.Forget = true
}

// wake asks for a tick at t at the latest.
func (c *Call) wake(t int64) {
	if c.Wake == 0 || t < c.Wake {
		c.Wake = t
	}
}
