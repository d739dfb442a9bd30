package app

import (
	"sync"
	"time"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/evapi"
	"github.com/byeguard/byeguard/pkg/guard"
	"github.com/byeguard/byeguard/pkg/metrics"
	"github.com/byeguard/byeguard/pkg/store"
)

// tallies count what is rare: incidents, by node and kind.
type tallies struct {
	mu        sync.Mutex
	incidents map[incidentPlace]*metrics.Incidents
}

type incidentPlace struct {
	node string
	kind call.IncidentKind
}

// count counts an incident that this byeguard writes. One that concerns a node and
// settles nothing (it is told whether or not there was one) does not count.
func (t *tallies) count(r *store.Raised) {
	in := &r.Incident
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.incidents == nil {
		t.incidents = map[incidentPlace]*metrics.Incidents{}
	}
	at := incidentPlace{r.Node, in.Kind}
	n := t.incidents[at]
	if n == nil {
		n = &metrics.Incidents{
			Node: r.Node, Kind: in.Kind, Reasons: map[call.Reason]uint64{}, Overrun: map[string]time.Duration{},
		}
		t.incidents[at] = n
	}
	switch {
	case !in.Resolved:
		n.Opened++
		n.Reasons[r.Reason]++
	case n.Opened > n.Resolved || r.Call != nil:
		n.Resolved++
		if over, bound := overran(r); over > 0 {
			n.Overrun[bound] += over
		}
	}
}

// overran is how long the leg of a settled one-sided BYE ran on, as far as that
// is known.
func overran(r *store.Raised) (over time.Duration, bound string) {
	if r.Call == nil || r.Incident.Kind != call.IncidentOneSided || r.Incident.Leg == call.SideNone {
		return 0, ""
	}
	l := r.Call.Leg(r.Incident.Leg)
	if l.EndAt == 0 || r.Call.EndAt == 0 || l.State == call.LegUnconfirmed {
		return 0, ""
	}
	bound = metrics.BoundExact
	if l.State == call.LegGone {
		bound = metrics.BoundUpper
	}
	return time.Duration(max(l.EndAt-r.Call.EndAt, 0)) * time.Microsecond, bound
}

// repaired says whether byeguard's BYE ended the leg of a settled one-sided BYE.
func repaired(r *store.Raised) bool {
	if r.Call == nil || !r.Incident.Resolved || r.Incident.Kind != call.IncidentOneSided || r.Incident.Leg == call.SideNone {
		return false
	}
	l := r.Call.Leg(r.Incident.Leg)
	return l.Sent() > 0 && (l.State == call.LegConfirmed || l.State == call.LegGone)
}

// list returns a copy.
func (t *tallies) list() (list []metrics.Incidents) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.incidents {
		c := *n
		c.Reasons, c.Overrun = map[call.Reason]uint64{}, map[string]time.Duration{}
		for k, v := range n.Reasons {
			c.Reasons[k] = v
		}
		for k, v := range n.Overrun {
			c.Overrun[k] = v
		}
		list = append(list, c)
	}
	return list
}

// nodeTally counts what is rare at a node.
type nodeTally struct {
	mu             sync.Mutex
	gaps           map[string]uint64 // by cause
	hole           time.Time         // when events were last kept back
	resyncs, fails uint64
	vanished       uint64
	took           time.Duration
}

// gateMemory is for how long a credit gate counts as closed after it was.
const gateMemory = 30 * time.Second

func (t *nodeTally) gap(g *evapi.Gap, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gaps == nil {
		t.gaps = map[string]uint64{}
	}
	t.gaps[string(g.Cause)]++
	if g.Cause == evapi.CauseHole {
		t.hole = now
	}
}

func (t *nodeTally) resynced(r *guard.Resynced) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.Err != nil {
		t.fails++
		return
	}
	t.resyncs++
	t.vanished += uint64(max(r.Vanished, 0))
	t.took = r.Took
}

// creditGate says whether the proxy relays its events: "open", "closed" while it
// keeps events back or did so a moment ago, since its credit was used up, and
// "unknown" without a connection or a gate (UDP).
func (n *node) creditGate() string {
	st := n.read()
	if !st.Connected || st.CreditLimit <= 0 {
		return "unknown"
	}
	n.tally.mu.Lock()
	closed := !n.tally.hole.IsZero() && n.app.now().Sub(n.tally.hole) < gateMemory
	n.tally.mu.Unlock()
	if closed || creditUsed(&st) >= st.CreditLimit {
		return "closed"
	}
	return "open"
}

// creditUsed is how many events were read and not acknowledged. The proxy's
// counter is 31 bits wide, and begins anywhere: what cannot be is the moment
// before the first acknowledgement of a connection.
func creditUsed(st *evapi.Stats) int64 {
	used := (st.LastSent - st.LastAcked) & 0x7fffffff
	if used > 1<<20 || st.Acks == 0 {
		return 0
	}
	return used
}

// read returns the figures of the node's reader, zero while there is none yet.
func (n *node) read() evapi.Stats {
	n.mu.Lock()
	events := n.events
	n.mu.Unlock()
	if events == nil {
		return evapi.Stats{}
	}
	return events.Stats()
}
