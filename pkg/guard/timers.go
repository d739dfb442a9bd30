package guard

import (
	"container/heap"

	"github.com/byeguard/byeguard/pkg/call"
)

// timers is a heap of calls by when they want a tick. An entry that was
// scheduled anew keeps its old place as a harmless early look.
type timers []timer

type timer struct {
	at int64
	e  *entry
}

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].at < t[j].at }
func (t timers) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }

// Push and Pop are for container/heap.
func (t *timers) Push(x any) { *t = append(*t, x.(timer)) }

// Pop removes the last one.
func (t *timers) Pop() any {
	old := *t
	last := old[len(old)-1]
	old[len(old)-1] = timer{}
	*t = old[:len(old)-1]
	return last
}

func (t timers) next() (int64, bool) {
	if len(t) == 0 {
		return 0, false
	}
	return t[0].at, true
}

// schedule puts the call's wish into the timers, unless an earlier look is due
// anyway.
func (l *lane) schedule(e *entry) {
	wake := e.call.Wake
	if wake == 0 || e.scheduled != 0 && e.scheduled <= wake {
		return
	}
	e.scheduled = wake
	heap.Push(&l.timers, timer{at: wake, e: e})
}

// fire ticks the calls whose time has come.
func (l *lane) fire(now int64) {
	for len(l.timers) > 0 && l.timers[0].at <= now {
		t := heap.Pop(&l.timers).(timer)
		e := t.e
		if e.scheduled != t.at { // it was scheduled anew, for earlier, and has been looked at
			continue
		}
		e.scheduled = 0
		if e.call.Wake == 0 {
			continue
		}
		if e.call.Wake > now {
			l.schedule(e)
			continue
		}
		l.step(e, &call.Event{
			Kind: call.KindTick, Node: e.call.Node, CallID: e.call.CallID,
			Seen: now, At: now - l.offset[e.call.Node],
		})
	}
}
