package judge

import "time"

// Judge weighs the evidence.
func Judge(e Evidence) Verdict {
	var v Verdict
	records := make(map[string][]Record)
	for _, r := range e.Records {
		records[r.CallID] = append(records[r.CallID], r)
	}
	held := make(map[string]bool)
	for _, id := range e.Held {
		held[id] = true
	}
	known := make(map[string]bool)
	for i := range e.Calls {
		c := &e.Calls[i]
		known[c.ID] = true
		switch rows := records[c.ID]; {
		case len(rows) == 0:
			v.add(Missing, "%s", c.ID)
		case len(rows) > 1:
			v.add(Doubled, "%s has %d", c.ID, len(rows))
		}
		if held[c.ID] != c.Stay {
			v.add(Held, "%s, held: %v", c.ID, held[c.ID])
		}
		if c.Stay {
			v.stayed(c, records[c.ID])
		} else {
			v.ended(c, records[c.ID], e.Step)
		}
	}
	for _, r := range e.Records {
		if !known[r.CallID] {
			v.add(Stray, "%s", r.CallID)
		}
	}
	for _, id := range e.Held {
		if !known[id] {
			v.add(Held, "%s is none of ours", id)
		}
	}
	for _, text := range e.Violations {
		v.add(Violation, "%s", text)
	}
	for _, text := range e.Incidents {
		v.add(Incident, "%s", text)
	}
	v.sort()
	return v
}

// stayed judges a call that nobody was to end.
func (v *Verdict) stayed(c *Call, rows []Record) {
	v.Stayed++
	switch {
	case !c.Caller.Up || !c.Callee.Up:
		v.add(LiveEnded, "%s: caller up: %v, callee up: %v", c.ID, c.Caller.Up, c.Callee.Up)
	case len(c.Caller.Byes)+len(c.Callee.Byes) > 0:
		v.add(LiveEnded, "%s: got a BYE", c.ID)
	case c.Proof/100 != 2:
		v.add(LiveEnded, "%s: its callee answered a re-INVITE with %d", c.ID, c.Proof)
	default:
		v.Alive++
	}
	for _, r := range rows {
		if r.Final || r.Repaired {
			v.add(WrongCDR, "%s is up, its CDR says final: %v, repaired: %v", c.ID, r.Final, r.Repaired)
		}
	}
}

// ended judges a call that Kamailio was told to end.
func (v *Verdict) ended(c *Call, rows []Record, step uint32) {
	v.Ended++
	if c.Caller.Up {
		v.add(LeftUp, "%s: the caller", c.ID)
	}
	if c.Callee.Up {
		v.add(LeftUp, "%s: the callee", c.ID)
	}
	callerTold, callerMended := c.Caller.senders(step)
	calleeTold, calleeMended := c.Callee.senders(step)
	if callerTold {
		v.CallersTold++
	}
	if calleeTold {
		v.CalleesTold++
	}
	if !callerTold || !calleeTold {
		v.Lost = append(v.Lost, c.ID)
	}
	leg := "" // that byeguard sent a BYE to
	switch {
	case callerMended:
		leg = "caller"
	case calleeMended:
		leg = "callee"
	}
	if c.Caller.odd() || c.Callee.odd() {
		v.add(NotOneBye, "%s: the caller got %d, the callee %d", c.ID, len(c.Caller.Byes), len(c.Callee.Byes))
	}
	if leg != "" {
		v.Repairs = append(v.Repairs, Repair{c.ID, c.gap()})
	}
	if len(rows) == 1 {
		v.record(c, &rows[0], leg)
	}
}

// senders says whether an end got a BYE from Kamailio, and one from byeguard.
func (e *End) senders(step uint32) (kamailio, byeguard bool) {
	for _, b := range e.Byes {
		if b.Ahead >= int64(step) {
			byeguard = true
		} else {
			kamailio = true
		}
	}
	return kamailio, byeguard
}

// odd says that a leg got more than one BYE, or ended without any.
func (e *End) odd() bool { return len(e.Byes) > 1 || !e.Up && len(e.Byes) == 0 }

// gap is the time between the first BYEs of both ends.
func (c *Call) gap() time.Duration {
	if len(c.Caller.Byes) == 0 || len(c.Callee.Byes) == 0 {
		return 0
	}
	return c.Callee.Byes[0].At.Sub(c.Caller.Byes[0].At).Abs()
}

// record compares the one CDR of an ended call with what the agents saw.
func (v *Verdict) record(c *Call, r *Record, leg string) {
	if !r.Final {
		v.add(OpenCDR, "%s", c.ID)
		return
	}
	v.Records++
	if r.Disposition != "answered" {
		v.add(WrongCDR, "%s: disposition %q", c.ID, r.Disposition)
	}
	if r.ReleasedBy != "proxy" {
		v.add(WrongCDR, "%s: released by %q, it was the proxy", c.ID, r.ReleasedBy)
	}
	if r.Repaired != (leg != "") || r.Repaired && r.RepairedLeg != leg {
		v.add(WrongCDR, "%s: repaired: %v %s, the agents say %q", c.ID, r.Repaired, r.RepairedLeg, leg)
	}
	if own := c.Caller.Ended.Sub(c.Caller.Answered); !c.Caller.Up && (r.Duration-own).Abs() > Tolerance {
		v.add(WrongCDR, "%s: duration %v, the caller's clock says %v", c.ID, r.Duration, own)
	}
}
