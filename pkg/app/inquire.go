package app

import (
	"context"
	"errors"
	"time"

	"github.com/byeguard/byeguard/pkg/kamrpc"
)

// inquireSoon is the pause between questions to a proxy that is connected and
// has not answered yet.
const inquireSoon = 500 * time.Millisecond

// inquire asks the proxy by JSON-RPC, from time to time, what it is: whether it
// has what is needed, whether it hides topology, whether it is the one that
// sends the events. Answers that do not come are asked for again.
func (n *node) inquire(ctx context.Context) {
	timer := time.NewTimer(identityEvery)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			n.watchIdentity(ctx)
		case <-n.inquiry:
		case <-ctx.Done():
			return
		}
		n.mu.Lock()
		connected, check, look := n.connected, !n.checked && n.unfit == "", !n.looked
		n.mu.Unlock()
		if connected && check {
			n.checkLate(ctx)
		}
		if connected && look {
			n.learnHiding(ctx)
		}
		n.mu.Lock()
		again := identityEvery
		if n.connected && (!n.checked && n.unfit == "" || !n.looked) {
			again = inquireSoon
		}
		n.mu.Unlock()
		timer.Reset(again)
	}
}

// inquireNow has a proxy asked that was connected.
func (n *node) inquireNow() {
	select {
	case n.inquiry <- struct{}{}:
	default:
	}
}

// check asks the proxy whether it has the RPC commands that byeguard needs. Only
// the proof that it has not is an error: one that is down, overloaded or
// answers half is asked again once it is connected.
func (n *node) check(ctx context.Context) error {
	err := n.rpc.Check(ctx)
	switch {
	case err == nil:
		n.mu.Lock()
		n.checked = true
		n.mu.Unlock()
	case errors.Is(err, kamrpc.ErrUnfit):
		return err
	case ctx.Err() == nil:
		n.log.WithError(err).Warnf("JSON-RPC at %s does not answer as it should; going on, the node may come up later", n.cfg.JSONRPC)
	}
	return nil
}

// checkLate is check for a node that came up, or answered, after byeguard.
func (n *node) checkLate(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := n.check(ctx); err != nil {
		n.mu.Lock()
		n.unfit = err.Error()
		n.mu.Unlock()
		n.log.WithError(err).Error("BYEs cannot be sent through this node")
	}
}
