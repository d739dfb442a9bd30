package chaos

import (
	"sync"
	"time"

	"github.com/byeguard/byeguard/pkg/lab"
	"github.com/byeguard/byeguard/pkg/lab/judge"
)

// tracked is one call of the run.
type tracked struct {
	caller *lab.Call
	uas    *lab.UA
	plan   callPlan

	mu      sync.Mutex
	other   *lab.Call
	ordered time.Time
}

// callee is the other end's call, nil while the INVITE has not reached it.
func (t *tracked) callee() *lab.Call {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.other == nil {
		t.other = t.uas.Find(t.caller.CallID())
	}
	return t.other
}

// order notes that Kamailio is told to end the call.
func (t *tracked) order() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ordered.IsZero() {
		t.ordered = time.Now()
	}
}

// evidence is what both ends know of the call now.
func (t *tracked) evidence() judge.Call {
	caller := t.caller.Record()
	callee := lab.Record{State: lab.StateFailed}
	if other := t.callee(); other != nil {
		callee = other.Record()
	}
	c := judge.FromRecords(&caller, &callee)
	t.mu.Lock()
	defer t.mu.Unlock()
	c.Ordered = t.ordered
	return c
}

// ledger keeps all calls of a run. Those that have been over for a while are
// kept as evidence only, so that an hour of calls needs no gigabytes.
type ledger struct {
	uas []*lab.UA

	mu   sync.Mutex
	open []*tracked
	over []judge.Call
}

// remembered is how long the agents know a call that is over: longer than any
// request of it may be on its way.
const remembered = 3 * time.Minute

func (l *ledger) add(t *tracked) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = append(l.open, t)
}

// sweep files the calls that have been over for a while.
func (l *ledger) sweep() {
	before := time.Now().Add(-remembered)
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := l.open[:0]
	for _, t := range l.open {
		c := t.evidence()
		done := !c.Caller.Up && !c.Callee.Up && over(&c.Caller, before) && over(&c.Callee, before) &&
			t.caller.Record().State != lab.StateCalling && t.caller.Record().State != lab.StateRinging
		if done {
			l.over = append(l.over, c)
		} else {
			kept = append(kept, t)
		}
	}
	clear(l.open[len(kept):])
	l.open = kept
	for _, ua := range l.uas {
		ua.ForgetEnded(before.Add(-time.Minute)) // after we did
	}
}

func over(e *judge.End, before time.Time) bool { return e.Ended.Before(before) }

// evidence returns all calls as they are now.
func (l *ledger) evidence() []judge.Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := append([]judge.Call(nil), l.over...)
	for _, t := range l.open {
		all = append(all, t.evidence())
	}
	return all
}
