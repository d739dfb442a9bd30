package app

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/control"
)

// deskEvery is how often the desk looks for what persons want.
const deskEvery = 300 * time.Millisecond

// statusEvery is how often PostgreSQL is told how this byeguard is.
const statusEvery = time.Second

// deskPatience bounds one look at PostgreSQL.
const deskPatience = time.Second

// desk brings what persons and the mass-action guard decide from PostgreSQL and
// data_dir to the board, and from data_dir to PostgreSQL. See decision 0011.
type desk struct {
	a    *App
	log  logrus.FieldLogger
	dir  *control.Dir
	last []control.Switch // as PostgreSQL last told

	mu   sync.Mutex
	told string // the last complaint, not to be repeated
	away error  // why PostgreSQL could not be asked, nil if it could
}

// ControlDir is where pause and resume wait while PostgreSQL is away.
func (c *Config) ControlDir() string { return filepath.Join(c.DataDir, "control") }

// openDesk makes the board, with the switches of an earlier run: nothing is
// sent that was paused before byeguard was started anew.
func (a *App) openDesk(ctx context.Context) error {
	dir, err := control.OpenDir(a.cfg.ControlDir())
	if err != nil {
		return err
	}
	d := &desk{a: a, log: a.log, dir: dir}
	if d.last, err = dir.Recall(); err != nil {
		a.log.WithError(err).Warn("what was paused before is taken from PostgreSQL alone")
	}
	var names []string
	for i := range a.cfg.Nodes {
		names = append(names, a.cfg.Nodes[i].Name)
	}
	a.board = control.New(control.Options{
		Nodes: names, Rate: a.cfg.MassRate, Share: a.cfg.MassShare, Now: a.now,
		// Those that linger included: the share is of the calls of the last minute, and
		// what was closed in it makes the calls that are up fewer.
		Live: func() int64 { return a.guard.Stats().Live }, Stopped: d.stopped, Acts: a.acts,
	})
	a.desk = d
	d.look(ctx)
	return nil
}

func (a *App) startDesk() {
	a.parts.run("control", 2*time.Second, func(ctx context.Context) error {
		tick := time.NewTicker(deskEvery)
		defer tick.Stop()
		var told time.Time
		for {
			select {
			case <-ctx.Done():
				gone, cancel := context.WithTimeout(context.WithoutCancel(ctx), deskPatience)
				defer cancel()
				if err := a.store.DropStatus(gone, a.instance); err != nil {
					a.log.WithError(err).Debug("status left behind")
				}
				return nil
			case <-tick.C:
			}
			a.desk.look(ctx)
			a.guard.Release(a.board.Free)
			if time.Since(told) >= statusEvery {
				told = time.Now()
				if a.store.Ready() == nil {
					a.putStatus(ctx)
				}
				a.watchClocks(ctx)
				a.watchNodes()
			}
		}
	})
}

// look is one round: files first, since they are how sending is paused while
// PostgreSQL is away.
func (d *desk) look(ctx context.Context) {
	ops, err := d.dir.List()
	d.complain(err)
	d.know(ops)
	if err := d.a.store.Ready(); err != nil { // it was away at the start and is not back yet
		d.mu.Lock()
		d.away = err
		d.mu.Unlock()
		return
	}
	ctx, cancel := context.WithTimeout(ctx, deskPatience)
	defer cancel()
	left := ops[:0:0]
	for _, o := range ops {
		if !d.tell(ctx, o) {
			left = append(left, o)
		}
	}
	for _, o := range d.a.board.Own() {
		if !slices.ContainsFunc(ops, func(have control.Op) bool { return have.ID == o.ID }) {
			d.tell(ctx, o) // its file could not be written
		}
	}
	switches, err := d.a.store.Switches(ctx)
	d.mu.Lock()
	d.away = err
	d.mu.Unlock()
	if err != nil {
		return // its last word holds
	}
	if !slices.EqualFunc(switches, d.last, sameSwitch) {
		d.complain(d.dir.Remember(switches))
	}
	d.last = switches
	d.know(left)
}

// reached says why PostgreSQL could not be asked, nil if it could.
func (d *desk) reached() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.away
}

// tell makes a change known to PostgreSQL.
func (d *desk) tell(ctx context.Context, o control.Op) bool {
	if _, err := d.a.store.DoSwitch(ctx, o); err != nil {
		return false
	}
	d.complain(d.dir.Remove(o))
	d.a.board.Confirm(o.ID)
	return true
}

// know hands the board what is known, and has done what follows.
func (d *desk) know(local []control.Op) {
	set, cleared := d.a.board.Know(d.last, local)
	for _, s := range set {
		d.line(&s).Warn("sending is held back")
	}
	for _, s := range cleared {
		d.line(&s).Info("sending goes on")
		if s.Kind != control.KindMassAction {
			continue
		}
		in := call.NodeIncident(s.Node, call.IncidentMassAction, "a person has let sending go on")
		in.Resolved = true
		d.a.store.PutIncident(s.Node, in, d.a.now())
	}
	if len(set) > 0 && d.a.send != nil {
		d.a.send.Recheck()
	}
}

func (d *desk) line(s *control.Switch) logrus.FieldLogger {
	return d.log.WithFields(logrus.Fields{"switch": string(s.Kind), "node": nodeWords(s.Node), "by": s.By, "why": s.Reason})
}

func sameSwitch(x, y control.Switch) bool {
	return x.Node == y.Node && x.Kind == y.Kind && x.By == y.By && x.Reason == y.Reason && x.At.Equal(y.At)
}

func nodeWords(node string) string {
	if node == control.AllNodes {
		return "all"
	}
	return node
}

// stopped is told by the board that it has stopped BYEs on inference.
func (d *desk) stopped(o control.Op) {
	d.complain(d.dir.Put(o))
	detail := fmt.Sprintf("%s: BYEs on inference are stopped until somebody runs byeguard resume; look at why first", o.Reason)
	d.log.WithFields(logrus.Fields{"node": o.Node, "incident": string(call.IncidentMassAction)}).Error(detail)
	in := call.NodeIncident(o.Node, call.IncidentMassAction, detail)
	in.Severity = call.SeverityCritical
	d.a.store.PutIncident(o.Node, in, d.a.now())
	d.a.send.Recheck()
}

// grumble is complain for what may come before there is a desk.
func (d *desk) grumble(a *App, err error) {
	if d != nil {
		d.complain(err)
		return
	}
	a.log.WithError(err).Warn("trouble with data_dir")
}

// complain logs a trouble once, until it is another.
func (d *desk) complain(err error) {
	if err == nil {
		return
	}
	d.mu.Lock()
	news := err.Error() != d.told
	d.told = err.Error()
	d.mu.Unlock()
	if news {
		d.log.WithError(err).Warn("trouble with data_dir")
	}
}
