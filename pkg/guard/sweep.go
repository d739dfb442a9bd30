package guard

import (
	"time"

	"github.com/byeguard/byeguard/pkg/call"
)

// Calls that are up have no timer each: nearly all of a million would run out
// for nothing. Every now and then a lane goes through its calls instead and finds
// those that have grown old. It takes some 100 ms for a million calls.

// sweepBatch is how many calls are stepped before their outcome is handed on.
const sweepBatch = 1000

// sweepEvery is short enough that nothing is noticed much later than it is due.
func sweepEvery(p *call.Policy) time.Duration {
	every := p.ProbeSlow / 2
	if p.MaxAge > 0 {
		every = min(every, p.MaxAge/2)
	}
	return max(every, 100*time.Millisecond)
}

// sweep looks at every call of the lane.
func (l *lane) sweep(now int64) {
	stepped := 0
	for _, e := range l.calls {
		for e != nil {
			next := e.next
			if c := e.call; c.Old(now, &l.opts.Policy) {
				l.step(e, &call.Event{Kind: call.KindTick, Node: c.Node, CallID: c.CallID, Seen: now, At: now - l.offset[c.Node]})
				if stepped++; stepped%sweepBatch == 0 {
					l.flush()
				}
			}
			e = next
		}
	}
}
