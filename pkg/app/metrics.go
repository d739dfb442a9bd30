package app

import (
	"slices"
	"time"

	"github.com/byeguard/byeguard/pkg/alert"
	"github.com/byeguard/byeguard/pkg/compensate"
	"github.com/byeguard/byeguard/pkg/control"
	"github.com/byeguard/byeguard/pkg/metrics"
	"github.com/byeguard/byeguard/pkg/store"
)

// makeMetrics makes what /metrics shows. It is there before the store, which
// tells it of transactions.
func (a *App) makeMetrics() {
	var names []string
	for i := range a.cfg.Nodes {
		names = append(names, a.cfg.Nodes[i].Name)
	}
	a.metrics = metrics.New(metrics.Options{Version: a.Version, Nodes: names, Take: a.snapshot, Logger: a.log})
}

// wrote is told of each transaction of the writer.
func (a *App) wrote(w store.Wrote) { a.metrics.Wrote(w.Calls, w.Evidence, w.Took) }

// tally counts an incident.
func (a *App) tally(r store.Raised) {
	if !slices.ContainsFunc(a.cfg.Nodes, func(n Node) bool { return n.Name == r.Node }) {
		r.Node = "" // PostgreSQL's clock, or a node of yesterday's configuration
	}
	a.tallies.count(&r)
	if repaired(&r) {
		after, _ := overran(&r)
		a.metrics.Repaired(r.Node, after)
	}
}

// snapshot is what a scrape shows. It waits for nobody.
func (a *App) snapshot() *metrics.Snapshot {
	h, st := a.health(), a.Stats()
	s := &metrics.Snapshot{
		Ready: h.Ready, Mode: a.cfg.Mode, SkewLimit: a.cfg.ClockSkew, Incidents: a.tallies.list(),
		Core: a.coreFigures(), Database: a.databaseFigures(&st.Store), Alerts: routeFigures(a.Alerts()),
	}
	if a.Quieted != nil {
		s.Quieted = a.Quieted()
	}
	for _, n := range a.nodes {
		s.Nodes = append(s.Nodes, n.figures(&st.Sender))
	}
	if a.journal != nil {
		j := &st.Journal
		s.Journal = &metrics.Journal{
			OK: j.OK && !j.Full, Full: j.Full, Failing: j.Failing != nil,
			Appended: j.Appended, Written: j.Written, Lost: j.Lost, Commits: j.Commits, Failures: j.Failures, Waived: j.Waived, Byte: j.Bytes,
			CommitTime: j.CommitTime, Damaged: j.Damaged, Missing: j.Missing,
			Size: j.Size, Limit: int64(a.cfg.JournalMax) << 20, Files: j.Files, Waiting: j.Waiting,
		}
	}
	a.figures.tell(s)
	return s
}

func (a *App) coreFigures() metrics.Core {
	st, d := a.guard.Stats(), a.guard.Detail()
	c := metrics.Core{
		Kinds: d.Kinds, Calls: d.Calls, Legs: d.Legs, Pending: d.Pending,
		Strays: st.Strays, Dropped: st.Dropped, Done: st.Done, Waiting: st.Waiting,
	}
	for _, l := range d.Lanes {
		c.Queued, c.QueueLimit = append(c.Queued, l.Queued), l.Limit
	}
	return c
}

func (a *App) databaseFigures(st *store.Stats) metrics.Database {
	return metrics.Database{
		Up: a.databaseTrouble() == "", AwaySince: st.AwaySince, Skew: a.dbClock.span(),
		WaitingCalls: st.WaitingCalls, WaitingEvidence: st.WaitingEvidence, OnDisk: st.OnDisk, OnDiskBytes: st.OnDiskBytes,
		Flushes: st.Flushes, Retries: st.Retries, Spilled: st.Spilled, SpillFailures: st.SpillFailures,
		Calls: st.Calls, CDRs: st.CDRs, Finals: st.Finals, Evidence: st.Evidence, Incidents: st.Incidents,
		Commands: st.Commands, Dropped: st.Dropped, SetAside: st.SetAside, Unreadable: st.Unreadable,
	}
}

func routeFigures(list []alert.RouteStats) (out []metrics.Route) {
	for _, r := range list {
		out = append(out, metrics.Route{Name: r.Route, Type: r.Type, Sent: r.Sent, Failed: r.Failed, Dead: r.Dead, LastSent: r.LastSent})
	}
	return out
}

// figures of a node.
func (n *node) figures(sent *compensate.Stats) metrics.Node {
	name, st := n.cfg.Name, n.read()
	m := metrics.Node{
		Name: name, Active: n.app.role(name) == "active", Fits: !n.isForeign(), Skew: n.clock.span(),
		Connects: st.Connects, Failures: st.Failures, Bytes: st.Bytes, Bad: st.Bad, Refused: st.Refused,
		Missed: st.Missed, Acks: st.Acks, Events: st.Kinds,
		CreditLimit: st.CreditLimit, CreditUsed: creditUsed(&st), GateOpen: n.creditGate() != "closed",
		Byes: sends(sent.Nodes[name]), Probes: sends(sent.Asking[name]),
	}
	m.Probes.Gone, m.Probes.Confirmed = sent.Asking[name].Closed, 0
	m.Connected, _ = n.status()
	if st.LastSeen != 0 {
		m.LastEvent = time.UnixMicro(st.LastSeen)
	}
	for _, s := range n.app.board.Switches() {
		if s.Node == control.AllNodes || s.Node == name {
			m.Paused = m.Paused || s.Kind == control.KindPause
			m.MassStop = m.MassStop || s.Kind == control.KindMassAction
		}
	}
	acts, _ := n.app.acts(name)
	m.Sending = acts && !m.Paused && n.app.cfg.Mode != "observe"
	t := &n.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	m.Gaps = make(map[string]uint64, len(t.gaps))
	for cause, k := range t.gaps {
		m.Gaps[cause] = k
	}
	m.Resyncs, m.ResyncFailures, m.Vanished, m.ResyncTook = t.resyncs, t.fails, t.vanished, t.took
	return m
}

func sends(n compensate.NodeStats) metrics.Sends {
	return metrics.Sends{
		Queued: n.Queued, InFlight: n.InFlight, Confirmed: n.Closed - n.Gone, Gone: n.Gone, Refused: n.Refused,
		Unanswered: n.Unanswered, NotSent: n.NotSent, Observed: n.Observed,
		Attempts: n.Attempts, Retries: n.Retries, Deferred: n.Deferred,
	}
}
