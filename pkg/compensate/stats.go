package compensate

// Stats is what a sender has done since it was made.
type Stats struct {
	// Nodes by name. Commands to nodes that are not configured count under "".
	Nodes map[string]NodeStats
	// Asking has the OPTIONS of each node; Closed are those answered by 481.
	Asking map[string]NodeStats
	// Parked is the number of commands that wait for another one of their leg.
	Parked int
}

// NodeStats are the numbers of one node.
type NodeStats struct {
	Queued   int // wait now (parked ones not included)
	InFlight int // on the way now, or next in the pace

	Accepted   uint64 // commands taken
	Duplicates uint64 // commands ignored, since their ID was waiting already
	Observed   uint64 // commands not sent in ModeObserve
	Deferred   uint64 // commands that the gate did not let out

	Attempts uint64 // requests handed to the proxy
	Retries  uint64 // attempts that did not reach it and were made again
	Reported uint64 // commands done, the sum of the following
	Closed   uint64 // 2xx or 481
	Gone     uint64 // 481, of Closed: the leg had gone already
	Refused  uint64 // any other final reply but 408
	// Unanswered had a 408 or an outcome that is not known.
	Unanswered uint64
	// NotSent could not be built or sent.
	NotSent uint64
}

// Stats returns a snapshot.
func (s *Sender) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{Nodes: make(map[string]NodeStats, len(s.lanes)+1), Asking: make(map[string]NodeStats, len(s.asking))}
	for name, l := range s.asking {
		st.Asking[name] = l.snapshot()
	}
	for name, l := range s.lanes {
		st.Nodes[name] = l.snapshot()
	}
	if lost := s.lost.snapshot(); lost != (NodeStats{}) {
		st.Nodes[""] = lost
	}
	for _, waiting := range s.parked {
		st.Parked += len(waiting)
	}
	return st
}

func (l *lane) snapshot() NodeStats {
	st := l.stats
	st.Queued, st.InFlight = len(l.queue), l.flying
	return st
}

// count changes numbers under the lock.
func (s *Sender) count(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}
