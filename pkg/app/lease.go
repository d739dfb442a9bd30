package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"sync"
	"time"

	"github.com/byeguard/byeguard/pkg/call"
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
		err = l.a.store.Load(ctx, []string{node}, func(c call.Call) error { return l.a.guard.Adopt(ctx, c) })
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
