package store

import "sync/atomic"

// Stats are the store's figures for metrics; all but Up and the waiting ones
// only grow.
type Stats struct {
	Up              bool   // the last transaction succeeded
	WaitingCalls    int    // calls that wait to be written
	WaitingEvidence int    // rows of evidence that wait
	OnDisk          int    // batches that wait on disk, in Options.Spill; they are not among the two above
	Spilled         uint64 // batches moved to disk since the start
	SpillFailures   uint64 // times that could not be done: they wait in memory
	Unreadable      uint64 // batches on disk that were damaged and set aside
	Flushes         uint64 // transactions committed
	Retries         uint64 // transactions that failed and were tried again
	Calls           uint64 // calls' states written (coalesced)
	CDRs            uint64 // CDR rows inserted or changed
	Evidence        uint64 // rows of evidence written
	Incidents       uint64 // incidents opened, updated or resolved
	Commands        uint64 // commands inserted or closed
	Dropped         uint64 // rows of evidence lost to the bound while PostgreSQL was away
	SetAside        uint64 // rows that PostgreSQL refused
}

type counters struct {
	down atomic.Bool
	flushes, retries, calls, cdrs, evidence, incidents, commands, setAside,
	spilled, spillFailures, unreadable atomic.Uint64
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
	c := &s.counters
	st.Up = !c.down.Load()
	st.Flushes, st.Retries = c.flushes.Load(), c.retries.Load()
	st.Calls, st.CDRs, st.Evidence = c.calls.Load(), c.cdrs.Load(), c.evidence.Load()
	st.Incidents, st.Commands, st.SetAside = c.incidents.Load(), c.commands.Load(), c.setAside.Load()
	st.Spilled, st.SpillFailures, st.Unreadable = c.spilled.Load(), c.spillFailures.Load(), c.unreadable.Load()
	return st
}
