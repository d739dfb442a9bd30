package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/byeguard/byeguard/pkg/cluster"
	"github.com/byeguard/byeguard/pkg/store"
)

// clusterDir is where the private PostgreSQL lives below the data directory.
func (c *Config) clusterDir() string { return filepath.Join(c.DataDir, "postgres") }

// FindDatabase returns the database that a command should read: the configured
// one, or the private cluster of a daemon that runs on this machine.
func FindDatabase(c *Config) (string, error) {
	if c.DatabaseURL != "" {
		return c.DatabaseURL, nil
	}
	url, err := cluster.Locate(c.clusterDir(), "")
	if errors.Is(err, cluster.ErrNotRunning) {
		return "", fmt.Errorf("no database: database_url is not set and no byeguard serves from %s; "+
			"give -c FILE, --database-url or --data-dir", c.DataDir)
	}
	return url, err
}

// startStore opens the database, which may be started for it, and begins to
// write.
func (a *App) startStore(ctx context.Context) error {
	url := a.cfg.DatabaseURL
	if url == "" {
		began := time.Now()
		pg, err := cluster.Start(ctx, cluster.Options{Dir: a.cfg.clusterDir(), Logger: a.log})
		if err != nil {
			return fmt.Errorf("start the private PostgreSQL (or set database_url): %w", err)
		}
		a.parts.onStop("postgresql", 20*time.Second, pg.Stop)
		url = pg.URL()
		a.log.Infof("private PostgreSQL in %s is up after %v", a.cfg.clusterDir(), time.Since(began).Round(time.Millisecond))
	}
	a.databaseURL = url
	opts := store.DefaultOptions()
	opts.URL, opts.Logger, opts.Fenced, opts.Raised = url, a.log, a.fenced, a.raised
	opts.Wrote = a.wrote
	if a.spill != nil {
		opts.Spill = a.spill
		for _, upto := range a.spill.Tags() {
			a.spilled = max(a.spilled, upto)
		}
	}
	if a.journal != nil {
		opts.Journal, opts.Tried = a.journal.ID(), a.journal.Trying()
		opts.Trying = func(upto uint64) {
			if err := a.journal.SetTrying(upto); err != nil {
				a.log.WithError(err).Debug("a kill now may double some evidence")
			}
		}
		opts.Stored = func(upto uint64) {
			if err := a.journal.SetStored(upto); err != nil {
				a.log.WithError(err).Warn("the journal's marks cannot be written: a restart takes longer")
			}
		}
	}
	opts.LongCallEvery = a.cfg.LongCallEvery
	var err error
	if opts.Keep, err = a.cfg.Keep(); err != nil {
		return err
	}
	if err := a.openStore(ctx, opts); err != nil {
		return err
	}
	a.parts.onStop("database connections", 5*time.Second, func(context.Context) error { return a.store.Close() })
	if a.store.Ready() != nil {
		a.parts.run("way to PostgreSQL", 2*time.Second, a.seekStore)
	}
	if err := a.startLeases(ctx); err != nil {
		return err
	}
	a.parts.run("store", 10*time.Second, a.store.Run)
	return nil
}

// openStore waits for a PostgreSQL that is not up yet, since machines start
// their services in any order, and fails at once on anything that waiting
// cannot mend. Where the journal may tell all that is needed it does not wait.
func (a *App) openStore(ctx context.Context, opts store.Options) error {
	for wait := 500 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		err := a.tryStore(ctx, opts)
		away := errors.Is(err, store.ErrUnreachable) || a.canWait() && errors.Is(err, store.ErrReadOnly)
		if err == nil || !away {
			return err
		}
		if a.canWait() {
			a.log.WithError(err).Warn("PostgreSQL is away: starting from the journal alone; what is to be written waits on disk")
			a.store, err = store.OpenLater(opts)
			return err
		}
		a.log.WithError(err).Warnf("PostgreSQL is not there; trying again in %v", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// canWait says that an earlier run left a journal that tells all, as far as can
// be said before it is read, and that what comes can wait on disk.
func (a *App) canWait() bool { return a.journal != nil && a.spill != nil && a.journal.Whole() != 0 }

func (a *App) tryStore(ctx context.Context, opts store.Options) (err error) {
	if a.canWait() { // a network that swallows everything must not hold the start up
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, startPatience)
		defer cancel()
	}
	if a.cfg.AutoMigrate {
		if err := store.Migrate(ctx, opts); err != nil {
			return err
		}
	}
	a.store, err = store.Open(ctx, opts)
	return err
}

// startPatience is how long a start waits for PostgreSQL that can go on without.
const startPatience = 3 * time.Second

// seekEvery is how often a PostgreSQL is looked for that was away at the start:
// soon enough that no standby takes over first.
const seekEvery = 300 * time.Millisecond

// seekStore looks for PostgreSQL until it is there.
func (a *App) seekStore(ctx context.Context) error {
	tick := time.NewTicker(seekEvery)
	defer tick.Stop()
	told, toldAt := "", time.Time{}
	for {
		limit, cancel := context.WithTimeout(ctx, time.Minute) // migrations take their time
		err := a.store.Connect(limit, a.cfg.AutoMigrate)
		cancel()
		switch {
		case err == nil:
			a.log.WithField("database", a.store.Target()).Warn("PostgreSQL is there: what waits is written now")
			return nil
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, store.ErrUnreachable), errors.Is(err, context.DeadlineExceeded):
		case err.Error() != told || time.Since(toldAt) > time.Minute:
			told, toldAt = err.Error(), time.Now()
			a.log.WithError(err).Error("PostgreSQL answers, but cannot be used: calls are guarded from the journal, nothing is written")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// awaitStore waits for PostgreSQL where the journal does not tell all.
func (a *App) awaitStore(ctx context.Context) error {
	if a.store.Ready() == nil {
		return nil
	}
	a.log.Error("the journal does not tell all and PostgreSQL is away: calls cannot be taken over before it is back; start PostgreSQL")
	tick := time.NewTicker(seekEvery)
	defer tick.Stop()
	for a.store.Ready() != nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	a.lease.round(ctx, true)
	a.heldNames()
	return nil
}
