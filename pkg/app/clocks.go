package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/byeguard/byeguard/pkg/call"
)

// clock follows how far another clock is ahead of byeguard's. What comes late
// makes it look behind, so of the samples of a while the one that is most ahead
// is nearest to the truth.
type clock struct {
	mu    sync.Mutex
	known bool
	skew  time.Duration // of the window before
	best  time.Duration // of this window
	begun time.Time
	told  bool // an incident is open
}

// clockWindow is how long samples are gathered.
const clockWindow = 5 * time.Second

// see takes a sample: their time when ours was so.
func (c *clock) see(theirs, ours time.Time) {
	d := theirs.Sub(ours)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.known:
		c.known, c.skew, c.best, c.begun = true, d, d, ours
	case ours.Sub(c.begun) >= clockWindow:
		c.skew, c.best, c.begun = c.best, d, ours
	default:
		c.best = max(c.best, d)
	}
}

// ahead returns how far it is ahead, and whether that is known.
func (c *clock) ahead() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.skew, c.known
}

// span is the skew for metrics, nil while it is not known.
func (c *clock) span() *time.Duration {
	d, ok := c.ahead()
	if !ok {
		return nil
	}
	return &d
}

// millis is the skew for a status, nil while it is not known.
func (c *clock) millis() *int64 {
	d, ok := c.ahead()
	if !ok {
		return nil
	}
	ms := d.Milliseconds()
	return &ms
}

// judge says whether the skew has become too large, or small again: below half
// of the limit.
func (c *clock) judge(limit time.Duration) (d time.Duration, news, bad bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	bad = c.skew.Abs() > limit || c.told && c.skew.Abs() > limit/2
	news = bad != c.told
	c.told = bad
	return c.skew, news, bad
}

// watchClocks compares PostgreSQL's clock, and tells of those that differ.
func (a *App) watchClocks(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, deskPatience)
	defer cancel()
	if a.store.Ready() != nil { // it was away at the start and is not back yet
	} else if at, took, err := a.store.Clock(ctx); err == nil && took < a.cfg.ClockSkew {
		a.dbClock.see(at, a.now().Add(-took/2))
	}
	a.tellClock(&a.dbClock, "", "PostgreSQL")
	for _, n := range a.nodes {
		a.tellClock(&n.clock, n.cfg.Name, "Kamailio")
	}
}

func (a *App) tellClock(c *clock, node, whose string) {
	d, news, bad := c.judge(a.cfg.ClockSkew)
	if !news {
		return
	}
	detail := fmt.Sprintf("%s's clock is %+.3f s from byeguard's: run NTP on both", whose, d.Seconds())
	if !bad {
		detail = whose + "'s clock agrees with byeguard's again"
	}
	in := call.NodeIncident(node, call.IncidentClock, detail)
	in.Resolved = !bad
	a.log.WithField("node", node).WithField("incident", string(call.IncidentClock)).Warn(detail)
	a.store.PutIncident(node, in, a.now())
}

// identityEvery is how often the two are compared.
const identityEvery = 5 * time.Second

// watchIdentity asks whether JSON-RPC is answered by the Kamailio that sends the
// events: both name the second in which it was started.
func (n *node) watchIdentity(ctx context.Context) {
	n.mu.Lock()
	boot, connected := n.boot, n.connected
	n.mu.Unlock()
	if !connected {
		return
	}
	up, err := n.rpc.Uptime(ctx)
	if err != nil {
		return // whoever wants to send says so
	}
	n.mu.Lock()
	if n.boot != boot || !n.connected { // it was restarted meanwhile
		n.mu.Unlock()
		return
	}
	if up.Boot == boot {
		n.strange = 0
	} else {
		n.strange++
	}
	was := n.foreign
	n.foreign = n.strange >= 2 || n.foreign && n.strange > 0
	now := n.foreign
	n.mu.Unlock()
	if was == now {
		return
	}
	detail := fmt.Sprintf("JSON-RPC at %s is answered by a Kamailio started at %d, the events come from one started at %d: BYEs are held back; mend jsonrpc",
		n.cfg.JSONRPC, up.Boot, boot)
	if !now {
		detail = "JSON-RPC and events are of the same Kamailio again"
	}
	in := call.NodeIncident(n.cfg.Name, call.IncidentWrongNode, detail)
	in.Severity, in.Resolved = call.SeverityCritical, !now
	n.log.WithField("incident", string(call.IncidentWrongNode)).Error(detail)
	n.app.store.PutIncident(n.cfg.Name, in, n.app.now())
	if now {
		n.app.send.Recheck()
	}
}

func (n *node) isForeign() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.foreign
}
