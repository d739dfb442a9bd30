package app

import (
	"fmt"
	"time"

	"github.com/byeguard/byeguard/pkg/call"
)

// lostAfter is how long a node may send no events before somebody is told: a
// proxy that is restarted is back before.
const lostAfter = 10 * time.Second

// watchNodes tells of nodes that are not connected. It tells again now and then,
// since a standby's word is not taken: what it takes over with a node is told then.
func (a *App) watchNodes() {
	now := time.Now()
	for _, n := range a.nodes {
		n.mu.Lock()
		if n.connected {
			n.goneSince = time.Time{}
		} else if n.goneSince.IsZero() {
			n.goneSince = now
		}
		since, why := n.goneSince, n.problem
		due := !since.IsZero() && now.Sub(since) >= lostAfter && now.Sub(n.lostTold) >= lostAfter
		if due {
			n.lostTold = now
		}
		n.mu.Unlock()
		if !due {
			continue
		}
		in := call.NodeIncident(n.cfg.Name, call.IncidentNodeLost,
			fmt.Sprintf("no events since %s: %s; calls that go wrong on this node are not repaired meanwhile", since.UTC().Format(time.RFC3339), why))
		in.Severity = call.SeverityCritical
		a.store.PutIncident(n.cfg.Name, in, a.now())
	}
}

// found settles that a node was lost.
func (n *node) found() {
	in := call.NodeIncident(n.cfg.Name, call.IncidentNodeLost, "connected again; its dialogs are looked through")
	in.Resolved, in.Severity = true, call.SeverityInfo
	n.app.store.PutIncident(n.cfg.Name, in, n.app.now())
}
