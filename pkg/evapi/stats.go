package evapi

import (
	"sync/atomic"

	"github.com/byeguard/byeguard/pkg/call"
)

// Stats is a snapshot of a Client's counters, all since it was made.
type Stats struct {
	Connected   bool                   // hello was answered on the present connection
	Connects    uint64                 // connections on which hello was answered
	Failures    uint64                 // connections, or attempts, that ended with an error
	Bytes       uint64                 // read
	Reads       uint64                 // socket reads that brought bytes
	Frames      uint64                 // of all kinds
	Events      uint64                 // decoded
	Kinds       [call.KindCount]uint64 // the same by kind
	Refused     uint64                 // events that the handler did not take
	Foreign     uint64                 // frames of other evapi clients
	Bad         uint64                 // byeguard frames that could not be decoded
	Gaps        uint64                 // reported
	Missed      uint64                 // events in those gaps, as far as their number is known
	Acks        uint64                 // acknowledgements written
	Syncs       uint64                 // syncs asked for
	LastSent    int64                  // newest relay counter read, as the proxy printed it
	LastAcked   int64                  // newest relay counter acknowledged
	LastSeq     uint64                 // highest event number known
	LastAt      int64                  // proxy's time of the newest event read, Unix µs; 0 = none yet
	LastSeen    int64                  // byeguard's time when it was read, Unix µs
	CreditLimit int64                  // the credit limit that the node told; 0 = not told
}

// counters are Stats in the making. The reader alone writes them.
type counters struct {
	connected                                          atomic.Bool
	connects, failures, bytes, reads, frames           atomic.Uint64
	refused, foreign, bad, gaps, missed, acks, syncs   atomic.Uint64
	lastSent, lastAcked, lastAt, lastSeen, creditLimit atomic.Int64
	lastSeq                                            atomic.Uint64
	kinds                                              [call.KindCount]atomic.Uint64 // of events
}

// Stats returns the counters as they are now. It may be called from any
// goroutine.
func (c *Client) Stats() Stats {
	n := &c.n
	s := Stats{
		Connected: n.connected.Load(), Connects: n.connects.Load(), Failures: n.failures.Load(),
		Bytes: n.bytes.Load(), Reads: n.reads.Load(), Frames: n.frames.Load(),
		Refused: n.refused.Load(), Foreign: n.foreign.Load(), Bad: n.bad.Load(),
		Gaps: n.gaps.Load(), Missed: n.missed.Load(), Acks: n.acks.Load(), Syncs: n.syncs.Load(),
		LastSent: n.lastSent.Load(), LastAcked: n.lastAcked.Load(), LastSeq: n.lastSeq.Load(),
		LastAt: n.lastAt.Load(), LastSeen: n.lastSeen.Load(), CreditLimit: n.creditLimit.Load(),
	}
	for i := range n.kinds {
		s.Kinds[i] = n.kinds[i].Load()
		s.Events += s.Kinds[i]
	}
	return s
}
