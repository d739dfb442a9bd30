package chaos

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// injector carries out a schedule.
type injector struct {
	site *site
	ping *pinger
	down sync.Mutex // held while Kamailio is away

	killed atomic.Bool // byeguard was killed, and is started again by the fault

	mu   sync.Mutex
	done []Step  // those carried out, in the order of their ends
	errs []error // of the laboratory: a fault that could not be made or mended
	last string
	outs []outage
}

// run carries out the steps, and returns when the last of them is over. A ctx
// that ends stops it early, and mends what is broken.
func (i *injector) run(ctx context.Context, began time.Time, steps []Step) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, s := range steps {
		if !rest(ctx, time.Until(began.Add(s.At))) {
			return
		}
		i.mu.Lock()
		i.last = s.String()
		i.mu.Unlock()
		wg.Go(func() {
			err := i.inject(ctx, s)
			i.mu.Lock()
			defer i.mu.Unlock()
			i.done = append(i.done, s)
			if err != nil {
				i.errs = append(i.errs, fmt.Errorf("%s: %w", s, err))
			}
		})
	}
}

// inject makes one fault, lets it last, and mends it, whatever ctx says.
func (i *injector) inject(ctx context.Context, s Step) error {
	b := i.site
	// both is a fault that is switched on and off again.
	both := func(on, off func() error) error {
		if err := on(); err != nil {
			return err
		}
		rest(ctx, s.For)
		return off()
	}
	set := func(f func(bool)) error {
		return both(func() error { f(true); return nil }, func() error { f(false); return nil })
	}
	mend, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.For+time.Minute)
	defer cancel()
	switch s.Kind {
	case Kill:
		i.killed.Store(true)
		defer i.killed.Store(false)
		return both(b.byeguard.Kill, b.byeguard.Start)
	case KillChild:
		return b.byeguard.SignalChild(syscall.SIGKILL)
	case Stop:
		return both(func() error { return b.byeguard.Signal(syscall.SIGSTOP) }, func() error { return b.byeguard.Signal(syscall.SIGCONT) })
	case StopChild:
		return b.byeguard.SignalChild(syscall.SIGSTOP)
	case PGStop:
		return both(func() error { return b.postgres.Stop(mend) }, func() error { return b.postgres.Start(mend) })
	case PGCrash:
		return both(func() error { return b.postgres.Crash(mend) }, func() error { return b.postgres.Start(mend) })
	case PGCut:
		_, err := b.db.ExecContext(mend, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")
		return err
	case PGFreeze:
		return both(b.postgres.Freeze, b.postgres.Thaw)
	case EvapiCut:
		return set(func(on bool) { b.evapi.refuseNew(on); b.evapi.cut() })
	case EvapiHalf:
		return set(b.evapi.half.Store)
	case EvapiHold:
		return set(b.evapi.holdBack)
	case RPCHold:
		return set(b.rpc.hold)
	case RPCFail:
		return set(b.rpc.fail.Store)
	case RPCHalf:
		return set(b.rpc.half.Store)
	case KamStop:
		return i.restart(ctx, mend, s.For, b.kam.Stop)
	case KamKill:
		return i.restart(ctx, mend, s.For, b.kam.Kill)
	case KamReload:
		i.down.Lock() // not while it is away
		defer i.down.Unlock()
		return b.kam.RPC().Call(mend, nil, "htable.flush", "byeguard")
	case SIPLoss:
		return both(func() error { b.network.Set(.01+.14*s.Size, 0, 0); return nil }, i.goodNetwork)
	case SIPDelay:
		return both(func() error {
			b.network.Set(0, time.Duration(s.Size*float64(100*ms)), 10*ms+time.Duration(s.Size*float64(200*ms)))
			return nil
		}, i.goodNetwork)
	case DiskFull:
		if b.disk == nil {
			return nil // said so at the start
		}
		return both(b.disk.fill, b.disk.empty)
	case ClockStep:
		return both(func() error { b.evapi.skew.Store(int64((s.Size - .5) * 600)); return nil },
			func() error { b.evapi.skew.Store(0); return nil })
	}
	return fmt.Errorf("no fault %q", s.Kind)
}

func (i *injector) goodNetwork() error {
	i.site.network.Set(0, 0, 0)
	return nil
}

// restart ends Kamailio and starts it again.
func (i *injector) restart(ctx, mend context.Context, away time.Duration, end func() error) error {
	i.down.Lock()
	defer i.down.Unlock()
	i.ping.setDown(true)
	defer i.ping.setDown(false)
	out := outage{begin: time.Now()}
	if err := end(); err != nil {
		return err
	}
	rest(ctx, away)
	if err := i.site.kam.Start(mend); err != nil {
		return err
	}
	out.end = time.Now()
	i.mu.Lock()
	i.outs = append(i.outs, out)
	i.mu.Unlock()
	return i.site.workers.find(mend, i.site.kam.RPC())
}

// outages are the times in which Kamailio was away, so far.
func (i *injector) outages() []outage {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]outage(nil), i.outs...)
}

// state is what was done last, and what could not be done.
func (i *injector) state() (last string, done []Step, errs []error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.last, append([]Step(nil), i.done...), append([]error(nil), i.errs...)
}
