package evapi

import (
	"math"
	"time"
)

// Cause says why events are missing.
type Cause string

// Causes of gaps.
const (
	// CauseHole: the proxy counted events that it did not relay, most likely
	// because byeguard's credit was used up.
	CauseHole Cause = "hole"
	// CauseReconnect: events passed while byeguard was not connected.
	CauseReconnect Cause = "reconnect"
	// CauseRestart: the proxy started anew.
	CauseRestart Cause = "restart"
	// CauseReset: its counters were set back (htable.flush, htable.reload), and it
	// goes on running.
	CauseReset Cause = "reset"
	// CauseRefused: the handler did not take a batch.
	CauseRefused Cause = "refused"
	// CauseBad: a frame came but could not be decoded.
	CauseBad Cause = "bad"
)

// Gap is a run of events that were not seen: From to To, both included.
type Gap struct {
	Boot     int64
	From, To uint64 // To 0 = nobody knows how many
	Cause    Cause
}

// Position is a place in a node's stream of events.
type Position struct {
	Boot int64
	Seq  uint64
	At   int64 // newest time of the proxy's clock that was read there, Unix µs; 0 = not known
}

// Defaults of the reorder window. A busy proxy's events arrive up to 7 places
// away from their order, because a number is given out by one process and
// relayed after another's.
const (
	DefaultReorderEvents = 64
	DefaultReorderWait   = 200 * time.Millisecond

	// restartDistance: nothing that late is merely late. At 10,000 events a
	// second it is a process that slept for 400 ms between counting and relaying.
	restartDistance = 4096

	// outlived: a run of the proxy that was heard of so much later than the second
	// of its start shares that second with no later run. One second would do.
	outlived = 2 * time.Second
)

// Tracker follows the numbers of one node's events: it unwraps them from 32
// bits and finds holes. A hole becomes a gap when the window has passed over
// it, in events or in time. It delays no event, and a number that comes late is
// simply taken. It is pure: time is what the caller says.
type Tracker struct {
	window uint64
	wait   time.Duration
	boot   int64
	known  bool
	at     int64  // newest time of the proxy's clock in this boot, Unix µs
	high   uint64 // highest number seen or told of; its low 32 bits are the wire's
	holes  []hole // ascending, apart, all below high
	gaps   []Gap
}

type hole struct {
	from, to uint64
	since    time.Time
	cause    Cause
}

// NewTracker returns a Tracker that has seen nothing; zero values mean the
// defaults.
func NewTracker(window int, wait time.Duration) *Tracker {
	if window <= 0 {
		window = DefaultReorderEvents
	}
	if wait <= 0 {
		wait = DefaultReorderWait
	}
	return &Tracker{window: uint64(window), wait: wait}
}

// Resume tells the tracker what an earlier process had seen.
func (t *Tracker) Resume(p Position) {
	t.boot, t.high, t.at, t.known = p.Boot, p.Seq, p.At, true
}

// Position returns the highest number seen or told of.
func (t *Tracker) Position() Position { return Position{t.boot, t.high, t.at} }

// Heard notes the time of the proxy's clock (Unix µs) in a frame of the present boot.
func (t *Tracker) Heard(at int64) { t.at = max(t.at, at) }

// Hello begins a connection: the node has the boot identity and has given out
// seq as its last number. It returns that number unwrapped.
func (t *Tracker) Hello(boot int64, seq uint32, now time.Time) uint64 {
	switch {
	case !t.known:
		t.boot, t.high, t.known = boot, uint64(seq), true
	case boot != t.boot:
		t.restart(CauseRestart)
		t.boot, t.high, t.at = boot, uint64(seq), 0
		if seq > 0 {
			t.holes = append(t.holes, hole{1, t.high, now, CauseReconnect})
		}
	case distance(seq, t.high) < 0:
		t.rewind(seq)
	default:
		t.upto(seq, now, CauseReconnect)
	}
	return t.high
}

// Count tells that the node's counter stood at seq after it gave out all numbers
// that were read: if it is lower it was set back.
func (t *Tracker) Count(seq uint32, now time.Time) {
	if distance(seq, t.high) < 0 {
		t.rewind(seq)
		return
	}
	t.upto(seq, now, CauseHole)
}

// Sync tells that the node has given out seq as its last number, or lately did: a
// worker of the proxy may have read it before others counted on.
func (t *Tracker) Sync(seq uint32, now time.Time) { t.upto(seq, now, CauseHole) }

func (t *Tracker) upto(seq uint32, now time.Time, cause Cause) {
	d := distance(seq, t.high)
	if d < -int64(t.window) {
		// The counter itself was read, so this is no late event.
		t.rewind(seq)
		return
	}
	if d > 0 {
		t.open(t.high+1, t.high+uint64(d), now, cause)
		t.high += uint64(d)
	}
}

// See takes the number of an event that arrived and returns it unwrapped.
func (t *Tracker) See(seq uint32, now time.Time) uint64 {
	d := distance(seq, t.high)
	switch {
	case d == 1 && len(t.holes) == 0:
		t.high++
		return t.high
	case d > 0:
		if d > 1 {
			t.open(t.high+1, t.high+uint64(d)-1, now, CauseHole)
		}
		t.high += uint64(d)
		t.settle(now)
		return t.high
	case d <= -restartDistance:
		t.rewind(seq)
		return t.high
	}
	if uint64(-d) > t.high {
		return uint64(seq) // from before the first number: only at the very start
	}
	n := t.high - uint64(-d)
	t.fill(n)
	return n
}

// Missed reports events as missing whose numbers were seen.
func (t *Tracker) Missed(from, to uint64, cause Cause) {
	t.gaps = append(t.gaps, Gap{t.boot, from, to, cause})
}

// Expire turns holes that are old enough into gaps.
func (t *Tracker) Expire(now time.Time) { t.settle(now) }

// Take returns the gaps found since the last call, oldest first, nil for none.
func (t *Tracker) Take() []Gap {
	g := t.gaps
	t.gaps = nil
	return g
}

// Waiting says that holes are open, so that Expire must be called in time.
func (t *Tracker) Waiting() bool { return len(t.holes) > 0 }

func (t *Tracker) open(from, to uint64, now time.Time, cause Cause) {
	t.holes = append(t.holes, hole{from, to, now, cause})
}

// settle reports the holes that the window has left behind.
func (t *Tracker) settle(now time.Time) {
	n := 0
	for _, h := range t.holes {
		if t.high-h.to < t.window && now.Sub(h.since) < t.wait {
			break // the later ones are younger and higher
		}
		t.gaps = append(t.gaps, Gap{t.boot, h.from, h.to, h.cause})
		n++
	}
	t.holes = append(t.holes[:0], t.holes[n:]...)
}

// fill takes one number out of the holes.
func (t *Tracker) fill(n uint64) {
	for i := range t.holes {
		h := &t.holes[i]
		switch {
		case n < h.from || n > h.to:
			continue
		case h.from == h.to:
			t.holes = append(t.holes[:i], t.holes[i+1:]...)
		case n == h.from:
			h.from++
		case n == h.to:
			h.to--
		default:
			rest := hole{n + 1, h.to, h.since, h.cause}
			h.to = n - 1
			t.holes = append(t.holes, hole{})
			copy(t.holes[i+2:], t.holes[i+1:])
			t.holes[i+1] = rest
		}
		return
	}
}

// anew says why a counter went back within one boot identity. That is the second
// of the start, which two runs may share; but then the first of them was not heard
// of after it.
func (t *Tracker) anew() Cause {
	if time.Duration(t.at-t.boot*1e6)*time.Microsecond >= outlived {
		return CauseReset
	}
	return CauseRestart
}

// restart gives up what is open: nothing of it will come any more.
func (t *Tracker) restart(cause Cause) {
	for _, h := range t.holes {
		t.gaps = append(t.gaps, Gap{t.boot, h.from, h.to, h.cause})
	}
	t.holes = t.holes[:0]
	t.gaps = append(t.gaps, Gap{Boot: t.boot, From: t.high + 1, Cause: cause})
}

// rewind follows a counter that was set back within one boot. Event numbers go
// on growing: they enter the next 2^32.
func (t *Tracker) rewind(seq uint32) {
	t.restart(t.anew())
	t.high = (t.high>>32+1)<<32 | uint64(seq)
}

// distance is seq minus the low 32 bits of high, in -2^31 … 2^31-1.
func distance(seq uint32, high uint64) int64 {
	return int64(int32(seq - uint32(high&math.MaxUint32)))
}
