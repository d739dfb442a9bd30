package store

import (
	"sync"
	"sync/atomic"
	"time"
)

// Stats are the store's figures for metrics; all but Up and the waiting ones
// only grow.
type Stats struct {
	Up              bool      // the last transaction succeeded
	WaitingCalls    int       // calls that wait to be written
	WaitingEvidence int       // rows of evidence that wait
	AwaySince       time.Time // when PostgreSQL was found away; zero: it is there
	Trouble         error     // why the newest transaction failed, nil if it did not
	OnDiskBytes     int64     // of the batches on disk
	OnDisk          int       // batches that wait on disk, in Options.Spill; they are not among the two above
	Spilled         uint64    // batches moved to disk since the start
	SpillFailures   uint64    // times that could not be done: they wait in memory
	Unreadable      uint64    // batches on disk that were damaged and set aside
	Flushes         uint64    // transactions committed
	Retries         uint64    // transactions that failed and were tried again
	Calls           uint64    // calls' states written (coalesced)
	CDRs            uint64    // CDR rows inserted or changed
	Finals          uint64    // those that are final, of CDRs
	Evidence        uint64    // rows of evidence written
	Incidents       uint64    // incidents opened, updated or resolved
	Commands        uint64    // commands inserted or closed
	Dropped         uint64    // rows of evidence lost to the bound while PostgreSQL was away
	SetAside        uint64    // rows that PostgreSQL refused
}

type counters struct {
	mu    sync.Mutex
	since time.Time // down since then
	why   error     // nil: PostgreSQL is there
	flushes, retries, calls, cdrs, finals, evidence, incidents, commands, setAside,
	spilled, spillFailures, unreadable atomic.Uint64
}

// outcome notes how a transaction went.
func (c *counters) outcome(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.why = err; {
	case err == nil:
		c.since = time.Time{}
	case c.since.IsZero():
		c.since = time.Now()
	}
}

// Stats returns the figures of this moment.
func (s *Store) Stats() Stats {
	p := s.pending
	p.mu.Lock()
	st := Stats{
		WaitingCalls: len(p.order) + p.queue.calls, WaitingEvidence: p.rows + p.queue.rows, Dropped: p.dropped,
		OnDisk: p.queue.onDisk,
	}
	p.mu.Unlock()
	if s.opts.Spill != nil {
		st.OnDiskBytes = s.opts.Spill.Size()
	}
	c := &s.counters
	c.mu.Lock()
	st.Up, st.AwaySince, st.Trouble = c.why == nil, c.since, c.why
	c.mu.Unlock()
	st.Flushes, st.Retries = c.flushes.Load(), c.retries.Load()
	st.Calls, st.CDRs, st.Finals, st.Evidence = c.calls.Load(), c.cdrs.Load(), c.finals.Load(), c.evidence.Load()
	st.Incidents, st.Commands, st.SetAside = c.incidents.Load(), c.commands.Load(), c.setAside.Load()
	st.Spilled, st.SpillFailures, st.Unreadable = c.spilled.Load(), c.spillFailures.Load(), c.unreadable.Load()
	return st
}
