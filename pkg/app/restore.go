package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/guard"
	"github.com/byeguard/byeguard/pkg/journal"
)

// restore takes over what an earlier run left: live calls, and commands whose
// outcome is not known. The journal alone tells it, if nothing is missing in
// it; else PostgreSQL is asked too.
func (a *App) restore(ctx context.Context) error {
	began := time.Now()
	defer easeCollector()()
	if a.journal == nil {
		a.lease.settle()
		calls, err := a.load(ctx, a.guard.Restore)
		if err != nil {
			return err
		}
		return a.withdrawAll(ctx, nil, calls, began)
	}
	stored := max(a.journal.Stored(), a.spilled)
	if id := a.journal.ID(); id != "" && a.store.Ready() == nil {
		upto, err := a.store.StoredUpto(ctx, id)
		if err != nil {
			a.log.WithError(err).Warn("which evidence is stored already is looked up later")
		}
		stored = max(stored, upto)
	}
	replay := a.guard.Replay(func(pos uint64) bool { return pos <= stored })
	inputs, told := 0, time.Now()
	found, err := a.journal.Replay(func(first uint64, n int, entries []byte) error {
		if inputs += n; time.Since(told) >= progressEvery {
			told = time.Now()
			a.log.Infof("reading the journal: %d entries", inputs)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		return replay.Take(first, n, entries)
	})
	replay.Settle()
	if err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	a.journal.Skip(stored)
	a.parts.run("journal", 5*time.Second, a.journal.Run)
	whole := a.journal.Whole()
	known := found.Unused || found.Entries > 0 && found.Missing == 0 && found.Last >= a.journal.Stored()
	if whole == 0 || !known || found.LostLast >= whole {
		if err := a.awaitStore(ctx); err != nil {
			return err
		}
		return a.restoreBoth(ctx, replay, &found, began)
	}
	if a.lease.isStale() && a.store.Ready() == nil {
		return a.restoreBoth(ctx, replay, &found, began)
	}
	a.restoreAlone(replay, &found, began)
	return nil
}

// restoreAlone goes by the journal alone.
func (a *App) restoreAlone(replay *guard.Replay, found *journal.Replayed, began time.Time) {
	out := replay.Done()
	a.places = out.Places
	a.tellReplayed(&out, found, began)
	a.withdraw(out.Commands)
}

func (a *App) tellReplayed(out *guard.Replayed, found *journal.Replayed, began time.Time) {
	if out.Bad > 0 {
		a.log.Errorf("%d entries of the journal make no sense: passed over", out.Bad)
	}
	if out.Calls+len(out.Commands)+out.Inputs > 0 {
		a.log.Infof("took over %d calls and %d commands from the journal (%d entries, %d MiB) in %v",
			out.Calls, len(out.Commands), found.Entries, found.Bytes>>20, time.Since(began).Round(time.Millisecond))
	}
}

// restoreBoth goes by the journal and PostgreSQL: at the first start, and
// where something is missing in the journal.
func (a *App) restoreBoth(ctx context.Context, replay *guard.Replay, found *journal.Replayed, began time.Time) error {
	switch {
	case a.lease.isStale() && found.Entries > 0:
		a.log.Warn("another byeguard has acted since this journal was written: PostgreSQL is asked too")
	case found.Entries > 0 || found.Missing > 0:
		a.log.WithField("missing", found.Lost).WithField("missing_files", found.Missing).Warn("the journal does not tell all: PostgreSQL is asked too")
	}
	before := a.journal.Head()
	// Until all that PostgreSQL knows stands in it too, the next start must not go by it alone.
	if err := a.journal.SetWhole(0); err != nil {
		return err
	}
	merge := replay.Merge()
	calls, err := a.load(ctx, merge.Add)
	if err != nil {
		return err
	}
	over, err := a.store.Finals(ctx, merge.Unseen())
	if err != nil {
		return fmt.Errorf("take over calls: %w", err)
	}
	if n := merge.Done(over); n > 0 {
		a.log.Infof("%d calls of the journal are over, says PostgreSQL", n)
	}
	out := replay.Done()
	a.lease.settle()
	a.places = out.Places
	a.tellReplayed(&out, found, began)
	if err := a.withdrawAll(ctx, out.Commands, calls, began); err != nil {
		return err
	}
	// What was loaded need not be on disk before calls are guarded: a start before
	// that asks PostgreSQL again.
	a.parts.run("journal's beginning", time.Second, func(ctx context.Context) error {
		settle := func() error { return a.journal.Wait(ctx, a.journal.Head()) }
		err := a.guard.WriteDown(ctx, settle)
		if err == nil {
			err = settle()
		}
		if err == nil {
			return a.journal.SetWhole(max(before, 1))
		}
		if !errors.Is(err, journal.ErrFailing) && ctx.Err() == nil {
			return fmt.Errorf("write journal: %w", err)
		}
		return nil // the journal has told; the next start asks PostgreSQL too
	})
	return nil
}

// progressEvery is how often a long start says how far it is.
const progressEvery = 2 * time.Second

// easeCollector lets the heap grow faster while an earlier run's calls are taken
// over: nearly all of it stays, and looking through it again and again is what
// costs most. A GOGC that somebody has set is left alone; GOMEMLIMIT holds.
func easeCollector() (undo func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	before := debug.SetGCPercent(400)
	return func() { debug.SetGCPercent(before) }
}

// load hands the calls that PostgreSQL holds as live to f.
func (a *App) load(ctx context.Context, f func(*call.Call)) (calls int, err error) {
	if err := a.store.Flush(ctx); err != nil { // what an earlier run left on disk comes first
		return 0, fmt.Errorf("write what an earlier run left: %w", err)
	}
	told := time.Now()
	err = a.store.Load(ctx, a.nodeNames(), func(c *call.Call) error {
		f(c)
		if calls++; calls%1024 == 0 && time.Since(told) >= progressEvery {
			told = time.Now()
			a.log.Infof("taking over calls: %d", calls)
		}
		return nil
	})
	if err != nil {
		return calls, fmt.Errorf("take over calls: %w", err)
	}
	return calls, nil
}

// withdraw takes commands back that have no outcome. They are not sent as they
// stand, for they may be an hour old: the calls' facts decide.
func (a *App) withdraw(commands []call.Command) {
	for i := range commands {
		a.guard.Result(withdrawn(&commands[i], a.now(), "byeguard was started anew"))
	}
}

// withdrawAll withdraws those that the journal knows, and those in PostgreSQL.
func (a *App) withdrawAll(ctx context.Context, known []call.Command, calls int, began time.Time) error {
	a.withdraw(known)
	// The outcomes that the journal knows must be in the table before it is read.
	if err := a.store.Flush(ctx); err != nil {
		return fmt.Errorf("take over commands: %w", err)
	}
	if err := a.store.WithdrawOrphans(ctx, a.heldNames()); err != nil {
		return err
	}
	var commands []call.Command
	err := a.store.PendingCommands(ctx, a.heldNames(), func(c call.Command) error {
		commands = append(commands, c)
		return nil
	})
	if err != nil {
		return fmt.Errorf("take over commands: %w", err)
	}
	a.withdraw(commands)
	if calls+len(commands) > 0 {
		a.log.Infof("took over %d calls and %d commands in %v", calls, len(commands), time.Since(began).Round(time.Millisecond))
	}
	return nil
}
