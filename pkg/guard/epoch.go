package guard

import (
	"context"
	"hash/maphash"
	"maps"

	"github.com/byeguard/byeguard/pkg/call"
)

// Enter says that this byeguard acts for a node in an epoch of its lease: the
// versions of the node's calls outrank those of earlier epochs from now on.
func (g *Guard) Enter(node string, epoch int64) {
	for {
		old := g.epochs.Load()
		next := map[string]int64{}
		if old != nil {
			maps.Copy(next, *old)
		}
		next[node] = epoch
		if g.epochs.CompareAndSwap(old, &next) {
			return
		}
	}
}

// Adopt takes over a call that another byeguard has written down, unless it is
// known here; c is the guard's then. Unlike Restore it may be called while Run is under way.
func (g *Guard) Adopt(ctx context.Context, c *call.Call) error {
	// One at a time: a million of them must not wait in memory.
	return g.lane(c.CallID).have(ctx, func(l *lane) {
		if l.find(c) {
			return
		}
		now := l.now()
		c.Resume(now)
		l.noteState(l.adopt(c, now))
	})
}

// find says whether the lane knows the call, whatever it has learnt of it since.
func (l *lane) find(c *call.Call) bool {
	for e := l.calls[maphash.String(l.seed, c.CallID)]; e != nil; e = e.next {
		if e.call.Key == c.Key {
			return true
		}
	}
	return false
}

// Keys returns the calls of a node that are not over, as far as is known here.
// It needs Run.
func (g *Guard) Keys(ctx context.Context, node string) (keys []call.Key, err error) {
	err = g.eachLane(ctx, func(l *lane) {
		for _, e := range l.calls {
			for ; e != nil; e = e.next {
				if e.call.Node == node && !e.call.State.Final() && e.call.State != call.StateNew {
					keys = append(keys, e.call.Key)
				}
			}
		}
	})
	return keys, err
}

// Forget drops calls that are over, as PostgreSQL knows, and returns how many.
// Nothing follows from it: whoever closed them has written that down. It needs Run.
func (g *Guard) Forget(ctx context.Context, over map[call.Key]bool) (n int, err error) {
	if len(over) == 0 {
		return 0, nil
	}
	err = g.eachLane(ctx, func(l *lane) {
		var gone []*entry
		for _, e := range l.calls {
			for ; e != nil; e = e.next {
				if over[e.call.Key] && !e.call.State.Final() {
					gone = append(gone, e)
				}
			}
		}
		for _, e := range gone {
			l.noteDrop(e)
			l.drop(e)
		}
		n += len(gone)
	})
	return n, err
}

// eachLane has one lane after the other call f.
func (g *Guard) eachLane(ctx context.Context, f func(*lane)) error {
	for _, l := range g.lanes {
		if err := l.have(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// have has the lane call f, and waits for it.
func (l *lane) have(ctx context.Context, f func(*lane)) error {
	done := make(chan struct{})
	l.order(func() { defer close(done); f(l) })
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
