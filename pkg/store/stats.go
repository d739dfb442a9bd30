package store

import "sync/atomic"

// Stats are the store's figures for metrics; all but Up and the waiting ones
// only grow.
type Stats struct {
	Up              bool   // the last transaction succeeded
	WaitingCalls    int    // calls that wait to be written
	WaitingEvidence int    // rows of evidence that wait
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
	down                                                                   atomic.Bool
	flushes, retries, calls, cdrs, evidence, incidents, commands, setAside atomic.Uint64
}

// Stats returns the figures of this moment.
func (s *Store) Stats() Stats {
	p := s.pending
	p.mu.Lock()
	st := Stats{WaitingCalls: len(p.order), WaitingEvidence: p.rows, Dropped: p.dropped}
	p.mu.Unlock()
	c := &s.counters
	st.Up = !c.down.Load()
	st.Flushes, st.Retries = c.flushes.Load(), c.retries.Load()
	st.Calls, st.CDRs, st.Evidence = c.calls.Load(), c.cdrs.Load(), c.evidence.Load()
	st.Incidents, st.Commands, st.SetAside = c.incidents.Load(), c.commands.Load(), c.setAside.Load()
	return st
}
