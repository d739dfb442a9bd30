package chaos

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/byeguard/byeguard/pkg/lab"
)

// load places calls, lets them last and ends them, each as its plan says.
type load struct {
	seed  uint64
	rate  float64
	rpc   *lab.RPC // Kamailio's own, past the tap
	calls struct{ callers, callees []*lab.UA }
	book  *ledger

	orders chan *tracked
	wg     sync.WaitGroup

	placed, answered, refused, failed   atomic.Int64
	ordered, hungUp, reinvited, instead atomic.Int64
}

// patience bounds what an end point waits for, beyond SIP's own 32 s.
const patience = 40 * time.Second

// run places calls until ctx ends, and returns when each of them was ended as
// planned, or until stop ends.
func (l *load) run(ctx, stop context.Context) {
	l.orders = make(chan *tracked, 1<<16)
	var orderer sync.WaitGroup
	orderer.Go(func() { l.carryOut(stop) })
	began := time.Now()
	pace := time.NewTimer(0)
	defer pace.Stop()
	for n := 0; ; n++ {
		pace.Reset(time.Until(began.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))))
		select {
		case <-ctx.Done():
			l.wg.Wait()
			close(l.orders)
			orderer.Wait()
			return
		case <-pace.C:
		}
		l.wg.Go(func() { l.call(stop, n) })
	}
}

// busy is the user part that callees refuse.
const busy = "busy"

// call is the life of one call.
func (l *load) call(ctx context.Context, n int) {
	plan := planCall(l.seed, n)
	caller := l.calls.callers[n%len(l.calls.callers)]
	callee := l.calls.callees[n%len(l.calls.callees)]
	o := lab.CallOptions{To: callee.URI()}
	if plan.fate == fateBusy {
		o.Headers = []string{"X-Chaos: " + busy}
	}
	c, err := caller.Call(ctx, o)
	if err != nil {
		return
	}
	l.placed.Add(1)
	t := &tracked{caller: c, uas: callee, plan: plan}
	l.book.add(t)
	limit, cancel := context.WithTimeout(ctx, patience)
	err = c.WaitUp(limit)
	cancel()
	if err != nil {
		if plan.fate == fateBusy {
			l.refused.Add(1)
		} else {
			l.failed.Add(1)
		}
		l.abandoned(ctx, t)
		return
	}
	l.answered.Add(1)
	if plan.fate == fateStay {
		l.stay(ctx, t)
		return
	}
	if !rest(ctx, plan.hold/2) {
		return
	}
	if plan.talk {
		l.reinvite(ctx, t, n%2 == 0)
	}
	if !rest(ctx, plan.hold/2) {
		return
	}
	switch plan.fate {
	case fateProxy:
		select {
		case l.orders <- t:
		case <-ctx.Done():
		}
	case fateCallee:
		l.hangUp(t.callee())
	default:
		l.hangUp(c)
	}
}

// abandoned ends the callee's side of a call whose caller never heard of the
// answer: RFC 3261 section 13.3.1.4, no ACK for 64*T1.
func (l *load) abandoned(ctx context.Context, t *tracked) {
	callee := t.callee()
	if callee == nil || !callee.Record().State.Live() || !callee.Record().Acked.IsZero() || !rest(ctx, 32*time.Second) {
		return
	}
	if r := callee.Record(); r.State.Live() && r.Acked.IsZero() && t.caller.Record().Answered.IsZero() {
		l.hangUp(callee)
	}
}

// hangUp sends a BYE if this end's call is up.
func (l *load) hangUp(c *lab.Call) {
	if c == nil || !c.Record().State.Live() {
		return
	}
	l.hungUp.Add(1)
	_, _ = c.Send("BYE", lab.RequestOptions{}) // what comes of it is in the record
}

// stay keeps a call up until all is over, with a re-INVITE now and then from
// either side.
func (l *load) stay(ctx context.Context, t *tracked) {
	for fromCaller := true; rest(ctx, t.plan.hold); fromCaller = !fromCaller {
		l.reinvite(ctx, t, fromCaller)
	}
}

func (l *load) reinvite(ctx context.Context, t *tracked, fromCaller bool) {
	c := t.caller
	if !fromCaller {
		c = t.callee()
	}
	if c == nil || !c.Record().State.Live() {
		return
	}
	l.reinvited.Add(1)
	limit, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, _ = c.Reinvite(limit, lab.RequestOptions{}) // a refusal is in the other end's record
}

// carryOut has Kamailio end calls as an operator's timer would, one after the
// other, which is what loses most BYEs.
func (l *load) carryOut(ctx context.Context) {
	for t := range l.orders {
		for !l.order(ctx, t) {
			if !rest(ctx, 200*ms) {
				return
			}
		}
	}
}

// order tells Kamailio to end a call. A Kamailio that is down is asked again
// (false). One that has forgotten the call cannot end it: then the caller hangs
// up, if the call is up on both sides.
func (l *load) order(ctx context.Context, t *tracked) bool {
	limit, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	r := t.caller.Record()
	if !r.State.Live() {
		return true
	}
	var d struct {
		Entry uint32 `json:"h_entry"`
		ID    uint32 `json:"h_id"`
	}
	err := l.rpc.Call(limit, &d, "dlg.dlg_list", r.CallID, r.LocalTag)
	var refused *lab.RPCError
	switch {
	case errors.As(err, &refused):
	case err != nil:
		return false
	case d.ID != 0:
		t.order() // before Kamailio can do anything
		l.ordered.Add(1)
		if err := lab.EndDialog(limit, l.rpc, lab.Dialog{Entry: d.Entry, ID: d.ID}); err != nil && !errors.As(err, &refused) {
			return false // it may or may not have done it
		}
		return true
	}
	if callee := t.callee(); callee != nil && callee.Record().State.Live() && t.caller.Record().State.Live() {
		l.instead.Add(1)
		l.hangUp(t.caller)
	}
	return true
}

// rest lets d pass; false means that ctx ended first.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
