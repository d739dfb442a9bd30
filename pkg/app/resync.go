package app

import (
	"time"

	"github.com/sirupsen/logrus"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/guard"
)

// resync has the node's dialogs looked through: events of it were missed, or may
// have been.
func (n *node) resync(restarted bool) {
	n.mu.Lock()
	boot := n.boot
	n.mu.Unlock()
	if boot != 0 { // else it was never connected, and will be
		n.app.guard.Resync(n.cfg.Name, boot, restarted)
	}
}

// resynced tells of a resynchronisation. When it went through and nothing was
// missed since it began, the node's incidents of what was missed are settled.
func (a *App) resynced(r guard.Resynced) {
	for _, n := range a.nodes {
		if n.cfg.Name == r.Node {
			n.tally.resynced(&r)
		}
	}
	log := a.log.WithFields(logrus.Fields{
		"node": r.Node, "boot": r.Boot, "dialogs": r.Listed, "vanished": r.Vanished, "forgotten": r.Forgotten,
		"took": r.Took.Round(time.Millisecond).String(),
	})
	if r.Err != nil {
		log.WithError(r.Err).Warn("could not look through the proxy's dialogs; trying again")
		return
	}
	log.Info("looked through the proxy's dialogs")
	if r.More {
		return
	}
	for _, kind := range []call.IncidentKind{call.IncidentMissed, call.IncidentRestarted} {
		in := call.NodeIncident(r.Node, kind, "the proxy's dialogs were looked through")
		in.Resolved, in.Severity = true, call.SeverityInfo
		a.store.PutIncident(r.Node, in, a.now())
	}
}
