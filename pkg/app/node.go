package app

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/evapi"
	"github.com/byeguard/byeguard/pkg/kamrpc"
	"github.com/byeguard/byeguard/pkg/lostlog"
	"github.com/byeguard/byeguard/pkg/watchdog"
)

// node is one Kamailio: its events, its JSON-RPC and, where configured, its log.
// It is the handler of its evapi client.
type node struct {
	app    *App
	cfg    *Node
	log    logrus.FieldLogger
	rpc    *kamrpc.Client
	events *evapi.Client
	lost   *lostlog.Source
	beat   *watchdog.Source

	hides   atomic.Bool   // its topology
	inquiry chan struct{} // wakes inquire
	clock   clock         // the proxy's
	tally   nodeTally

	mu        sync.Mutex
	connected bool
	ever      bool      // was connected since the start
	gone      time.Time // when it was last disconnected
	boot      int64     // of the proxy, when it was last connected
	checked   bool      // JSON-RPC has what is needed
	unfit     string    // why it has not; "" = it has, or did not say
	looked    bool      // it told its modules since it was connected
	problem   string    // why it is not connected
	version   string    // of Kamailio
	strange   int       // times in a row that JSON-RPC named another one
	foreign   bool      // it does so for good
	toldAt    time.Time
	goneSince time.Time // not connected; zero = it is
	lostTold  time.Time // when the incident was last told
}

func (a *App) newNode(cfg *Node) (*node, error) {
	n := &node{app: a, cfg: cfg, log: a.log.WithField("node", cfg.Name), problem: "not connected yet", inquiry: make(chan struct{}, 1)}
	n.beat = a.beats.NewSource("evapi " + cfg.Name)
	var err error
	if n.rpc, err = kamrpc.New(kamrpc.Options{URL: cfg.JSONRPC, Now: func() time.Time {
		ahead, _ := n.clock.ahead()
		return a.now().Add(ahead) // as its own clock shows: ours may be an hour off
	}}); err != nil {
		return nil, err
	}
	if cfg.LogFile != "" || cfg.JournalUnit != "" {
		n.lost, err = lostlog.New(lostlog.Options{Node: cfg.Name, File: cfg.LogFile, Unit: cfg.JournalUnit, Logger: n.log, Now: a.now})
	}
	return n, err
}

// makeReader makes the reader of the node's events; what an earlier run had
// read is known by now.
func (n *node) makeReader() error {
	a := n.app
	events, err := evapi.New(evapi.Options{
		Addr: n.cfg.Evapi, Listen: n.cfg.UDP, From: n.cfg.UDPFrom, Node: n.cfg.Name,
		Logger: n.log, Now: a.now, Beat: n.beat.Beat, Rest: 5 * time.Millisecond, Resume: a.resume(n.cfg.Name),
	})
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events = events
	return err
}

// startNodes begins to read. A node that cannot work as it is configured ends
// the start; one that is merely down is waited for.
func (a *App) startNodes(ctx context.Context) error {
	for _, n := range a.nodes {
		if err := errors.Join(n.makeReader(), n.check(ctx)); err != nil {
			return fmt.Errorf("node %s: %w", n.cfg.Name, err)
		}
	}
	for _, n := range a.nodes {
		a.parts.onStop("JSON-RPC of "+n.cfg.Name, time.Second, func(context.Context) error { n.rpc.Close(); return nil })
		if n.lost != nil {
			a.parts.run("log of "+n.cfg.Name, 2*time.Second, func(ctx context.Context) error {
				return n.lost.Run(ctx, func(ev call.Event) { a.guard.Feed([]call.Event{ev}) })
			})
		}
		a.parts.run("identity of "+n.cfg.Name, 4*time.Second, func(ctx context.Context) error {
			n.inquire(ctx)
			return nil
		})
		a.parts.run("events of "+n.cfg.Name, 2*time.Second, func(ctx context.Context) error {
			defer n.beat.Close()
			return n.events.Run(ctx, n)
		})
	}
	return nil
}

// Connected implements evapi.Handler.
func (n *node) Connected(h evapi.Hello) {
	n.clock.see(time.UnixMicro(h.At), time.UnixMicro(h.Seen))
	n.app.guard.Clock(n.cfg.Name, time.Duration(h.Seen-h.At)*time.Microsecond)
	n.beat.Enable()
	n.mu.Lock()
	before, blind := n.boot, h.Restarted && n.blind(&h)
	n.connected, n.ever, n.problem, n.toldAt, n.boot = true, true, "", time.Time{}, h.Boot
	// It may have been restarted with other modules.
	n.looked, n.unfit, n.checked = false, "", n.checked && !h.Restarted
	n.mu.Unlock()
	n.inquireNow()
	n.log.WithFields(logrus.Fields{"kamailio": h.Version, "credit": h.Limit, "boot": h.Boot}).Info("connected to evapi")
	if h.Restarted {
		n.incident(call.IncidentRestarted, "the proxy was restarted and has forgotten its calls; they are followed by their own BYEs")
	}
	n.mu.Lock()
	n.version, n.strange = h.Version, 0
	n.mu.Unlock()
	n.tell()
	n.found()
	if blind {
		n.app.guard.Resync(n.cfg.Name, before, false)
	}
	n.resync(h.Restarted) // who knows what passed before
}

// blindFor is for how long a proxy may have gone on unseen before it was restarted.
const blindFor = 2 * time.Second

// blind says whether a proxy that was restarted may have gone on before that for a
// while in which byeguard was not connected. Callers hold n.mu.
func (n *node) blind(h *evapi.Hello) bool {
	return !n.ever || h.Boot*1e6-(n.gone.UnixMicro()+h.At-h.Seen) > blindFor.Microseconds()
}

// Events implements evapi.Handler.
func (n *node) Events(events []call.Event) bool {
	if e := &events[len(events)-1]; e.At != 0 { // the batch's newest has waited least
		n.clock.see(time.UnixMicro(e.At), time.UnixMicro(e.Seen))
	}
	return n.app.guard.Feed(events)
}

// Gap implements evapi.Handler.
func (n *node) Gap(g evapi.Gap) {
	n.tally.gap(&g, n.app.now())
	// In the numbers of the proxy, whose counter may have been set back.
	from, to := strconv.FormatUint(uint64(uint32(g.From)), 10), "?"
	if g.To != 0 {
		to = strconv.FormatUint(uint64(uint32(g.To)), 10)
	}
	n.log.WithFields(logrus.Fields{"from": from, "to": to, "cause": string(g.Cause)}).
		Warn("events of the proxy were not seen")
	// Raised before the look-through, which settles it, can be over.
	n.incident(call.IncidentMissed, fmt.Sprintf("events %s to %s of the proxy were not seen (%s); its dialogs are looked through",
		from, to, g.Cause))
	n.resync(g.Cause == evapi.CauseRestart)
}

// incident raises what concerns all calls of the node.
func (n *node) incident(kind call.IncidentKind, detail string) {
	n.log.WithField("incident", string(kind)).Warn(detail)
	n.app.store.PutIncident(n.cfg.Name, call.NodeIncident(n.cfg.Name, kind, detail), n.app.now())
}

// Disconnected implements evapi.Handler. What waiting cannot mend ends the
// daemon while it is starting, like any other error in the configuration; later
// a proxy that is being worked on must not cost the guard of the others.
func (n *node) Disconnected(err error) {
	n.beat.Disable()
	n.mu.Lock()
	news := n.connected || n.problem != err.Error() || time.Since(n.toldAt) > time.Minute
	if n.connected {
		n.gone = n.app.now()
	}
	n.connected, n.problem = false, err.Error()
	if news {
		n.toldAt = time.Now()
	}
	ever := n.ever
	n.mu.Unlock()
	if news {
		n.log.WithError(err).Warn("not connected to evapi; connecting again")
		n.tell()
	}
	if !ever && (errors.Is(err, evapi.ErrNotByeguard) || errors.Is(err, evapi.ErrNode) || errors.Is(err, evapi.ErrVersion)) {
		n.app.parts.fail(fmt.Errorf("node %s: %w", n.cfg.Name, err))
	}
}

// tell notes the state of the connection in the database.
func (n *node) tell() {
	n.mu.Lock()
	ok, detail := n.connected, n.problem
	if ok {
		detail = n.version
	}
	n.mu.Unlock()
	n.app.store.PutNode(n.cfg.Name, ok, detail)
}

// status says whether the node is connected, and if not, why.
func (n *node) status() (ok bool, why string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.connected, n.problem
}
