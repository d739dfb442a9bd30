package guard

import (
	"sync/atomic"

	"github.com/sirupsen/logrus"

	"github.com/byeguard/byeguard/pkg/call"
)

type laneStats struct {
	kinds                 [call.KindCount]atomic.Uint64
	strays, dropped, done atomic.Uint64
	live, waiting         atomic.Int64
	census                census
}

// count counts an event that is stepped.
func (s *laneStats) count(k call.Kind) {
	if int(k) < len(s.kinds) {
		s.kinds[k].Add(1)
	}
}

// Stats of a guard, since it was made.
type Stats struct {
	Events  uint64 // stepped
	Strays  uint64 // of no call that is known
	Dropped uint64 // lost because a lane was full
	Done    uint64 // calls that ended with both legs accounted for
	Live    int64  // calls in memory, those that linger after their end included
	Open    int64  // of them, those that were answered and are not accounted for yet
	Waiting int64  // calls with a command that waits to be allowed
}

// LaneStats are the figures of one lane.
type LaneStats struct {
	Queued int // events that wait to be stepped
	Limit  int // above it events are lost
}

// Detail is what [Guard.Stats] has no room for.
type Detail struct {
	Kinds   map[call.Kind]uint64    // events stepped, byeguard's own included
	Calls   map[call.State]int64    // in memory; their sum is Live
	Legs    map[call.LegState]int64 // of the answered ones among them
	Lanes   []LaneStats
	Pending int // turns of lanes that wait for the journal
}

// Stats returns a snapshot; it may be called at any time.
func (g *Guard) Stats() Stats {
	var s Stats
	for _, l := range g.lanes {
		for i := range l.stats.kinds {
			s.Events += l.stats.kinds[i].Load()
		}
		s.Strays += l.stats.strays.Load()
		s.Dropped += l.stats.dropped.Load()
		s.Done += l.stats.done.Load()
		s.Live += l.stats.live.Load()
		s.Open += l.stats.census.open()
		s.Waiting += l.stats.waiting.Load()
	}
	return s
}

// Detail returns a snapshot; it may be called at any time, and costs more than
// Stats.
func (g *Guard) Detail() Detail {
	d := Detail{Kinds: map[call.Kind]uint64{}, Calls: map[call.State]int64{}, Legs: map[call.LegState]int64{}}
	for _, l := range g.lanes {
		for i := range l.stats.kinds {
			d.Kinds[call.Kind(i)] += l.stats.kinds[i].Load()
		}
		l.stats.census.sum(d.Calls, d.Legs)
		l.mu.Lock()
		d.Lanes = append(d.Lanes, LaneStats{Queued: l.queued, Limit: g.opts.MaxQueue})
		l.mu.Unlock()
	}
	g.out.mu.Lock()
	d.Pending = len(g.out.queue)
	g.out.mu.Unlock()
	return d
}

// logIncident tells of an incident. The formatter quotes the Call-ID; details hold no
// text from SIP.
func logIncident(o *Options, i *call.Incident, why call.Reason) {
	entry := o.Logger.WithFields(logrus.Fields{
		"call": i.Key.String(), "call_id": i.CallID, "incident": string(i.Kind), "leg": i.Leg.String(),
	})
	if i.Resolved {
		entry.Info(i.Detail)
		return
	}
	entry.WithField("reason", string(why)).Warn(i.Detail)
}
