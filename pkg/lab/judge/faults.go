package judge

import (
	"fmt"
	"time"
)

// The ways to go wrong under faults. No fault is an excuse for any of them.
const (
	KilledLive   Kind = "a live call was ended by byeguard"
	EndedByOther Kind = "a live call was ended by somebody, not byeguard"
	OneSided     Kind = "a call is up on one side only, and no incident of it is open"
	NotOneCDR    Kind = "an answered call has no CDR, or more than one"
	NotFinal     Kind = "a call is over and its CDR is not final"
	FinalLive    Kind = "a call is up and its CDR is final"
	Disturbed    Kind = "an end point refused the other's own request with 500"
	HeldUp       Kind = "the proxy's OPTIONS was lost or late because of byeguard"
)

// FaultKinds returns the ways to go wrong under faults, the gravest first.
func FaultKinds() []Kind {
	return []Kind{KilledLive, EndedByOther, OneSided, NotOneCDR, NotFinal, FinalLive, Disturbed, HeldUp}
}

// Trial is the evidence of a run under faults.
type Trial struct {
	Calls   []Call
	Records []Record
	// Incidents counts the open ones, by Call-ID.
	Incidents map[string]int
	Pings     []Ping // those that were late or lost, at least
	// Step is byeguard's cseq_step, see Evidence.
	Step uint32
}

// Ping is one OPTIONS to the guarded proxy, and its twin: one that was sent at
// the same moment to a proxy without byeguard on the same machine. What slows
// the machine slows both.
type Ping struct {
	At   time.Time
	Took time.Duration // negative = no answer
	Twin time.Duration // the slowest of the twins around it, negative = one had no answer
	// Down says that we had stopped the guarded proxy ourselves.
	Down bool
	// Waiting says that, while the answer was overdue, the guarded proxy's SIP
	// workers were seen blocked in writes to the event dispatcher, and none was
	// idle: whatever else is slow, that is byeguard's doing. Looked says that
	// somebody could look.
	Waiting, Looked bool
}

// LatePing is when an OPTIONS counts as late.
const LatePing = 50 * time.Millisecond

// Late says that the answer was lost or late.
func (p *Ping) Late() bool { return p.Took < 0 || p.Took > LatePing }

// ByByeguard says whether byeguard held the proxy up: the answer was late or
// lost while the proxy ran, and either a worker was seen waiting for byeguard,
// or the twin was in time and nobody could look. An answer that is lost
// altogether needs no witness but its twin.
func (p *Ping) ByByeguard() bool {
	if p.Down || !p.Late() {
		return false
	}
	twinFine := p.Twin >= 0 && p.Twin <= LatePing/2
	return p.Waiting || twinFine && (p.Took < 0 || !p.Looked)
}

// UnderFaults weighs the evidence of a run in which anything could break.
func UnderFaults(t *Trial) Verdict {
	var v Verdict
	rows := make(map[string][]*Record)
	for i := range t.Records {
		r := &t.Records[i]
		rows[r.CallID] = append(rows[r.CallID], r)
	}
	for i := range t.Calls {
		c := &t.Calls[i]
		v.wronglyEnded(c, t.Step)
		v.disturbed(c)
		if c.Caller.Answered.IsZero() {
			// The caller never heard of an answer: no call to bill or to repair.
			if n := len(rows[c.ID]); n > 1 {
				v.add(NotOneCDR, "%s, never answered, has %d", c.ID, n)
			}
			continue
		}
		v.faced(c, rows[c.ID], t.Incidents[c.ID] > 0, t.Step)
	}
	for i := range t.Pings {
		if p := &t.Pings[i]; p.ByByeguard() {
			v.add(HeldUp, "%s: %s, its twin %s, workers waiting for byeguard: %v", p.At.Format("15:04:05.000"), took(p.Took), took(p.Twin), p.Waiting)
		}
	}
	v.sort()
	return v
}

func took(d time.Duration) string {
	if d < 0 {
		return "no answer"
	}
	return fmt.Sprint(d.Round(100 * time.Microsecond))
}

// faced judges an answered call by how its ends are now.
func (v *Verdict) faced(c *Call, rows []*Record, incident bool, step uint32) {
	if c.Untold && len(rows) == 0 {
		v.Untold++
	} else if len(rows) != 1 {
		v.add(NotOneCDR, "%s has %d (caller up: %v, callee up: %v; %s)", c.ID, len(rows), c.Caller.Up, c.Callee.Up, c.how())
	}
	final := len(rows) == 1 && rows[0].Final
	switch {
	case c.Caller.Up && c.Callee.Up:
		v.Stayed++
		v.Alive++
		if final {
			v.add(FinalLive, "%s", c.ID)
		}
		return
	case c.Caller.Up != c.Callee.Up:
		v.Lost = append(v.Lost, c.ID)
		if !incident {
			v.add(OneSided, "%s: caller up: %v, callee up: %v, %s", c.ID, c.Caller.Up, c.Callee.Up, c.how())
		}
	case len(rows) == 1 && !final:
		v.add(NotFinal, "%s: %s", c.ID, c.how())
	case final:
		v.Records++
	}
	v.Ended++
	callerTold, callerMended := c.Caller.senders(step)
	calleeTold, calleeMended := c.Callee.senders(step)
	if callerTold {
		v.CallersTold++
	}
	if calleeTold {
		v.CalleesTold++
	}
	if callerMended || calleeMended {
		v.Repairs = append(v.Repairs, Repair{c.ID, c.gap()})
	}
}

// how tells how the call was ended, for people.
func (c *Call) how() string {
	text := ""
	for _, e := range []struct {
		what string
		at   time.Time
	}{
		{"answered ", c.Caller.Answered}, {"caller's BYE ", c.Caller.SentBye}, {"callee's BYE ", c.Callee.SentBye}, {"dlg.end_dlg ", c.Ordered},
		{"caller over ", c.Caller.Ended}, {"callee over ", c.Callee.Ended},
	} {
		if !e.at.IsZero() {
			if text != "" {
				text += ", "
			}
			text += e.what + e.at.Format("15:04:05.000")
		}
	}
	return text
}

// wronglyEnded looks for a BYE that ended a leg though nobody had ended the
// call: neither the other end by a BYE of its own, nor an order to Kamailio.
func (v *Verdict) wronglyEnded(c *Call, step uint32) {
	for _, side := range []struct {
		name      string
		end, peer *End
	}{{"caller", &c.Caller, &c.Callee}, {"callee", &c.Callee, &c.Caller}} {
		// A callee whose 200 the caller never got has nobody at the other end.
		if side.peer.Answered.IsZero() {
			continue
		}
		for _, b := range side.end.Byes {
			if !b.Ended || before(side.peer.SentBye, b.At) || before(side.end.SentBye, b.At) || before(c.Ordered, b.At) {
				continue
			}
			kind := EndedByOther
			if b.Ahead >= int64(step) {
				kind = KilledLive
			}
			v.add(kind, "%s: the %s got a BYE at %s, %s", c.ID, side.name, b.At.Format("15:04:05.000"), c.how())
			return // the other side's end only follows from it
		}
	}
}

func before(at, then time.Time) bool { return !at.IsZero() && !at.After(then) }

// disturbed looks for requests that an end point refused because of a CSeq that
// somebody else had used in its peer's name.
func (v *Verdict) disturbed(c *Call) {
	for _, e := range []*End{&c.Caller, &c.Callee} {
		for _, text := range e.Upset {
			v.add(Disturbed, "%s", text)
		}
	}
}
