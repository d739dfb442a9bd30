package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sirupsen/logrus"
)

// maintainEvery is how often Run looks after the partitions.
const maintainEvery = time.Hour

// Run writes what Put takes until ctx ends, then what is left within
// Options.Drain. An error means that something was left unwritten; PostgreSQL
// being away is not an error but a reason to wait.
func (s *Store) Run(ctx context.Context) error {
	defer close(s.stopped)
	// A flush under way when ctx ends may finish: only the end of the drain
	// time breaks it off.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		t := time.NewTimer(s.opts.Drain)
		defer t.Stop()
		select {
		case <-t.C:
			cancel()
			s.conns.cut()
		case <-s.stopped:
		}
	})()

	f := flusher{s: s, maxRows: 8 * s.opts.FlushCalls}
	defer s.writer.disconnect()
	tick := time.NewTicker(s.opts.FlushEvery)
	defer tick.Stop()
	maintain := time.NewTimer(0)
	defer maintain.Stop()
	for {
		var done chan error
		select {
		case <-ctx.Done():
			return f.drain(work)
		case <-maintain.C:
			f.maintain(work)
			maintain.Reset(maintainEvery)
			continue
		case <-tick.C:
		case <-s.wake:
		case done = <-s.flushes:
		}
		err := f.flush(ctx, work)
		if done != nil {
			done <- err
		}
	}
}

// flusher takes batches out of memory and sees them through.
type flusher struct {
	s       *Store
	maxRows int
	queue   []batch // taken, not yet written; a refused batch is here in parts
	wait    time.Duration
	down    bool
	since   time.Time
	dropped uint64 // as last told
}

// flush writes all that waits. While PostgreSQL is away it tries again until
// ctx ends; work is what the writing itself goes by.
func (f *flusher) flush(ctx, work context.Context) error {
	for {
		full := false
		if len(f.queue) == 0 {
			b := f.s.pending.take(f.s.opts.FlushCalls, f.maxRows)
			if b.empty() {
				return nil
			}
			full = len(b.entries) == f.s.opts.FlushCalls || b.rows() >= f.maxRows
			f.queue = append(f.queue, b)
		}
		for len(f.queue) > 0 {
			err := f.step(work)
			f.tell(err)
			if err == nil {
				continue
			}
			if err := f.pause(ctx); err != nil {
				return err
			}
			full = true // more has come meanwhile
		}
		if !full {
			return nil
		}
	}
}

// step writes the first batch of the queue, or splits it where PostgreSQL
// refuses a row of it.
func (f *flusher) step(ctx context.Context) error {
	b := &f.queue[0]
	err := f.s.writer.write(ctx, b)
	switch {
	case err == nil:
		f.written(b)
	case !isPoison(err):
		f.s.counters.retries.Add(1)
		return err
	case b.single():
		f.setAside(b, err)
	default:
		first, second := b.split()
		f.queue = append([]batch{first, second}, f.queue[1:]...)
		return nil
	}
	f.queue = f.queue[1:]
	return nil
}

func (f *flusher) written(b *batch) {
	c := &f.s.counters
	c.flushes.Add(1)
	c.evidence.Add(uint64(b.rows()))
	for _, e := range b.entries {
		if e.hasCall {
			c.calls.Add(1)
		}
		c.incidents.Add(uint64(len(e.incidents)))
		c.commands.Add(uint64(len(e.commands)))
	}
	c.cdrs.Add(uint64(len(f.s.writer.accepted)))
	release(b.entries)
	f.s.pending.recycle(b.chunks)
}

// pause waits before the next try: twice as long each time, half of it by
// chance so that several byeguards do not come back at once.
func (f *flusher) pause(ctx context.Context) error {
	f.wait = min(max(2*f.wait, f.s.opts.RetryMin), f.s.opts.RetryMax)
	t := time.NewTimer(f.wait/2 + rand.N(f.wait/2+1))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// tell logs that PostgreSQL went away or came back, once each.
func (f *flusher) tell(err error) {
	s := f.s
	s.counters.down.Store(err != nil)
	log := s.log.WithField("database", s.target)
	switch {
	case err != nil && !f.down:
		f.down, f.since = true, time.Now()
		f.dropped = s.Stats().Dropped
		log.WithError(err).Warn("cannot write to PostgreSQL: holding back until it can be written to again")
	case err == nil && f.down:
		f.down, f.wait = false, 0
		st := s.Stats()
		log.WithFields(logrus.Fields{
			"away": time.Since(f.since).Round(time.Millisecond), "waiting_calls": st.WaitingCalls,
			"waiting_evidence": st.WaitingEvidence, "dropped_evidence": st.Dropped - f.dropped,
		}).Info("writing to PostgreSQL again")
	}
}

func (f *flusher) maintain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := f.s.Maintain(ctx, time.Now()); err != nil {
		f.s.log.WithError(err).Warn("cannot look after the partitions: rows go to the default ones meanwhile")
	}
}

// drain writes what is left, for as long as work lasts.
func (f *flusher) drain(work context.Context) error {
	if err := f.flush(work, work); err == nil {
		return nil
	}
	calls, rows := f.s.pending.size()
	for i := range f.queue {
		calls += len(f.queue[i].entries)
		rows += f.queue[i].rows()
	}
	return fmt.Errorf("write to database %s: %d calls and %d rows of evidence were not written within %s of stopping",
		f.s.target, calls, rows, f.s.opts.Drain)
}
