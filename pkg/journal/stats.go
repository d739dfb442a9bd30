package journal

import (
	"errors"
	"sync/atomic"
	"time"
)

type counters struct {
	appended, written, lost, commits, failures, waived, bytes, damaged atomic.Uint64
	commitTime                                                         atomic.Int64
}

// Stats of a Log, for metrics; counted since it was opened.
type Stats struct {
	Appended   uint64        // entries taken
	Written    uint64        // entries on disk
	Lost       uint64        // entries given up, since the disk did not take them
	Waiting    int           // bytes that wait for the disk
	Commits    uint64        // groups on disk
	CommitTime time.Duration // spent in writing and syncing them
	Failures   uint64        // writes that failed
	Waived     uint64        // how often the disk was too slow to be waited for
	Damaged    uint64        // damaged places found at the start
	Bytes      uint64        // of entries written
	Size       int64         // of all files
	Files      int
	Missing    uint64 // files that were deleted by somebody else, found at the start
	Full       bool   // it has reached its limit
	Failing    error  // why the newest write failed, nil if it did not
	Whole      bool   // it alone tells the whole state, if nothing goes missing in it
	OK         bool   // the disk takes what it is given, in time
}

// Stats returns a snapshot.
func (l *Log) Stats() Stats {
	s := Stats{
		Appended: l.n.appended.Load(), Written: l.n.written.Load(), Lost: l.n.lost.Load(),
		Commits: l.n.commits.Load(), CommitTime: time.Duration(l.n.commitTime.Load()),
		Failures: l.n.failures.Load(), Waived: l.n.waived.Load(), Damaged: l.n.damaged.Load(),
		Bytes: l.n.bytes.Load(), Size: l.size(), OK: !l.failing.Load() && !l.waived.Load(),
		Whole: l.Whole() != 0,
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Failing, s.Full, s.Missing = l.why, errors.Is(l.why, ErrFull), l.missing
	s.Waiting, s.Files = len(l.waiting), len(l.segs)
	return s
}
