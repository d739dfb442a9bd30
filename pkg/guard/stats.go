package guard

import (
	"sync/atomic"

	"github.com/sirupsen/logrus"

	"github.com/byeguard/byeguard/pkg/call"
)

type laneStats struct {
	events, strays, dropped, done atomic.Uint64
	live, waiting                 atomic.Int64
}

// Stats of a guard, since it was made.
type Stats struct {
	Events  uint64 // stepped
	Strays  uint64 // of no call that is known
	Dropped uint64 // lost because a lane was full
	Done    uint64 // calls that ended with both legs accounted for
	Live    int64  // calls in memory, those that linger after their end included
	Waiting int64  // calls with a command that waits to be allowed
}

// Stats returns a snapshot; it may be called at any time.
func (g *Guard) Stats() Stats {
	var s Stats
	for _, l := range g.lanes {
		s.Events += l.stats.events.Load()
		s.Strays += l.stats.strays.Load()
		s.Dropped += l.stats.dropped.Load()
		s.Done += l.stats.done.Load()
		s.Live += l.stats.live.Load()
		s.Waiting += l.stats.waiting.Load()
	}
	return s
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
