package guard

import "github.com/byeguard/byeguard/pkg/call"

// Release has every command that waits decided anew whose node and reason free
// accepts. It never blocks; free must not either, and is called by the lanes.
//
// A command that waited, for a second or an hour, is not sent as it stands: it
// is withdrawn, and its call's facts of now decide whether the leg is owed one.
func (g *Guard) Release(free func(node string, why call.Reason) bool) {
	for _, l := range g.lanes {
		l.mu.Lock()
		l.freed = free
		l.mu.Unlock()
		l.wake()
	}
}

// release does what Release asked for.
func (l *lane) release(now int64) {
	l.mu.Lock()
	free := l.freed
	l.freed = nil
	l.mu.Unlock()
	if free == nil {
		return
	}
	for e := range l.waiting {
		for _, s := range [...]call.Side{call.Caller, call.Callee} {
			c := e.call
			why, waits := c.Waiting(s)
			if waits && free(c.Sender(s), why) {
				l.withdraw(e, s, c.CommandID(s), now, "sending goes on")
			}
		}
	}
}

// withdraw takes a command back.
func (l *lane) withdraw(e *entry, s call.Side, id string, now int64, why string) {
	c := e.call
	node := c.Sender(s)
	l.step(e, &call.Event{
		Kind: call.KindWithdrawn, Node: node, CallID: c.CallID, FromTag: c.Leg(call.Caller).Tag, ToTag: c.Leg(call.Callee).Tag,
		Leg: s, CommandID: id, Seen: now, At: now - l.offset[node], Reason: why,
	})
}

// noteWaiting keeps the set of calls whose command waits. A command whose leg
// has ended by itself meanwhile is withdrawn, so that none is left behind.
func (l *lane) noteWaiting(e *entry, ev *call.Event) {
	before, known := l.waiting[e]
	var now [2]string
	for i, s := range [...]call.Side{call.Caller, call.Callee} {
		if _, waits := e.call.Waiting(s); waits {
			now[i] = e.call.CommandID(s)
		}
	}
	switch {
	case now == [2]string{}:
		l.forgetWaiting(e)
	case now != before:
		l.waiting[e] = now
		if !known {
			l.stats.waiting.Add(1)
		}
	}
	for i, s := range [...]call.Side{call.Caller, call.Callee} {
		if before[i] != "" && before[i] != now[i] && ev.CommandID != before[i] {
			l.withdraw(e, s, before[i], ev.Seen, "nothing is owed any more")
		}
	}
}

func (l *lane) forgetWaiting(e *entry) {
	if _, known := l.waiting[e]; known {
		delete(l.waiting, e)
		l.stats.waiting.Add(-1)
	}
}

func (l *lane) wake() {
	select {
	case l.signal <- struct{}{}:
	default: // it is awake already
	}
}
