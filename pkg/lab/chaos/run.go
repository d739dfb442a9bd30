package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/byeguard/byeguard/pkg/lab/judge"
)

// Report is what was done and found.
type Report struct {
	Seed     uint64
	Duration time.Duration // of the faults
	Took     time.Duration // with everything
	Settled  time.Duration // how long after the last call's end all was settled
	Kamailio string

	Placed, Answered, Refused, Failed   int64
	Ordered, HungUp, Instead, Reinvited int64 // Instead: hung up for a Kamailio that had forgotten the call
	Events, Requests, Spoiled           int64 // through the taps; Spoiled: JSON-RPC requests
	Lost, Delayed                       int64 // datagrams
	Done                                []Step
	Skipped                             []string
	Guarded, Twin                       PingStats
	LatePings                           []judge.Ping
	OpenIncidents                       int
	Exits                               int // times that byeguard ended by itself, and was started again as a service manager does
	DiskUsed                            int64
	Verdict                             judge.Verdict
	ByeguardLog                         string
}

// OK says that nothing went wrong.
func (r *Report) OK() bool { return r.Verdict.OK() }

// ErrLab says that the laboratory itself failed: the run proves nothing.
var ErrLab = errors.New("the laboratory failed")

// cseqStep is byeguard's default, which a run does not change.
const cseqStep = 100

// Run makes a run. An error means that there is no verdict.
func Run(ctx context.Context, o Options) (r *Report, err error) {
	if o, err = o.withDefaults(); err != nil {
		return nil, err
	}
	began := time.Now()
	s := &site{}
	defer func() {
		if left := s.close(o.Keep); left != nil && err == nil {
			err = fmt.Errorf("%w: clean up: %w", ErrLab, left)
		}
	}()
	o.Progress(Progress{Phase: "starting Kamailio, its twin, PostgreSQL and byeguard"})
	if err := s.start(ctx, &o); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLab, err)
	}
	run := newRun(s, &o)
	if err := run.faults(ctx); err != nil {
		return nil, err
	}
	v, settled, err := run.settle(ctx)
	if err != nil {
		return nil, err
	}
	r = run.report(v)
	r.Settled, r.Took = settled, time.Since(began)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if _, _, errs := run.inject.state(); len(errs) > 0 {
		return r, fmt.Errorf("%w: %w", ErrLab, errors.Join(errs...))
	}
	return r, nil
}

// run is one run under way.
type run struct {
	site   *site
	opts   *Options
	load   *load
	book   *ledger
	ping   *pinger
	inject *injector
	stop   func() // ends pings and what keeps calls up
	wg     sync.WaitGroup

	exits int
	ended time.Time // when byeguard was first seen to have ended by itself
}

func newRun(s *site, o *Options) *run {
	r := &run{site: s, opts: o}
	r.book = &ledger{uas: append(slices.Clone(s.callers), s.callees...)}
	r.load = &load{seed: o.Seed, rate: o.Rate, rpc: s.kam.RPC(), book: r.book}
	r.load.calls.callers, r.load.calls.callees = s.callers, s.callees
	r.ping = &pinger{guarded: s.kam.SIPAddr, twin: s.twin.SIPAddr, workers: &s.workers}
	r.inject = &injector{site: s, ping: r.ping}
	return r
}

// faults places calls while faults come, and returns when all calls that were to
// end were ended, and nothing is broken any more.
func (r *run) faults(ctx context.Context) error {
	steps := Plan(r.opts.Seed, r.opts.Duration, r.opts.Faults)
	began := time.Now()
	calling, enough := context.WithTimeout(ctx, r.opts.Duration)
	defer enough()
	living, stop := context.WithCancel(ctx)
	r.stop = func() { stop(); r.wg.Wait() }
	r.wg.Go(func() { r.ping.run(living) })
	injected := make(chan struct{})
	go func() {
		defer close(injected)
		r.inject.run(ctx, began, steps)
	}()
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		r.load.run(calling, living)
	}()
	// Calls that stay are ended by nobody; the others end within this.
	tick := time.NewTicker(500 * ms)
	defer tick.Stop()
	total := r.opts.Duration + longestCall + 5*time.Second
	for beat := 0; time.Since(began) < total; beat++ {
		select {
		case <-ctx.Done():
			r.stop()
			<-injected
			<-loaded
			return context.Cause(ctx)
		case <-tick.C:
		}
		if beat%20 == 19 {
			r.book.sweep()
		}
		if err := r.revive(); err != nil {
			return err
		}
		last, _, _ := r.inject.state()
		r.opts.Progress(Progress{
			Phase: "calls and faults", Done: time.Since(began), Total: total,
			Calls: int(r.load.placed.Load()), Up: r.up(), Last: last,
		})
	}
	<-injected
	r.stop()
	<-loaded
	return nil
}

// reviveAfter is what a service manager waits before it starts byeguard again
// (docs/operations.md, RestartSec).
const reviveAfter = 5 * time.Second

// revive starts a byeguard that ended by itself.
func (r *run) revive() error {
	switch {
	case r.inject.killed.Load() || r.site.byeguard.Pid() != 0:
		r.ended = time.Time{}
	case r.ended.IsZero():
		r.ended = time.Now()
	case time.Since(r.ended) >= reviveAfter:
		r.exits++
		r.ended = time.Time{}
		return r.site.byeguard.Start()
	}
	return nil
}

func (r *run) up() int {
	n := 0
	for _, ua := range r.site.callers {
		n += ua.Live()
	}
	return n
}

// settle waits until there is nothing left to find fault with, or patience is
// over, and returns the judge's last word.
func (r *run) settle(ctx context.Context) (v judge.Verdict, took time.Duration, err error) {
	began := time.Now()
	limit, cancel := context.WithTimeout(ctx, r.opts.Patience)
	defer cancel()
	for {
		if err := r.revive(); err != nil {
			return v, took, err
		}
		v, err = r.judge(ctx)
		took = time.Since(began)
		if err != nil {
			return v, took, err
		}
		r.opts.Progress(Progress{
			Phase: "settling", Done: took, Total: r.opts.Patience, Calls: int(r.load.placed.Load()), Up: r.up(),
			Last: fmt.Sprintf("%d things not settled", len(v.Problems)),
		})
		// One more look after all seems well: a wrong BYE would come late.
		if v.OK() {
			if rest(limit, 3*time.Second) {
				v, err = r.judge(ctx)
			}
			if err != nil || v.OK() {
				return v, took, err
			}
		}
		if !rest(limit, 2*time.Second) {
			return v, took, context.Cause(ctx)
		}
	}
}

// judge gathers the evidence and has it judged.
func (r *run) judge(ctx context.Context) (judge.Verdict, error) {
	t := judge.Trial{Calls: r.book.evidence(), Step: cseqStep}
	t.Pings, _, _ = r.ping.result()
	r.markUntold(t.Calls)
	var err error
	if t.Records, err = judge.Records(ctx, r.site.db); err != nil {
		return judge.Verdict{}, fmt.Errorf("%w: %w", ErrLab, err)
	}
	if t.Incidents, err = judge.OpenIncidents(ctx, r.site.db); err != nil {
		return judge.Verdict{}, fmt.Errorf("%w: %w", ErrLab, err)
	}
	v := judge.UnderFaults(&t)
	return v, nil
}

// markUntold marks the calls that nobody could tell byeguard of: answered across a
// restart of Kamailio, and no event that shows them was passed on to byeguard.
func (r *run) markUntold(calls []judge.Call) {
	for _, o := range r.inject.outages() {
		for i := range calls {
			c := &calls[i]
			if !c.Caller.Answered.IsZero() && o.hides(c.Caller.Began, c.Caller.Answered) {
				c.Untold = !r.site.evapi.told.enough(c.ID)
			}
		}
	}
}

func (r *run) report(v judge.Verdict) *Report {
	_, done, _ := r.inject.state()
	l := r.load
	p := &Report{
		Seed: r.opts.Seed, Duration: r.opts.Duration, Kamailio: r.site.kam.Version(),
		Placed: l.placed.Load(), Answered: l.answered.Load(), Refused: l.refused.Load(), Failed: l.failed.Load(),
		Ordered: l.ordered.Load(), HungUp: l.hungUp.Load(), Instead: l.instead.Load(), Reinvited: l.reinvited.Load(),
		Events: r.site.evapi.frames.Load(), Requests: r.site.rpc.requests.Load(), Spoiled: r.site.rpc.spoiled.Load(),
		Exits: r.exits, Done: done, Skipped: r.site.skipped, Verdict: v, ByeguardLog: r.site.byeguard.Log(),
	}
	p.Lost, p.Delayed = r.site.network.Counts()
	p.LatePings, p.Guarded, p.Twin = r.ping.result()
	if r.site.disk != nil {
		p.DiskUsed = r.site.disk.used()
	}
	if open, err := judge.OpenIncidents(context.Background(), r.site.db); err == nil {
		for _, n := range open {
			p.OpenIncidents += n
		}
	}
	return p
}
