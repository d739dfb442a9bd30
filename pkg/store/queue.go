package store

import "sync"

// slot is a sealed batch that waits for the writer, in memory or on disk.
type slot struct {
	batch *batch // nil: on disk
	upto  uint64 // journal position
	busy  bool   // somebody uses batch
	taken bool   // the writer has it in hand, maybe between two tries
	calls int    // of a batch in memory
	rows  int
	bytes int
}

// queue is the row of sealed batches, oldest first. pending.mu guards it.
type queue struct {
	slots   []*slot
	calls   int // of those in memory
	rows    int
	bytes   int
	onDisk  int
	stored  uint64 // up to here all is in PostgreSQL
	ended   bool
	changed *sync.Cond // on pending.mu
}

// keepInMemory is how many sealed batches may wait in memory: more of them
// mean that PostgreSQL does not keep up.
const keepInMemory = 4

func (q *queue) add(s *slot) {
	q.slots = append(q.slots, s)
	q.count(s, 1)
	if q.inMemory() > keepInMemory {
		q.changed.Broadcast()
	}
}

func (q *queue) inMemory() int { return len(q.slots) - q.onDisk }

func (q *queue) count(s *slot, sign int) {
	q.calls += sign * s.calls
	q.rows += sign * s.rows
	q.bytes += sign * s.bytes
}

// drop drops the oldest chunk of evidence of a batch that nobody uses.
func (q *queue) drop(p *pending) bool {
	for _, s := range q.slots {
		if s.taken || s.busy || s.batch == nil || len(s.batch.chunks) == 0 {
			continue
		}
		c := s.batch.chunks[0]
		s.batch.chunks = s.batch.chunks[1:]
		s.rows -= c.rows
		s.bytes -= len(c.buf)
		q.rows -= c.rows
		q.bytes -= len(c.buf)
		p.dropped += uint64(c.rows)
		return true
	}
	return false
}

// reached returns the position up to which all is stored or on disk.
func (q *queue) reached() uint64 {
	upto := q.stored
	for _, s := range q.slots {
		if s.batch != nil {
			break
		}
		upto = max(upto, s.upto)
	}
	return upto
}

// stop ends whoever waits for the queue to change.
func (q *queue) stop(p *pending) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q.ended = true
	q.changed.Broadcast()
}

// claim returns the oldest batch, made of what has come so far if there is
// none, and keeps others from it; nil means that nothing waits.
func (p *pending) claim() *slot {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue.slots) == 0 {
		p.seal()
	}
	if len(p.queue.slots) == 0 {
		return nil
	}
	s := p.queue.slots[0]
	for s.busy {
		p.queue.changed.Wait()
	}
	s.busy, s.taken = true, true
	return s
}

// forget removes the oldest slot, which was written.
func (s *Store) forget(sl *slot) {
	p := s.pending
	p.mu.Lock()
	q := &p.queue
	q.slots[0] = nil
	q.slots = q.slots[1:]
	if len(q.slots) == 0 {
		q.slots = nil
	}
	b := sl.batch
	if b == nil {
		q.onDisk--
	} else {
		q.count(sl, -1)
	}
	q.stored = max(q.stored, sl.upto)
	reached := q.reached()
	p.mu.Unlock()
	if b == nil {
		s.disk.Lock()
		if err := s.opts.Spill.Remove(); err != nil {
			s.log.WithError(err).Error("a batch that is in PostgreSQL now cannot be removed from disk: it is written again after a restart, which changes nothing but evidence")
		}
		s.disk.Unlock()
	} else {
		release(b.entries)
		p.recycle(b.chunks)
	}
	s.tellStored(reached)
}

func (s *Store) tellStored(upto uint64) {
	if s.opts.Stored != nil && upto > 0 {
		s.opts.Stored(upto)
	}
}
