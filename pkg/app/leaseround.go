package app

import (
	"context"
	"time"

	"github.com/byeguard/byeguard/pkg/store"
)

// assume acts for the nodes for which nobody else can: this byeguard held their
// leases when PostgreSQL went away, or has never had a standby.
func (l *leases) assume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.holds.state()
	for name, n := range l.nodes {
		log := l.a.log.WithField("node", name)
		if !was.alone(name) {
			log.Warn("PostgreSQL is away, and another byeguard may act for the node: this one only watches")
			continue
		}
		n.acts, n.assumed, n.epoch, n.holder = true, true, was.Nodes[name].Epoch, l.a.instance
		n.until = time.Now().Add(leaseFor)
		l.a.store.Assume(name, n.epoch)
		log.WithField("epoch", n.epoch).Warn("PostgreSQL is away: this byeguard was the last one to act for the node, and goes on")
	}
	l.note(func(h *heldState) { h.Away = true })
}

// round renews what is held and takes what nobody holds any more.
func (l *leases) round(ctx context.Context, may bool) {
	l.rounds.Lock()
	defer l.rounds.Unlock()
	if l.a.store.Ready() != nil {
		l.away()
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*deskPatience)
	defer cancel()
	names := make([]string, 0, len(l.nodes))
	for n := range l.nodes {
		names = append(names, n)
	}
	began := time.Now()
	rows, err := l.a.store.RenewLeases(ctx, l.session, names)
	if err != nil {
		l.away()
		return
	}
	found := map[string]store.Lease{}
	for _, r := range rows {
		found[r.Node] = r
	}
	for _, n := range names {
		l.look(ctx, n, found[n], began, may)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range l.nodes {
		if n.assumed {
			return // still as it was when PostgreSQL was away
		}
	}
	l.note(func(h *heldState) { h.Away = false })
}

// away: PostgreSQL cannot be asked. The holder goes on: nobody can have taken
// its lease from a PostgreSQL that is away, and where only this way to it is
// cut, a BYE that is sent twice does no harm, while writing needs the lease. A
// standby begins to watch anew: its silence is no evidence against the holder.
func (l *leases) away() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range l.nodes {
		n.since = time.Time{}
		if n.acts {
			n.until = time.Now().Add(leaseFor)
		}
	}
	l.note(func(h *heldState) { h.Away = true })
}

// look decides about one node.
func (l *leases) look(ctx context.Context, node string, row store.Lease, began time.Time, may bool) {
	l.mu.Lock()
	n, serving := l.nodes[node], l.serving
	mine := row.Session == l.session && row.Session != ""
	switch {
	case mine && n.acts && row.Epoch == n.epoch:
		n.until = began.Add(leaseFor)
		l.mu.Unlock()
		return
	case n.assumed && !may:
		l.mu.Unlock()
		return
	}
	free := row.Epoch == 0 || row.Instance == "" || row.Instance == l.a.instance // that one has ended: it had data_dir
	if n.acts && (!n.assumed || !free) {
		l.mu.Unlock()
		l.lost(node, row.Instance)
		return
	}
	n.holder = row.Instance
	known := l.holds.state().Nodes[node].Epoch
	n.stale = n.stale || !serving && row.Epoch != known && row.Epoch != 0 || n.assumed && row.Epoch != n.epoch
	if row != n.seen || n.since.IsZero() {
		if row.Epoch != n.seen.Epoch || row.Renewed != n.seen.Renewed || n.since.IsZero() {
			n.since = began
		}
		n.seen = row
	}
	free = free || time.Since(n.since) >= leaseFor
	l.mu.Unlock()
	if !free || !may {
		l.a.store.Trim(node, row.Written)
		return
	}
	epoch, ok, err := l.a.store.TakeLease(ctx, node, l.a.instance, l.session, row)
	if err != nil || !ok {
		return // the next round sees why
	}
	l.take(ctx, node, epoch, row, began, serving)
}
