package guard

import (
	"sync"
	"time"

	"github.com/byeguard/byeguard/pkg/call"
)

// releaser holds back what follows from inputs until the journal has them on
// disk: the updates for the store and the commands. It keeps the order of the
// journal's positions, over all lanes.
type releaser struct {
	opts *Options

	mu        sync.Mutex
	committed uint64
	queue     []release
	free      []release // emptied ones, for their memory
}

// release is what one turn of a lane gave.
type release struct {
	pos     uint64
	updates []call.Update
	effects []call.Effect
}

// take writes a lane's turn to the journal and queues what follows from it.
func (r *releaser) take(l *lane) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := release{updates: l.updates, effects: l.effects}
	l.updates, l.effects = nil, nil
	if k := len(r.free); k > 0 {
		l.updates, l.effects = r.free[k-1].updates, r.free[k-1].effects
		r.free = r.free[:k-1]
	}
	if j := r.opts.Journal; j != nil {
		l.notes.addPlaces()
		if l.notes.n > 0 {
			urgent := false
			for i := range n.effects {
				urgent = urgent || n.effects[i].Kind == call.EffectBye
			}
			n.pos = j.Append(l.notes.buf, l.notes.n, urgent)
			l.notes.filed(n.pos)
		}
	}
	for i := range n.updates {
		n.updates[i].Pos = n.pos
	}
	if n.pos <= r.committed && len(r.queue) == 0 {
		r.do(&n)
		return
	}
	r.queue = append(r.queue, n)
}

// Committed tells the guard that the journal has everything up to that
// position, or has given up to wait for it. It does not block.
func (g *Guard) Committed(upto uint64) {
	r := &g.out
	r.mu.Lock()
	defer r.mu.Unlock()
	r.committed = max(r.committed, upto)
	done := 0
	for done < len(r.queue) && r.queue[done].pos <= r.committed {
		r.do(&r.queue[done])
		done++
	}
	if done == len(r.queue) {
		r.queue = r.queue[:0]
		return
	}
	r.queue = append(r.queue[:0], r.queue[done:]...)
}

// do hands the updates to the store, then has the commands carried out.
func (r *releaser) do(n *release) {
	if len(n.updates) > 0 {
		r.opts.Store.Put(n.updates)
	}
	for i := range n.effects {
		switch e := &n.effects[i]; e.Kind {
		case call.EffectBye, call.EffectProbe:
			r.opts.Sender.Send(e.Command)
		case call.EffectIncident:
			logIncident(r.opts, &e.Incident, e.Reason)
		case call.EffectAsk: // was asked before
		}
	}
	clear(n.updates)
	clear(n.effects)
	if len(r.free) < 8 && cap(n.updates) <= 4096 {
		r.free = append(r.free, release{updates: n.updates[:0], effects: n.effects[:0]})
	}
}

// drainFor is how long the end of Run waits for the journal.
const drainFor = 2 * time.Second

// drain lets go what still waits when the guard ends: the journal commits it
// in a moment, or waives it.
func (r *releaser) drain() {
	end := time.Now().Add(drainFor)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for now := time.Now(); now.Before(end); now = <-tick.C {
		r.mu.Lock()
		waiting := len(r.queue)
		r.mu.Unlock()
		if waiting == 0 {
			return
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.queue {
		r.do(&r.queue[i])
	}
	r.queue = nil
}
