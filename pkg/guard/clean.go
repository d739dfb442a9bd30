package guard

import (
	"math"
	"sync/atomic"

	"github.com/byeguard/byeguard/pkg/call"
)

// cleaning is what the guard is told of the journal's old files.
type cleaning struct {
	target atomic.Uint64 // nothing should be needed up to here
	stored atomic.Uint64 // what follows from the entries up to here is stored
}

// Clean asks the guard to write those calls down anew that begin at or before
// position target in the journal, so that its older part can go. stored says
// up to where PostgreSQL has what follows from the entries: a call that is
// ahead of it stays. It does not wait; see Floor.
func (g *Guard) Clean(target, stored uint64) {
	g.clean.target.Store(target)
	g.clean.stored.Store(stored)
	for _, l := range g.lanes {
		select {
		case l.signal <- struct{}{}:
		default:
		}
	}
}

// Floor returns the lowest position that is needed to know the calls in memory.
func (g *Guard) Floor() uint64 {
	floor := uint64(math.MaxUint64)
	for _, l := range g.lanes {
		floor = min(floor, l.bases.floor.Load())
	}
	return floor
}

// cleanAtOnce bounds what one turn of a lane writes anew.
const cleanAtOnce = 256

func (l *lane) cleanUp() {
	target, stored := l.guard.clean.target.Load(), l.guard.clean.stored.Load()
	for n := 0; l.bases.head != nil; n++ {
		e := l.bases.head
		if e.filed.base == 0 || e.filed.base > target || e.filed.last > stored || !settled(e) {
			return
		}
		if n == cleanAtOnce {
			select {
			case l.signal <- struct{}{}: // go on after the events
			default:
			}
			return
		}
		l.noteState(e)
		e.filed.base = 0 // until it is filed
	}
}

// settled says that the call's state tells all: no question or command is under
// way, and nothing is held back.
func settled(e *entry) bool {
	c := e.call
	if p := c.Probing; p != nil && (p.Legs[0].InFlight != 0 || p.Legs[1].InFlight != 0) {
		return false
	}
	return c.State != call.StateNew && e.held == nil && !c.Asks.Pending && c.Legs[0].InFlight == 0 && c.Legs[1].InFlight == 0
}

// bases is a list of the lane's calls in the order of where they begin in the
// journal.
type bases struct {
	head, tail *entry
	floor      atomic.Uint64 // position of the head, MaxUint64 for none; for other goroutines
}

// linked says that the call is in the lane's list.
func (f *filed) linked(l *lane) bool {
	return f.prev != nil || f.next != nil || l.bases.head != nil && &l.bases.head.filed == f
}

func (b *bases) add(e *entry) {
	e.filed.prev, e.filed.next = b.tail, nil
	if b.tail == nil {
		b.head = e
	} else {
		b.tail.filed.next = e
	}
	b.tail = e
}

func (b *bases) remove(e *entry) {
	f := &e.filed
	switch {
	case f.prev != nil:
		f.prev.filed.next = f.next
	case b.head == e:
		b.head = f.next
	default:
		return // was not in it
	}
	if f.next != nil {
		f.next.filed.prev = f.prev
	} else {
		b.tail = f.prev
	}
	f.prev, f.next = nil, nil
}

func (l *lane) setFloor() {
	floor := uint64(math.MaxUint64)
	if l.bases.head != nil {
		floor = l.bases.head.filed.base
	}
	l.bases.floor.Store(floor)
}
