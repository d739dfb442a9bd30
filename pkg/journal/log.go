package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// ErrInUse says that another process has the directory.
var ErrInUse = errors.New("journal is in use by another byeguard")

// ErrFailing means that the disk does not take the journal now.
var ErrFailing = errors.New("the disk does not take the journal")

// Log is an append-only log in a directory. Append, Truncate, Stats and the
// marks may be used from any goroutine; Replay before Run, and Run once.
type Log struct {
	o    Options
	lock *os.File

	mu      sync.Mutex
	waiting []byte // entries that wait for Run
	spare   []byte
	first   uint64 // position of the first of them
	count   int
	since   time.Time // when the first of them came
	next    uint64    // the next position to give
	done    uint64    // on disk, or given up
	why     error     // the newest write failed so; nil = it did not
	missing uint64    // files that are gone
	segs    []segment // oldest first; the last one is written to while out is not nil

	due    *time.Timer   // runs from the first entry of a group on
	hurry  chan struct{} // somebody waits for the commit
	out    *output       // Run's alone
	serial uint64        // number of the newest file; Run's alone

	marks marks
	id    string

	oldest  atomic.Int64 // when the oldest entry came that is not on disk, Unix ns; 0 = all is
	waived  atomic.Bool
	failing atomic.Bool
	n       counters
}

// Open takes the directory. It reads nothing yet: call Replay, then Run.
func Open(o Options) (*Log, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make journal directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(o.Dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock journal: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s; give each its own data_dir", ErrInUse, o.Dir)
		}
		return nil, fmt.Errorf("lock journal %s: %w", o.Dir, err)
	}
	l := &Log{o: o, lock: lock, next: 1, due: time.NewTimer(time.Hour), hurry: make(chan struct{}, 1)}
	if err := l.scan(); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Close gives the directory free. Run must have ended.
func (l *Log) Close() error { return errors.Join(l.marks.close(), l.lock.Close()) }

// Append takes n entries, in the form that Replay gives them back, and returns
// the position of the last. It never waits. urgent says that somebody waits
// for them to be on disk.
func (l *Log) Append(entries []byte, n int, urgent bool) (last uint64) {
	l.mu.Lock()
	if len(l.waiting) > 0 && len(l.waiting)+len(entries) > l.o.Buffer {
		l.n.lost.Add(uint64(l.count))
		l.waiting, l.count = l.waiting[:0], 0
	}
	was := l.count
	if was == 0 {
		l.first, l.since = l.next, time.Now()
		l.oldest.CompareAndSwap(0, l.since.UnixNano())
	}
	l.waiting = append(l.waiting, entries...)
	l.count += n
	l.next += uint64(n)
	last = l.next - 1
	l.mu.Unlock()
	l.n.appended.Add(uint64(n))
	if was == 0 {
		l.due.Reset(l.o.CommitEvery) // it wakes Run once a group, not twice
	}
	if urgent {
		nudge(l.hurry)
	}
	return last
}

// Head returns the newest position given, 0 before the first.
func (l *Log) Head() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next - 1
}

// Wait waits until everything up to that position is on disk. It goes on with a
// disk that has failed only when ctx ends.
func (l *Log) Wait(ctx context.Context, upto uint64) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		l.mu.Lock()
		done := l.done >= upto
		l.mu.Unlock()
		if done {
			return nil
		}
		if l.failing.Load() {
			return ErrFailing
		}
		nudge(l.hurry)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run writes what Append takes until ctx ends, then what is left. A disk that
// fails is no error of Run's.
func (l *Log) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	watch, cancel := context.WithCancel(context.WithoutCancel(ctx))
	wg.Go(func() { l.watch(watch) })
	defer wg.Wait()
	defer cancel()
	retry := time.NewTimer(time.Hour)
	defer retry.Stop()
	defer l.due.Stop()
	for {
		select {
		case <-l.due.C:
		case <-l.hurry:
		case <-ctx.Done():
			err := l.commit()
			return errors.Join(err, l.closeSegment())
		}
		for l.commit() != nil {
			retry.Reset(l.o.Retry)
			select {
			case <-retry.C:
			case <-ctx.Done():
				return errors.Join(l.commit(), l.closeSegment())
			}
		}
	}
}

// watch lets those go on who wait for a disk that fails or hangs.
func (l *Log) watch(ctx context.Context) {
	// Seldom while all is well, for each wake-up costs.
	const seldom, often = 2, 8
	tick := time.NewTicker(max(l.o.Patience/seldom, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		oldest := l.oldest.Load()
		late := oldest != 0 && (l.failing.Load() || time.Since(time.Unix(0, oldest)) > l.o.Patience)
		if late {
			if !l.waived.Swap(true) {
				l.n.waived.Add(1)
				tick.Reset(max(l.o.Patience/often, time.Millisecond))
				if !l.failing.Load() {
					l.o.Logger.WithField("journal", l.o.Dir).Errorf("the disk has not taken the journal for %v: going on without it", l.o.Patience)
				}
			}
			l.o.Committed(l.Head())
		} else if l.waived.Swap(false) {
			tick.Reset(max(l.o.Patience/seldom, time.Millisecond))
			l.o.Logger.WithField("journal", l.o.Dir).WithField("lost_entries", l.n.lost.Load()).Warn("the journal is written again")
		}
	}
}
