package app

import (
	"context"
	"sync"
	"time"

	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/metrics"
)

// Figures that PostgreSQL alone knows are read in the background: a scrape waits
// for no database, and a database that hangs costs one query at a time.
const (
	figuresEvery    = 15 * time.Second
	figuresPatience = 3 * time.Second
	figuresOld      = 5 * time.Minute // then they are not shown any more
)

// figures are the newest ones.
type figures struct {
	mu    sync.Mutex
	at    time.Time // zero: never read
	fails uint64
	last  metrics.Figures
	upto  int64
}

func (a *App) startFigures() error {
	rates, err := billing.LoadRates(a.cfg.Rates)
	if err != nil {
		return err
	}
	a.figures.upto = -1
	a.parts.run("figures", figuresPatience, func(ctx context.Context) error {
		tick := time.NewTicker(figuresEvery)
		defer tick.Stop()
		for {
			a.readFigures(ctx, rates.LateAfter)
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	})
	return nil
}

// readFigures reads them once. Whoever goes on being without them sees how old
// they are, so a failure is not logged: the database's absence is.
func (a *App) readFigures(ctx context.Context, late time.Duration) {
	if a.store.Ready() != nil {
		return
	}
	f := &a.figures
	read, err := a.store.Figures(ctx, f.upto, late, figuresPatience)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.fails++
		a.log.WithError(err).Debug("figures for metrics not read")
		return
	}
	now := metrics.Figures{
		OpenCDRs: read.OpenCDRs, Pending: read.Pending, News: read.News, Closed: map[string]uint64{},
	}
	for k, n := range f.last.Closed {
		now.Closed[k] = n
	}
	for _, c := range read.Closed {
		now.Closed[c.State] += uint64(c.Count)
	}
	if read.OldestPending != nil {
		now.OldestPending = *read.OldestPending
	}
	for _, m := range read.Messages {
		now.Messages = append(now.Messages, metrics.Messages{Route: m.Route, State: string(m.State), Count: int64(m.Count), Oldest: m.Oldest})
	}
	for _, n := range read.Incidents {
		now.IncidentsByWay = append(now.IncidentsByWay, metrics.IncidentCount(n))
	}
	f.last, f.upto, f.at = now, read.Upto, time.Now()
}

// tell adds them to a snapshot.
func (f *figures) tell(s *metrics.Snapshot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.Polled, s.PollFails = f.at, f.fails
	if !f.at.IsZero() && time.Since(f.at) < figuresOld {
		last := f.last
		s.Figures = &last
	}
}
