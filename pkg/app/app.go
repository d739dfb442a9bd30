package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/byeguard/byeguard/pkg/alert"
	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/compensate"
	"github.com/byeguard/byeguard/pkg/control"
	"github.com/byeguard/byeguard/pkg/guard"
	"github.com/byeguard/byeguard/pkg/indialog"
	"github.com/byeguard/byeguard/pkg/journal"
	"github.com/byeguard/byeguard/pkg/kamrpc"
	"github.com/byeguard/byeguard/pkg/metrics"
	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/watchdog"
	"github.com/byeguard/byeguard/pkg/web"
)

// App is the daemon.
type App struct {
	// Version is what `byeguard status` shows; set it before Run.
	Version string
	// Quieted is how many log lines were summed up; nil = none are. Set it before
	// Run.
	Quieted func() uint64

	cfg   Config
	log   logrus.FieldLogger
	beats *watchdog.Beats
	began time.Time

	instance string // the name of this byeguard, kept in data_dir

	parts   *stack
	journal *journal.Log           // nil = the disk does not take it
	spill   *journal.Queue         // nil = the same
	spilled uint64                 // journal position up to which an earlier run's work is in spill
	places  map[string]guard.Place // up to where an earlier run had read
	store   *store.Store
	guard   *guard.Guard
	send    *compensate.Sender
	board   *control.Board
	desk    *desk
	lease   *leases
	dbClock clock // PostgreSQL's
	alerts  *alert.Engine
	nodes   []*node
	metrics *metrics.Metrics
	tallies tallies
	figures figures

	databaseURL string
	oneSided    recent // incidents of one side that was not told

	mu       sync.Mutex
	httpAddr string
	web      *web.Server // nil: no HTTP
	ready    chan struct{}
}

// New returns a daemon for a valid configuration. beats may be nil: nobody
// watches then.
func New(cfg Config, log logrus.FieldLogger, beats *watchdog.Beats) (*App, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &App{cfg: cfg, log: log, beats: beats, began: time.Now(), ready: make(chan struct{})}, nil
}

// now is byeguard's clock: the time of day when it started, and what has passed
// since. Setting the machine's clock neither delays nor hastens a deadline.
func (a *App) now() time.Time { return a.began.Add(time.Since(a.began)) }

// Ready is closed once everything was started. Nodes may still be connecting.
func (a *App) Ready() <-chan struct{} { return a.ready }

// HTTPAddr returns where HTTP listens, "" when it does not; valid once ready.
func (a *App) HTTPAddr() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.httpAddr
}

// Store returns the store; valid once ready.
func (a *App) Store() *store.Store { return a.store }

// Run starts the daemon and runs it until ctx ends or a part of it fails for
// good. It stops what it started, in the opposite order.
func (a *App) Run(ctx context.Context) error {
	a.parts = newStack(a.log)
	err := a.start(ctx)
	if err == nil {
		close(a.ready)
		a.beats.Ready()
		a.log.Infof("byeguard guards %d node(s), mode %s", len(a.nodes), a.cfg.Mode)
		select {
		case <-ctx.Done():
			a.log.Info("stopping")
		case err = <-a.parts.fatal:
		}
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil // told to stop while starting
	}
	return errors.Join(err, a.parts.stop())
}

// start brings the parts up from the back to the front: nothing is read before
// what it leads to can be carried out and written down.
func (a *App) start(ctx context.Context) error {
	id, release, err := openInstance(a.cfg.DataDir)
	if err != nil {
		return err
	}
	a.instance = id
	a.parts.onStop("data_dir", time.Second, func(context.Context) error { release(); return nil })
	if err := a.startJournal(); err != nil {
		return err
	}
	if err := a.makeAlerts(); err != nil {
		return err
	}
	a.makeMetrics()
	if err := a.startStore(ctx); err != nil {
		return err
	}
	if err := a.makeNodes(); err != nil {
		return err
	}
	if err := a.openDesk(ctx); err != nil {
		return err
	}
	if err := a.startGuard(ctx); err != nil {
		return err
	}
	a.lease.serve()
	a.startDesk()
	a.startAlerts()
	if err := a.startFigures(); err != nil {
		return err
	}
	if err := a.startHTTP(ctx); err != nil {
		return err
	}
	return a.startNodes(ctx)
}

// makeNodes makes the clients of all nodes; none connects yet.
func (a *App) makeNodes() error {
	for i := range a.cfg.Nodes {
		n, err := a.newNode(&a.cfg.Nodes[i])
		if err != nil {
			return fmt.Errorf("node %s: %w", a.cfg.Nodes[i].Name, err)
		}
		a.nodes = append(a.nodes, n)
	}
	return nil
}

// startGuard starts the core and the sender of its commands, and takes over
// the calls of an earlier run.
func (a *App) startGuard(ctx context.Context) error {
	callers := make(map[string]compensate.Caller)
	holders := make(map[string]guard.Holder)
	listers := make(map[string]guard.Lister)
	for _, n := range a.nodes {
		callers[n.cfg.Name], holders[n.cfg.Name], listers[n.cfg.Name] = n.rpc, n.rpc, n.rpc
	}
	var err error
	a.send, err = compensate.New(compensate.Options{
		Nodes: callers, Gate: a.board, Mode: compensate.Mode(a.cfg.Mode), Rate: a.cfg.ByeRate, Burst: int(max(a.cfg.ByeRate, 1)),
		ProbeRate: a.cfg.ProbeRate,
		Clock:     a.now, Log: a.log, Results: func(_ call.Key, ev call.Event) { a.guard.Result(ev) },
	})
	if err != nil {
		return err
	}
	for _, n := range a.nodes { // before the calls of an earlier run may owe a BYE
		n.learnHiding(ctx)
	}
	policy := a.cfg.policy(indialog.SameTarget)
	policy.Hidden = a.hidden
	opts := guard.Options{
		Policy: policy, Holders: holders, Listers: listers, Resynced: a.resynced,
		Store: a.store, Sender: a.send, Logger: a.log, Clock: a.now,
	}
	if a.journal != nil {
		opts.Journal, opts.Tried = a.journal, a.journal.Trying()
	}
	a.guard, err = guard.New(opts)
	if err != nil {
		return err
	}
	a.heldNames() // what is replayed outranks what the run before wrote
	if err := a.restore(ctx); err != nil {
		return err
	}
	if a.journal != nil {
		a.parts.run("journal's tidying", time.Second, a.tendJournal)
	}
	a.parts.run("guard", 5*time.Second, a.guard.Run)
	a.parts.run("compensation", 8*time.Second, a.send.Run)
	return nil
}

// withdrawn is the event that takes a command back.
func withdrawn(c *call.Command, now time.Time, why string) call.Event {
	return call.Event{
		Kind: call.KindWithdrawn, Node: c.Node, Seen: now.UnixMicro(), CallID: c.CallID, FromTag: c.FromTag, ToTag: c.ToTag,
		Leg: c.Leg, CommandID: c.ID, CSeq: c.CSeq, Reason: why,
	}
}

var _ compensate.Caller = (*kamrpc.Client)(nil)

// Connected says whether byeguard reads the events of all its nodes.
func (a *App) Connected() bool {
	for _, n := range a.nodes {
		if ok, _ := n.status(); !ok {
			return false
		}
	}
	return true
}
