package app

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/byeguard/byeguard/pkg/evapi"
	"github.com/byeguard/byeguard/pkg/journal"
)

// journalDir is where the journal lives.
func (c *Config) journalDir() string {
	if c.JournalDir != "" {
		return c.JournalDir
	}
	return filepath.Join(c.DataDir, "journal")
}

// startJournal opens the journal and the queue of what waits for PostgreSQL. A
// disk that does not take them is no reason not to guard calls; another
// byeguard that uses them is.
func (a *App) startJournal() error {
	dir := a.cfg.journalDir()
	limit := int64(a.cfg.JournalMax) << 20
	log, err := journal.Open(journal.Options{Dir: dir, MaxBytes: limit, Logger: a.log, Committed: func(upto uint64) { a.guard.Committed(upto) }})
	if errors.Is(err, journal.ErrInUse) {
		return err
	}
	if err != nil {
		a.log.WithError(err).Errorf("no journal in %s: going on without it; a kill or an absent PostgreSQL can cost what was not written yet", dir)
		return nil
	}
	a.journal = log
	a.parts.onStop("journal files", time.Second, func(context.Context) error { return log.Close() })
	if a.spill, err = journal.OpenQueue(filepath.Join(dir, "waiting"), limit); err != nil {
		a.log.WithError(err).Error("no queue on disk: what PostgreSQL does not take waits in memory")
		a.spill = nil
	}
	return nil
}

// keepFiles is how much of the journal is kept beyond what the calls in memory
// need: short calls end within it, so that they are never written anew.
const keepFiles = 64 << 20

// keepCall is about what a call needs of the journal, twice: cleaning up
// early would write everything over and over.
const keepCall = 2 * 1500

// tendJournal drops the files that are not needed any more.
func (a *App) tendJournal(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		stored := a.journal.Stored()
		if err := a.journal.Truncate(min(stored, a.guard.Floor()-1)); err != nil {
			a.log.WithError(err).Warn("old journal files stay")
		}
		if upto := a.journal.Excess(keepFiles + keepCall*a.guard.Stats().Live); upto > 0 {
			a.guard.Clean(upto, stored)
		}
	}
}

func (a *App) nodeNames() (names []string) {
	for _, n := range a.nodes {
		names = append(names, n.cfg.Name)
	}
	return names
}

// resume is up to where the events of a node were read by an earlier run.
func (a *App) resume(node string) evapi.Position {
	p := a.places[node]
	return evapi.Position{Boot: p.Boot, Seq: p.Seq, At: p.At}
}
