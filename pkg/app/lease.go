package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"sync"
	"time"

	"github.com/byeguard/byeguard/pkg/store"
)

// leaseEvery is how often a lease is renewed and looked at, leaseFor how long a
// holder may be silent: a standby acts 2 to 2.8 s after the holder died.
const (
	leaseEvery = 400 * time.Millisecond
	leaseFor   = 2 * time.Second
)

// leases says for which nodes this byeguard acts, see decision 0011. Time is
// this process's own monotonic clock alone: a standby takes a lease that it has
// seen unchanged for leaseFor, whatever the clocks of others show.
type leases struct {
	a       *App
	session string // this run
	holds   *holds // what data_dir knows of it
	rounds  sync.Mutex

	mu      sync.Mutex
	nodes   map[string]*nodeLease
	serving bool // the guard is there
}

type nodeLease struct {
	acts bool
	// assumed: PostgreSQL was away at the start, and data_dir says that nobody
	// else acts.
	assumed bool
	// stale: another byeguard has acted since what this one knows was true.
	stale  bool
	epoch  int64
	until  time.Time   // acting is certain until then
	seen   store.Lease // as it was last seen, while another one holds it
	since  time.Time   // it has not changed since; zero = it was not seen
	holder string
}

// startLeases takes what nobody holds. It must run for as long as the store
// writes.
func (a *App) startLeases(ctx context.Context) error {
	var random [8]byte
	_, _ = rand.Read(random[:]) // it does not fail (crypto/rand)
	l := &leases{a: a, session: hex.EncodeToString(random[:]), nodes: map[string]*nodeLease{}}
	var err error
	if l.holds, err = openHolds(a.cfg.DataDir); err != nil {
		a.log.WithError(err).Warn("without PostgreSQL this byeguard does not act")
	}
	for i := range a.cfg.Nodes {
		l.nodes[a.cfg.Nodes[i].Name] = &nodeLease{}
		a.store.StandBy(a.cfg.Nodes[i].Name)
	}
	a.lease = l
	if a.store.Ready() == nil {
		l.round(ctx, true)
	} else {
		l.assume()
	}
	a.parts.run("lease", 2*time.Second, func(ctx context.Context) error {
		tick := time.NewTicker(leaseEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				l.mu.Lock()
				may := l.serving // not while the calls of an earlier run are loaded
				l.mu.Unlock()
				l.round(ctx, may)
			case <-ctx.Done():
				gone, cancel := context.WithTimeout(context.WithoutCancel(ctx), deskPatience)
				defer cancel()
				l.giveUp(gone)
				return nil
			}
		}
	})
	return nil
}

// note writes down what data_dir is to know.
func (l *leases) note(f func(*heldState)) {
	if err := l.holds.change(f); err != nil {
		l.a.desk.grumble(l.a, err)
	}
}

// giveUp ends the leases in order. A byeguard without a standby goes on acting
// for its nodes after a restart, whether PostgreSQL is there or not.
func (l *leases) giveUp(ctx context.Context) {
	if err := l.a.store.GiveUpLeases(ctx, l.session); err != nil {
		l.a.log.WithError(err).Debug("a standby takes over when the lease has run out")
		return
	}
	l.note(func(h *heldState) {
		for name, n := range h.Nodes {
			n.Held = n.Held && !n.Shared
			h.Nodes[name] = n
		}
	})
}

// shared notes which nodes have other byeguards.
func (l *leases) shared(names []string) {
	l.note(func(h *heldState) {
		for name := range l.nodes {
			n := h.Nodes[name]
			n.Shared = slices.Contains(names, name)
			h.Nodes[name] = n
		}
	})
}

// serve says that the guard is there.
func (l *leases) serve() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.serving = true
	for name, n := range l.nodes {
		if !n.acts {
			l.a.log.WithField("node", name).WithField("holder", n.holder).Info("standing by: another byeguard acts for the node")
		}
	}
}

// isStale says whether another byeguard has acted since what this one's journal
// tells.
func (l *leases) isStale() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range l.nodes {
		if n.stale {
			return true
		}
	}
	return false
}

// settle says that PostgreSQL was asked: what is known is true again.
func (l *leases) settle() {
	l.mu.Lock()
	for _, n := range l.nodes {
		n.stale = false
	}
	l.mu.Unlock()
	for name := range l.nodes {
		l.enter(name)
	}
}

// enter tells the guard of a lease that is held, and says whether it is. What a
// stale journal tells must not outrank what was written since: such a node is
// entered after PostgreSQL was asked.
func (l *leases) enter(node string) bool {
	l.mu.Lock()
	n := *l.nodes[node]
	l.mu.Unlock()
	if n.acts && !n.stale {
		l.a.guard.Enter(node, n.epoch)
	}
	return n.acts
}

// acts says whether BYEs may be sent to a node, else why not.
func (a *App) acts(node string) (bool, string) {
	for _, n := range a.nodes {
		if n.cfg.Name == node && n.isForeign() {
			return false, "JSON-RPC is answered by another Kamailio"
		}
	}
	return a.lease.acts(node)
}

// acts says whether this byeguard acts for a node, else who does. A byeguard
// that was stopped for a while does not act before it has asked.
func (l *leases) acts(node string) (bool, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.nodes[node]
	switch {
	case n == nil:
		return true, "" // the sender says that there is no such node
	case !n.acts && n.holder == "":
		return false, "standby: PostgreSQL does not say who acts"
	case !n.acts:
		return false, "standby: " + n.holder + " acts"
	case time.Now().After(n.until):
		return false, "the lease is being looked at"
	}
	return true, ""
}

// heldNames are the nodes for which this byeguard acts from its start on.
func (a *App) heldNames() []string {
	return slices.DeleteFunc(a.nodeNames(), func(n string) bool { return !a.lease.enter(n) })
}
