package guard

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/byeguard/byeguard/pkg/call"
)

// Guard steps the calls of all nodes of this process.
type Guard struct {
	opts  Options
	lanes []*lane
	asker *asker
	seed  maphash.Seed

	resyncers map[string]*resyncer // by node
	out       releaser
	clean     cleaning
	calls     atomic.Uint64                    // serial number of the newest call
	epochs    atomic.Pointer[map[string]int64] // of the leases, by node
}

// New returns a guard; Run starts it.
func New(opts Options) (*Guard, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	g := &Guard{opts: opts, seed: maphash.MakeSeed(), resyncers: make(map[string]*resyncer)}
	for node, l := range opts.Listers {
		if h := opts.Holders[node]; h != nil {
			g.resyncers[node] = &resyncer{node: node, g: g, lister: l, holder: h, signal: make(chan struct{}, 1)}
		}
	}
	g.out.opts = &g.opts
	g.asker = newAsker(&g.opts, g.Result)
	for range opts.Lanes {
		g.lanes = append(g.lanes, newLane(g))
	}
	return g, nil
}

// Restore takes over a call from an earlier run that the journal does not hold;
// [Guard.WriteDown] writes it there. c is the guard's from then on. It must not be
// called after Run began.
func (g *Guard) Restore(c *call.Call) {
	now := g.opts.Clock().UnixMicro()
	c.Resume(now)
	l := g.lane(c.CallID)
	l.leaveBare(l.adopt(c, now))
}

// Clock tells by how much byeguard's clock is ahead of a node's, as it was seen
// just now: what is made here gets its time on the node's clock by it, until an
// event of the node tells better. It never blocks.
func (g *Guard) Clock(node string, ahead time.Duration) {
	for _, l := range g.lanes {
		l.order(func() { l.offset[node] = ahead.Microseconds() })
	}
}

// Run steps calls until ctx ends. Everything fed before is stepped first.
func (g *Guard) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { g.asker.run(ctx) })
	for _, r := range g.resyncers {
		wg.Go(func() { r.run(ctx) })
	}
	for _, l := range g.lanes {
		wg.Go(func() { l.run(ctx) })
	}
	wg.Wait()
	g.out.drain()
	return nil
}

// Feed takes events of one node in the order of their arrival. It never
// blocks; false means that a lane is full and events were lost: the caller
// must treat that as a gap. The slice is the guard's afterwards.
func (g *Guard) Feed(events []call.Event) bool {
	ok := true
	if len(g.lanes) == 1 {
		return g.lanes[0].push(events, g.opts.MaxQueue)
	}
	for len(events) > 0 {
		// A run of events of one lane is handed over as it is.
		lane, n := g.lane(events[0].CallID), 1
		for n < len(events) && g.lane(events[n].CallID) == lane {
			n++
		}
		ok = lane.push(events[:n:n], g.opts.MaxQueue) && ok
		events = events[n:]
	}
	return ok
}

// Result takes the outcome of a command or a question. It is never lost.
func (g *Guard) Result(ev call.Event) {
	g.lane(ev.CallID).push([]call.Event{ev}, 0)
}

func (g *Guard) lane(callID string) *lane {
	return g.lanes[maphash.String(g.seed, callID)%uint64(len(g.lanes))]
}
