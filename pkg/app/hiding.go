package app

import (
	"context"
	"strings"
	"time"

	"github.com/byeguard/byeguard/pkg/call"
)

// hidingPatience bounds the question for the modules of a Kamailio.
const hidingPatience = 2 * time.Second

// learnHiding asks whether the node hides topology. If so its calls are only
// observed: what byeguard sees of them is not what the end points know. An
// answer that did not come changes nothing; without JSON-RPC no BYE can be sent,
// and it is asked for again.
func (n *node) learnHiding(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, hidingPatience)
	defer cancel()
	modules, err := n.rpc.Hiding(ctx)
	if err != nil {
		n.log.WithError(err).Debug("not known whether the proxy hides topology")
		return
	}
	n.mu.Lock()
	n.looked = true
	n.mu.Unlock()
	hides := len(modules) > 0
	if n.hides.Swap(hides) == hides {
		return
	}
	if hides {
		n.incident(call.IncidentHidden, "the proxy hides topology ("+strings.Join(modules, ", ")+
			"): its calls are only observed, neither BYE nor OPTIONS is sent")
		return
	}
	in := call.NodeIncident(n.cfg.Name, call.IncidentHidden, "the proxy does not hide topology any more")
	in.Resolved = true
	n.log.Info(in.Detail)
	n.app.store.PutIncident(n.cfg.Name, in, n.app.now())
}

// hidden says that a node hides topology.
func (a *App) hidden(name string) bool {
	for _, n := range a.nodes {
		if n.cfg.Name == name {
			return n.hides.Load()
		}
	}
	return false
}
