package compensate

import (
	"context"

	"golang.org/x/time/rate"

	"github.com/byeguard/byeguard/pkg/call"
)

// lane holds the BYEs of one node, or its OPTIONS: the one never waits for the
// other's pace. Sender.mu guards queue, flying and stats.
type lane struct {
	caller Caller
	pace   *rate.Limiter
	max    int // of flying
	queue  []call.Command
	flying int
	stats  NodeStats
	wake   chan struct{} // of capacity 1: something changed
}

func newLane(caller Caller, perSecond float64, burst, inFlight int) *lane {
	return &lane{
		caller: caller, max: inFlight, wake: make(chan struct{}, 1),
		pace: rate.NewLimiter(rate.Limit(perSecond), burst),
	}
}

// nudge lets the lane's loop look again.
func (l *lane) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// work is the loop of one lane: it takes commands in their order and starts a
// flight for each, at the lane's pace.
func (s *Sender) work(ctx, flight context.Context, l *lane) {
	for ctx.Err() == nil {
		c, ok := s.take(l)
		if !ok {
			select {
			case <-ctx.Done():
			case <-l.wake:
			}
			continue
		}
		if l.pace.Wait(ctx) != nil {
			s.putBack(l, c)
			return
		}
		s.flights.Go(func() { s.fly(ctx, flight, l, c) })
	}
}

// take claims the first command whose leg is free, and its leg. Commands of busy
// legs are set aside until the leg is free.
func (s *Sender) take(l *lane) (call.Command, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l.flying < l.max && len(l.queue) > 0 {
		c := l.queue[0]
		l.queue[0] = call.Command{} // lets go of its texts
		if l.queue = l.queue[1:]; len(l.queue) == 0 {
			l.queue = nil
		}
		if s.busy[legOf(c)] {
			s.parked[legOf(c)] = append(s.parked[legOf(c)], c)
			continue
		}
		s.busy[legOf(c)] = true
		l.flying++
		return c, true
	}
	return call.Command{}, false
}

// land gives the leg of a reported command free.
func (s *Sender) land(l *lane, c call.Command) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, c.ID)
	s.release(l, c)
}

// putBack returns a claimed command to the head of its lane.
func (s *Sender) putBack(l *lane, c call.Command) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.release(l, c)
	l.queue = append([]call.Command{c}, l.queue...)
}

// release frees a leg; the first command set aside for it goes to the head of
// its lane. Callers hold s.mu.
func (s *Sender) release(l *lane, c call.Command) {
	l.flying--
	delete(s.busy, legOf(c))
	if waiting := s.parked[legOf(c)]; len(waiting) > 0 {
		next := waiting[0]
		if len(waiting) == 1 {
			delete(s.parked, legOf(c))
		} else {
			s.parked[legOf(c)] = waiting[1:]
		}
		to := s.laneOf(next)
		to.queue = append([]call.Command{next}, to.queue...)
		to.nudge()
	}
	l.nudge()
}
