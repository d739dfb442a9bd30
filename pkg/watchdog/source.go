package watchdog

import (
	"sync/atomic"
	"time"
)

// Source is one goroutine of the child that must not stall. It is made by
// [Beats.NewSource] and is safe for use by several goroutines. A nil Source
// does nothing, so code need not ask whether it runs under a watchdog.
type Source struct {
	beats   *Beats
	name    string
	enabled atomic.Bool
	beaten  atomic.Bool
	age     time.Duration // the reporter's own: time since a beat was seen
}

// Beat says that the source is alive. It never blocks and costs about a
// nanosecond, so it may be called for every event. While the source is enabled
// it must be called at least every few hundred milliseconds, traffic or not: a
// reader waits for data with a deadline.
func (s *Source) Beat() {
	// The load keeps the cache line shared when events come faster than reports.
	if s != nil && !s.beaten.Load() {
		s.beaten.Store(true)
	}
}

// Enable begins to hold the process to this source's beats, and counts as one.
// It also ends the start-up time (see [Beats.Ready]).
func (s *Source) Enable() {
	if s == nil {
		return
	}
	s.beaten.Store(true)
	s.enabled.Store(true)
	s.beats.Ready()
}

// Disable stops to hold the process to this source's beats, for instance while
// a connection is down. Later beats do not enable it again.
func (s *Source) Disable() {
	if s != nil {
		s.enabled.Store(false)
	}
}

// Close disables the source and forgets it.
func (s *Source) Close() {
	if s == nil {
		return
	}
	s.Disable()
	s.beats.forget(s)
}

// silence returns how long the source has been silent, after step more time has
// passed; 0 while it is disabled. Only the reporter calls it.
func (s *Source) silence(step time.Duration) time.Duration {
	if s.beaten.Swap(false) || !s.enabled.Load() {
		s.age = 0
	} else {
		s.age += step
	}
	return s.age
}
