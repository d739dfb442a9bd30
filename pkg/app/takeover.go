package app

import (
	"context"
	"time"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/store"
)

// take makes this byeguard the one that acts.
func (l *leases) take(ctx context.Context, node string, epoch int64, before store.Lease, began time.Time, serving bool) {
	log := l.a.log.WithField("node", node).WithField("epoch", epoch)
	// What the holder before may have sent or not is decided anew. It is read
	// before anything of ours can be among it.
	var open []call.Command
	l.mu.Lock()
	assumed, stale := l.nodes[node].assumed, l.nodes[node].stale
	l.mu.Unlock()
	if serving && assumed && !stale { // it was ours all the time
		l.a.guard.Enter(node, epoch)
	} else if serving {
		if err := l.a.store.PendingCommands(ctx, []string{node}, func(c call.Command) error {
			open = append(open, c)
			return nil
		}); err != nil {
			log.WithError(err).Warn("commands of the byeguard before are left as they are")
		}
		l.a.guard.Enter(node, epoch)
	}
	l.a.store.Act(ctx, node, l.session, epoch, before.Written)
	for i := range open {
		l.a.guard.Result(withdrawn(&open[i], l.a.now(), "another byeguard has taken over"))
	}
	l.mu.Lock()
	n := l.nodes[node]
	n.acts, n.assumed, n.epoch, n.until, n.holder = true, false, epoch, began.Add(leaseFor), l.a.instance
	l.mu.Unlock()
	l.note(func(h *heldState) {
		was := h.Nodes[node]
		was.Epoch, was.Held = epoch, true
		h.Nodes[node] = was
	})
	switch {
	case !serving:
		return
	case assumed && !stale:
		log.Info("PostgreSQL is back: nobody else has acted for the node meanwhile")
		return
	}
	log.WithField("before", before.Instance).Warn("took over: this byeguard acts for the node now")
	l.a.guard.Release(l.a.board.Free)
	for _, nd := range l.a.nodes {
		if nd.cfg.Name == node {
			nd.tell()
		}
	}
	go l.adopt(context.WithoutCancel(ctx), node, stale)
}

// adopt takes over calls that only the byeguard before knew. If what this one
// knows is old, it also forgets the calls that the other one has closed.
func (l *leases) adopt(ctx context.Context, node string, stale bool) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	// What waited here is newer than what stands there.
	err := l.a.store.Flush(ctx)
	if err == nil {
		err = l.a.store.Load(ctx, []string{node}, func(c *call.Call) error { return l.a.guard.Adopt(ctx, c) })
	}
	if err == nil && stale {
		err = l.review(ctx, node)
	}
	if err != nil {
		l.a.log.WithError(err).WithField("node", node).Warn("calls that only the byeguard before knew are followed when they are seen again")
	}
}

// review forgets the calls that another byeguard has seen to their end.
func (l *leases) review(ctx context.Context, node string) error {
	keys, err := l.a.guard.Keys(ctx, node)
	if err != nil {
		return err
	}
	over, err := l.a.store.Finals(ctx, keys)
	if err != nil {
		return err
	}
	n, err := l.a.guard.Forget(ctx, over)
	if n > 0 {
		l.a.log.WithField("node", node).Infof("%d calls were closed by another byeguard meanwhile", n)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nodes[node].stale = err != nil
	return err
}

// lost: another byeguard acts for the node.
func (l *leases) lost(node, holder string) {
	l.mu.Lock()
	n := l.nodes[node]
	was := n.acts
	n.stale = n.stale || n.assumed // who knows what it has done meanwhile
	n.acts, n.assumed, n.holder, n.since = false, false, holder, time.Time{}
	serving := l.serving
	l.mu.Unlock()
	if !was {
		return
	}
	l.note(func(h *heldState) {
		was := h.Nodes[node]
		was.Held = false
		h.Nodes[node] = was
	})
	l.a.store.StandBy(node)
	l.a.log.WithField("node", node).WithField("holder", holder).Warn("another byeguard has taken over: this one stands by")
	if serving {
		l.a.send.Recheck()
	}
}

// fenced is told by the store's writer.
func (a *App) fenced(nodes []string) {
	for _, n := range nodes {
		a.lease.lost(n, "another byeguard")
	}
}
