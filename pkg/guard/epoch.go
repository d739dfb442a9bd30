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
// known here. Unlike Restore it may be called while Run is under way.
func (g *Guard) Adopt(ctx context.Context, c call.Call) error {
	l := g.lane(c.CallID)
	done := make(chan struct{})
	l.order(func() {
		defer close(done)
		if l.find(&c) {
			return
		}
		now := l.now()
		c.Resume(now)
		l.adopt(&c, now)
	})
	select { // one at a time: a million of them must not wait in memory
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
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
