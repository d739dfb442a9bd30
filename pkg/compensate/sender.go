package compensate

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/byeguard/byeguard/pkg/call"
)

// Sender sends commands. Make one with [New], start it with Run.
type Sender struct {
	o Options

	mu     sync.Mutex
	on     bool                   // Run is under way
	lanes  map[string]*lane       // of BYEs, by node; never changes
	asking map[string]*lane       // of OPTIONS, by node; never changes
	lost   *lane                  // for commands to nodes that we do not have
	busy   map[leg]bool           // legs with a command in flight
	parked map[leg][]call.Command // further commands of busy legs
	known  map[string]bool        // ids of all commands that wait or are in flight

	flights sync.WaitGroup
}

// leg names one side of one call, whichever node sends to it.
type leg struct {
	key  call.Key
	side call.Side
}

func legOf(c call.Command) leg { return leg{key: c.Key, side: c.Leg} }

// New returns a sender that takes commands at once and sends them when it runs.
func New(o Options) (*Sender, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	s := &Sender{
		o: o.withDefaults(), lanes: map[string]*lane{}, asking: map[string]*lane{}, busy: map[leg]bool{},
		parked: map[leg][]call.Command{}, known: map[string]bool{},
	}
	for name, caller := range o.Nodes {
		s.lanes[name] = newLane(caller, s.o.Rate, s.o.Burst, s.o.MaxInFlight)
		s.asking[name] = newLane(caller, s.o.ProbeRate, 1, maxProbing)
	}
	s.lost = newLane(nobody{}, s.o.Rate, s.o.Burst, s.o.MaxInFlight)
	return s, nil
}

// Send takes a command. It never blocks. A command whose ID waits already, or is
// in flight, is counted and otherwise ignored, so an outbox may be read twice.
func (s *Sender) Send(c call.Command) {
	if s.o.Mode == ModeObserve {
		s.observe(c)
		return
	}
	if why := s.o.Gate.Hold(c); why != "" {
		s.count(func() { s.laneOf(c).stats.Deferred++ })
		s.deferred(c, why)
		return
	}
	if !s.accept(c) {
		s.tellProbed(c, 0, "not asked: too many others wait")
	}
}

// accept queues a command, but for an OPTIONS that others leave no room for.
func (s *Sender) accept(c call.Command) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.laneOf(c)
	if l.refuse(&c) {
		return false
	}
	if c.ID != "" && s.known[c.ID] {
		l.stats.Duplicates++
		return true
	}
	s.known[c.ID] = true
	l.stats.Accepted++
	l.queue = append(l.queue, c)
	l.nudge()
	return true
}

// deferred tells that a command may not go out now. The sender forgets it. An
// OPTIONS is not sent at all: the next one is due soon enough.
func (s *Sender) deferred(c call.Command, why string) {
	if c.Method == call.MethodOptions {
		s.tellProbed(c, 0, "not asked: "+why)
		return
	}
	s.o.Log.WithFields(fields(c)).WithField("why", why).Debug("bye waits")
	s.o.Results(c.Key, call.Event{
		Kind: call.KindDeferred, Node: c.Node, Seen: s.o.Clock().UnixMicro(),
		CallID: c.CallID, FromTag: c.FromTag, ToTag: c.ToTag, Leg: c.Leg,
		Reason: why, CommandID: c.ID, CSeq: c.CSeq, Method: "BYE",
	})
}

// Recheck has the gate asked about all that waits here for its turn: what may
// not go out any more need not wait for its turn to be told.
func (s *Sender) Recheck() {
	s.mu.Lock()
	type told struct {
		c   call.Command
		why string
	}
	var held []told
	look := func(l *lane, queue []call.Command) []call.Command {
		kept := queue[:0]
		for _, c := range queue {
			if why := s.o.Gate.Hold(c); why != "" {
				held = append(held, told{c, why})
				delete(s.known, c.ID)
				l.stats.Deferred++
				continue
			}
			kept = append(kept, c)
		}
		clear(queue[len(kept):])
		return kept
	}
	for _, l := range s.allLanes() {
		l.queue = look(l, l.queue)
	}
	for at, waiting := range s.parked {
		if kept := look(s.laneOf(waiting[0]), waiting); len(kept) == 0 {
			delete(s.parked, at)
		} else {
			s.parked[at] = kept
		}
	}
	s.mu.Unlock()
	for _, h := range held {
		s.deferred(h.c, h.why)
	}
}

func (s *Sender) laneOf(c call.Command) *lane {
	lanes := s.lanes
	if c.Method == call.MethodOptions {
		lanes = s.asking
	}
	if l := lanes[c.Node]; l != nil {
		return l
	}
	return s.lost
}

// observe counts a command and tells what would have been sent.
func (s *Sender) observe(c call.Command) {
	s.mu.Lock()
	s.laneOf(c).stats.Observed++
	s.mu.Unlock()
	log := s.o.Log.WithFields(fields(c))
	r, err := build(c)
	if err != nil {
		log.WithError(err).Warn("observe only: this bye could not have been built")
		return
	}
	log.WithField("request_uri", r.RequestURI).WithField("next_hop", r.NextHop).
		Info("observe only: a bye is due and not sent")
}

// ErrRunning means that Run was called while an earlier Run is under way.
var ErrRunning = errors.New("run compensation: it runs already")

// Run sends commands until ctx ends. Then it sends no more, waits at most
// Options.Drain for those in flight, gives up the rest, and returns nil. What
// was not reported is in Pending, and is sent by the next Run.
func (s *Sender) Run(ctx context.Context) error {
	s.mu.Lock()
	if s.on {
		s.mu.Unlock()
		return ErrRunning
	}
	s.on = true
	s.mu.Unlock()

	// Commands in flight outlive ctx by the drain time.
	flight, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	var loops sync.WaitGroup
	for _, l := range s.allLanes() {
		loops.Go(func() { s.work(ctx, flight, l) })
	}
	loops.Wait()

	landed := make(chan struct{})
	go func() {
		defer close(landed)
		s.flights.Wait()
	}()
	drain := time.NewTimer(s.o.Drain)
	defer drain.Stop()
	select {
	case <-landed:
	case <-drain.C:
		abort()
		<-landed
	}
	s.mu.Lock()
	s.on = false
	s.mu.Unlock()
	return nil
}

// Pending returns the commands that wait, oldest first for each node. After Run
// has returned these are all that were not reported.
func (s *Sender) Pending() []call.Command {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []call.Command
	for _, l := range s.allLanes() {
		all = append(all, l.queue...)
	}
	for _, waiting := range s.parked {
		all = append(all, waiting...)
	}
	return all
}

func (s *Sender) allLanes() []*lane {
	all := make([]*lane, 0, 2*len(s.lanes)+1)
	for _, l := range s.lanes {
		all = append(all, l)
	}
	for _, l := range s.asking {
		all = append(all, l)
	}
	return append(all, s.lost)
}
