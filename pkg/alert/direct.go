package alert

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/byeguard/byeguard/pkg/call"
)

// direct tells of incidents while PostgreSQL is away. It holds the newest ones
// in memory, whether or not PostgreSQL will have them: those that it could not
// tell of in time go out from here, and are passed over when PostgreSQL tells
// of them later. What is in memory is lost with the process, and then told by
// PostgreSQL alone: late, or, where it was told from here, twice.
type direct struct {
	e       *Engine
	planner *planner

	mu     sync.Mutex
	recent []seen // oldest first
	told   map[toldKey]told
}

// told says when a route was told, and how bad it was.
type told struct {
	at       time.Time
	severity string
}

// seen is an incident that PostgreSQL may not have yet.
type seen struct {
	in Incident
	at time.Time
}

// toldKey names what a route was told of an incident that had no number yet.
type toldKey struct {
	route, key, kind, leg string
	over                  bool
}

func keyOf(route string, in *Incident) toldKey {
	return toldKey{route, in.Key, in.Kind, in.Leg, in.over()}
}

// Bounds of what is held.
const (
	maxRecent = 10_000
	maxTold   = 50_000
	// patience is how long PostgreSQL may be away before incidents go out
	// without it.
	patience = 2 * time.Second
	// lookBack is how old an incident may be when PostgreSQL goes away and yet
	// not have been written.
	lookBack = 5 * time.Second
)

func newDirect(e *Engine) *direct {
	return &direct{e: e, planner: newPlanner(e.opts.Config.Routes), told: map[toldKey]told{}}
}

// Tell takes an incident as it is raised or resolved, before PostgreSQL has it.
// It never waits.
func (e *Engine) Tell(in *Incident) {
	if len(e.opts.Config.Routes) == 0 {
		return
	}
	d := e.direct
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.recent) >= maxRecent {
		d.recent = slices.Delete(d.recent, 0, maxRecent/10) // PostgreSQL tells of them
	}
	d.recent = append(d.recent, seen{*in, time.Now()})
}

// wasTold says whether a route was told of it from memory.
func (d *direct) wasTold(route string, n *News) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.told) == 0 || n.Change == ChangeWorse {
		return false
	}
	t, was := d.told[keyOf(route, &n.Incident)]
	return was && n.Incident.Opened.Before(t.at.Add(time.Second)) // a later one is another one
}

// draft is a message in memory.
type draft struct {
	key   groupKey
	route *Route
	due   time.Time
	list  []Incident
	sent  bool // or being sent
	ended bool // nobody sends it any more; direct.mu guards it
}

func (d *direct) run(ctx context.Context) {
	tick := time.NewTicker(d.e.opts.Poll)
	defer tick.Stop()
	var since time.Time // PostgreSQL is away; zero = it is not
	var drafts []*draft
	var sending sync.WaitGroup
	defer sending.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		if !d.e.opts.Away() {
			since, drafts = time.Time{}, nil // what was not sent is told by PostgreSQL
			d.forget(now.Add(-lookBack))
			continue
		}
		if since.IsZero() {
			since = now
		}
		if now.Sub(since) < patience {
			continue
		}
		drafts = d.gather(drafts)
		for _, f := range drafts {
			if f.sent || d.e.opts.Now().Before(f.due) {
				continue
			}
			f.sent = true
			sending.Go(func() { d.send(ctx, f) })
		}
		drafts = slices.DeleteFunc(drafts, func(f *draft) bool { return f.sent && f.gone(d) })
	}
}

// gone says that nobody sends the draft any more.
func (f *draft) gone(d *direct) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return f.ended
}

// forget drops what PostgreSQL must have by now.
func (d *direct) forget(before time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for n < len(d.recent) && d.recent[n].at.Before(before) {
		n++
	}
	d.recent = slices.Delete(d.recent, 0, n)
	if len(d.recent) == 0 {
		d.recent = nil
	}
	for k, t := range d.told {
		if len(d.told) > maxTold || time.Since(t.at) > GiveUpAfter {
			delete(d.told, k)
		}
	}
}

// gather files what has come under messages.
func (d *direct) gather(drafts []*draft) []*draft {
	d.mu.Lock()
	recent := d.recent
	d.recent = nil
	d.mu.Unlock()
	now := d.e.opts.Now()
	for i := range recent {
		in := &recent[i].in
		change := ChangeOpened
		if in.over() {
			if in.CallID == "" && !d.known(in, drafts) {
				continue // what concerns a node is settled whether or not it was open
			}
			change = ChangeResolved
			in.Severity = d.severity(in, recent[:i], drafts)
		}
		for _, p := range d.planner.plan(now, []News{{Incident: *in, Change: change}}, nil) {
			key := groupKey{p.Route, p.Group}
			at := slices.IndexFunc(drafts, func(f *draft) bool { return f.key == key && !f.sent })
			if at < 0 {
				r := slices.IndexFunc(d.e.opts.Config.Routes, func(r Route) bool { return r.Name == p.Route })
				drafts = append(drafts, &draft{key: key, route: &d.e.opts.Config.Routes[r], due: p.Due})
				at = len(drafts) - 1
			}
			drafts[at].put(in)
		}
	}
	return drafts
}

// known says that the incident was told from here, or is about to be.
func (d *direct) known(in *Incident, drafts []*draft) bool {
	open := *in
	open.State = ""
	for i := range d.e.opts.Config.Routes {
		if d.wasTold(d.e.opts.Config.Routes[i].Name, &News{Incident: open}) {
			return true
		}
	}
	return slices.ContainsFunc(drafts, func(f *draft) bool { return slices.ContainsFunc(f.list, in.same) })
}

// severity is how bad what is resolved now was: who resolves it does not say.
func (d *direct) severity(in *Incident, recent []seen, drafts []*draft) string {
	for i := range slices.Backward(recent) {
		if in.same(recent[i].in) {
			return recent[i].in.Severity
		}
	}
	for _, f := range drafts {
		if i := slices.IndexFunc(f.list, in.same); i >= 0 {
			return f.list[i].Severity
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.e.opts.Config.Routes {
		k := keyOf(d.e.opts.Config.Routes[i].Name, in)
		k.over = false
		if t, ok := d.told[k]; ok {
			return t.severity
		}
	}
	return string(call.SeverityWarning) // it was opened before PostgreSQL went away
}

// same says that it is the same trouble, open or not.
func (in *Incident) same(o Incident) bool {
	return o.Key == in.Key && o.Kind == in.Kind && o.Leg == in.Leg
}

// put adds an incident; one that is resolved takes the place of itself.
func (f *draft) put(in *Incident) {
	at := slices.IndexFunc(f.list, func(o Incident) bool { return in.same(o) && !o.over() })
	switch {
	case at >= 0:
		opened := f.list[at].Opened
		f.list[at] = *in
		f.list[at].Opened = opened
	case len(f.list) < maxRecent:
		f.list = append(f.list, *in)
	}
}

// send tries until it is taken, or PostgreSQL is back.
func (d *direct) send(ctx context.Context, f *draft) {
	comp := newComposer(f.route, f.id(), d.e.opts.Config.Link, d.e.opts.Now())
	for i := range f.list {
		comp.add(&f.list[i])
	}
	m := comp.message()
	log := d.e.opts.Logger.WithField("route", f.route.Name).WithField("incidents", m.Count)
	for tries := 1; ctx.Err() == nil; tries++ {
		err := Send(ctx, f.route, m, d.e.opts.Now())
		if err == nil {
			log.Info("alert sent, without PostgreSQL")
			d.mu.Lock()
			for i := range f.list {
				k := keyOf(f.route.Name, &f.list[i])
				t := told{time.Now(), f.list[i].Severity}
				d.told[k] = t
				k.over = false
				d.told[k] = t
			}
			d.mu.Unlock()
			break
		}
		log.WithError(err).Warn("alert not taken by its receiver, PostgreSQL is away; trying again")
		t := time.NewTimer(min(d.e.backoff(tries), time.Minute))
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
		if !d.e.opts.Away() {
			break // PostgreSQL tells
		}
	}
	d.mu.Lock()
	f.ended = true
	d.mu.Unlock()
}

// id is the same for the same incidents.
func (f *draft) id() string {
	h := sha256.New()
	for i := range f.list {
		in := &f.list[i]
		fmt.Fprintf(h, "%s %s %s %s %d %v\n", f.route.Name, in.Key, in.Kind, in.Leg, in.Opened.UnixMicro(), in.over())
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
