package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
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

	var house sync.WaitGroup
	house.Go(func() { s.housekeep(ctx) })
	defer house.Wait()

	f := flusher{s: s}
	defer s.writer.disconnect()
	if s.opts.Spill != nil {
		ended := make(chan struct{})
		go func() { defer close(ended); s.spill() }()
		defer func() { s.pending.queue.stop(s.pending); <-ended }()
	}
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
			if s.Ready() != nil {
				maintain.Reset(time.Second)
				continue
			}
			next := maintainEvery
			if !f.maintain(work) {
				next = time.Minute
			}
			maintain.Reset(next)
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
	slot    *slot   // what is being written
	queue   []batch // of the slot, not yet written; a refused batch is here in parts
	wait    time.Duration
	down    bool
	since   time.Time
	dropped uint64 // as last told
}

// flush writes all that waits. While PostgreSQL is away it tries again until
// ctx ends; work is what the writing itself goes by.
func (f *flusher) flush(ctx, work context.Context) error {
	mark := f.s.roles.mark()
	err := f.flushAll(ctx, work)
	if err == nil {
		f.s.roles.stored(mark)
	}
	return err
}

func (f *flusher) flushAll(ctx, work context.Context) error {
	for {
		f.next()
		if f.slot == nil {
			return nil
		}
		for len(f.queue) > 0 {
			err := f.step(work)
			f.tell(err)
			if err == nil {
				continue
			}
			f.letGo()
			if err := f.pause(ctx); err != nil {
				return err
			}
			f.next()
		}
		f.done()
	}
}

// next takes the oldest batch, from memory or from disk; it keeps the one that is
// in hand.
func (f *flusher) next() {
	for {
		slot := f.s.pending.claim()
		if slot != f.slot {
			f.slot, f.queue = slot, nil
		}
		if slot == nil || len(f.queue) > 0 {
			return
		}
		b := slot.batch
		if b == nil {
			b = f.s.unspill(slot)
		}
		if b != nil {
			f.queue = []batch{*b}
			return
		}
	}
}

// letGo allows the batch in hand to be moved to disk meanwhile.
func (f *flusher) letGo() {
	p := f.s.pending
	p.mu.Lock()
	f.slot.busy = false
	p.queue.changed.Broadcast()
	p.mu.Unlock()
}

// done forgets the batch that was written.
func (f *flusher) done() {
	f.s.forget(f.slot)
	f.slot, f.queue = nil, nil
}

// step writes the first batch of the queue, or splits it where PostgreSQL
// refuses a row of it.
func (f *flusher) step(ctx context.Context) error {
	b := &f.queue[0]
	began := time.Now()
	err := f.s.writer.write(ctx, b)
	switch {
	case err == nil:
		f.written(b, time.Since(began))
	case isFenced(err): // what is left of the batch is written at once
		if b.empty() {
			break
		}
		return nil
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

func (f *flusher) written(b *batch, took time.Duration) {
	c := &f.s.counters
	w := Wrote{Evidence: b.rows(), Took: took}
	c.flushes.Add(1)
	c.evidence.Add(uint64(w.Evidence))
	for _, e := range b.entries {
		if e.hasCall {
			w.Calls++
			if _, ok := f.s.writer.accepted[e.key]; ok && e.call.State.Final() {
				w.Final++
			}
		}
		c.incidents.Add(uint64(len(e.incidents)))
		c.commands.Add(uint64(len(e.commands)))
	}
	c.calls.Add(uint64(w.Calls))
	n := len(f.s.writer.accepted)
	w.Open = n - w.Final
	c.cdrs.Add(uint64(n))
	c.finals.Add(uint64(w.Final))
	if f.s.opts.Wrote != nil {
		f.s.opts.Wrote(w)
	}
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
	s.counters.outcome(err)
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

func (f *flusher) maintain(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := f.s.Maintain(ctx, time.Now()); err != nil {
		f.s.log.WithError(err).Warn("cannot look after the partitions: rows go to the default ones meanwhile")
		return false
	}
	return true
}

// drain writes what is left, for as long as work lasts.
func (f *flusher) drain(work context.Context) error {
	if err := f.flush(work, work); err == nil {
		return nil
	}
	if f.s.opts.Spill != nil && f.s.spillRest() == nil {
		return nil
	}
	calls, rows := f.s.pending.size()
	return fmt.Errorf("write to database %s: %d calls and %d rows of evidence were not written within %s of stopping",
		f.s.target, calls, rows, f.s.opts.Drain)
}
