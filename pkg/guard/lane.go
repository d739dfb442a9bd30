package guard

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"github.com/byeguard/byeguard/pkg/call"
)

// entry is one call in a lane's memory. Calls of one Call-ID (a fork's
// branches, attempts in a row) are chained.
type entry struct {
	call      *call.Call
	next      *entry
	scheduled int64         // when the entry stands in the timers for; 0 = not at all
	held      *[]call.Event // what was seen before the call settled; nil = nothing, as nearly always
	filed     filed
}

// lane owns the calls whose Call-ID falls to it. Only its goroutine touches
// calls and timers; the inbox is shared.
type lane struct {
	opts  *Options
	guard *Guard
	seed  maphash.Seed
	asker *asker

	mu     sync.Mutex
	freed  func(node string, why call.Reason) bool // a release that is to be looked at
	inbox  [][]call.Event
	queued int
	orders []func() // to be carried out after the inbox
	signal chan struct{}

	calls   map[uint64]*entry
	bare    []*entry             // restored calls that the journal may not have yet
	waiting map[*entry][2]string // those with a command that waits to be allowed, and which
	timers  timers
	offset  map[string]int64 // byeguard's clock minus the node's, µs
	updates []call.Update
	effects []call.Effect
	notes   notes
	bases   bases

	stats laneStats
}

// maxHeld bounds the strays that are kept of what may turn out to be a call.
const maxHeld = 32

// maxStrays bounds what is not a call yet with one Call-ID: they are searched
// one by one.
const maxStrays = 64

func newLane(g *Guard) *lane {
	l := &lane{
		opts: &g.opts, guard: g, seed: g.seed, asker: g.asker,
		signal: make(chan struct{}, 1),
		calls:  make(map[uint64]*entry), offset: make(map[string]int64), waiting: make(map[*entry][2]string),
	}
	l.setFloor()
	return l
}

// push queues events; limit 0 means that they are taken in any case.
func (l *lane) push(events []call.Event, limit int) bool {
	l.mu.Lock()
	full := limit > 0 && l.queued+len(events) > limit
	if !full {
		l.inbox = append(l.inbox, events)
		l.queued += len(events)
	}
	l.mu.Unlock()
	if full {
		l.stats.dropped.Add(uint64(len(events)))
		return false
	}
	select {
	case l.signal <- struct{}{}:
	default: // it is awake already
	}
	return true
}

func (l *lane) take() (batches [][]call.Event, orders []func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	batches, orders = l.inbox, l.orders
	l.inbox, l.orders, l.queued = nil, nil, 0
	return batches, orders
}

// order has the lane call do after what was pushed before was handed on. One that is given
// after the lane has ended is not carried out.
func (l *lane) order(do func()) {
	l.mu.Lock()
	l.orders = append(l.orders, do)
	l.mu.Unlock()
	select {
	case l.signal <- struct{}{}:
	default: // it is awake already
	}
}

// shadow appends the dialogs of a node that the lane's calls take for held.
func (l *lane) shadow(node string, out []call.Question) []call.Question {
	for _, e := range l.calls {
		for ; e != nil; e = e.next {
			out = e.call.Shadow(node, out)
		}
	}
	return out
}

func (l *lane) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	sweep := time.NewTicker(sweepEvery(&l.opts.Policy))
	defer sweep.Stop()
	for {
		batches, orders := l.take()
		for _, batch := range batches {
			for i := range batch {
				l.handle(&batch[i])
			}
		}
		if len(orders) > 0 {
			l.flush()
		}
		for _, do := range orders {
			do()
		}
		l.release(l.now())
		l.fire(l.now())
		l.cleanUp()
		l.flush()
		timer.Reset(l.sleep())
		select {
		case <-l.signal:
		case <-timer.C:
		case <-sweep.C:
			l.sweep(l.now())
		case <-ctx.Done():
			batches, _ := l.take()
			for _, batch := range batches {
				for i := range batch {
					l.handle(&batch[i])
				}
			}
			l.flush()
			return
		}
	}
}

func (l *lane) now() int64 { return l.opts.Clock().UnixMicro() }

// sleep is how long the lane may rest if nothing comes.
func (l *lane) sleep() time.Duration {
	next, ok := l.timers.next()
	if !ok {
		return time.Hour
	}
	return max(0, time.Duration(next-l.now())*time.Microsecond)
}

// handle finds the call of an event, or makes it, and steps it.
func (l *lane) handle(ev *call.Event) {
	if ev.Node != "" && ev.At != 0 && ev.Seq != 0 {
		l.offset[ev.Node] = ev.Seen - ev.At
	}
	if ev.At == 0 { // made by byeguard: put it on the node's clock
		ev.At = ev.Seen - l.offset[ev.Node]
	}
	l.stats.count(ev.Kind)
	hash := maphash.String(l.seed, ev.CallID)
	head := l.calls[hash]
	for e := head; e != nil; e = e.next {
		if e.call.Matches(ev) {
			l.step(e, ev)
			return
		}
	}
	if !call.Begins(ev) {
		l.stray(ev)
		return
	}
	var sibling *call.Call
	strays := 0
	for e := head; e != nil; e = e.next {
		if e.call.CallID != ev.CallID {
			continue
		}
		if sibling == nil {
			sibling = e.call
		}
		if e.call.State == call.StateNew {
			strays++
		}
	}
	stray := ev.Kind == call.KindByeIn || ev.Kind == call.KindByeFwd
	if stray && strays >= maxStrays { // somebody tries tags; what forms a dialog is never lost
		l.stray(ev)
		return
	}
	e := &entry{call: call.New(ev, sibling), next: head}
	l.calls[hash] = e
	l.enter(e)
	e.filed.serial = l.guard.calls.Add(1)
	l.step(e, ev)
}

// stray counts an event of no call.
func (l *lane) stray(ev *call.Event) {
	l.stats.strays.Add(1)
	if l.opts.Journal != nil {
		l.notes.passed(ev)
	}
}

// step moves one call, writes down by what, and remembers what is to be stored
// and done.
func (l *lane) step(e *entry, ev *call.Event) {
	before := bareBefore(e)
	effects := l.apply(e, ev)
	if l.opts.Journal != nil && (!silent(ev) || e.call.Changed() || len(effects) > 0) {
		if before != nil { // what follows makes sense only after it
			l.noteCall(e, before)
		}
		l.noteInput(e, ev)
	}
	if ev.Kind == call.KindDeferred || len(l.waiting) > 0 {
		l.noteWaiting(e, ev)
	}
	if e.call.Forget {
		l.noteDrop(e)
		l.drop(e)
		return
	}
	l.schedule(e)
}

// apply is step without what only a running lane needs: a replay does the same.
func (l *lane) apply(e *entry, ev *call.Event) []call.Effect {
	from := len(l.effects)
	before := standingOf(e.call)
	if m := l.guard.epochs.Load(); m != nil {
		e.call.Enter((*m)[e.call.Node])
	}
	l.effects = e.call.Step(ev, &l.opts.Policy, l.effects)
	effects := l.effects[from:len(l.effects):len(l.effects)]
	if e.call.State == call.StateNew { // not a call yet: what was seen is kept until it is
		if e.held == nil {
			e.held = new([]call.Event)
		}
		if !e.call.Forget && len(*e.held) < maxHeld {
			*e.held = append(*e.held, *ev)
		}
	} else {
		for i := 0; e.held != nil && i < len(*e.held); i++ {
			l.updates = append(l.updates, call.Update{Call: e.call.Clone(), Event: (*e.held)[i]})
		}
		e.held = nil
		l.record(e.call, ev, effects)
	}
	l.stats.census.move(before, standingOf(e.call))
	if e.call.State != before.state && e.call.State == call.StateDone {
		l.stats.done.Add(1)
	}
	return effects
}

// record hands on what a person may want to see: every event, and each tick
// that changed or decided something.
func (l *lane) record(c *call.Call, ev *call.Event, effects []call.Effect) {
	if silent(ev) && !c.Changed() && len(effects) == 0 {
		return
	}
	l.updates = append(l.updates, call.Update{
		Call: c.Clone(), Changed: c.Changed(), Event: *ev, Effects: append([]call.Effect(nil), effects...),
	})
}

// silent says that the event matters only if it changed or decided something:
// time passed, or a snapshot showed what is known.
func silent(ev *call.Event) bool { return ev.Kind == call.KindTick || ev.Kind == call.KindListed }

// flush asks the proxies, for questions do no harm, and hands the rest on: the
// journal first, then the store, then whoever carries out the commands. Nothing
// is done that was not written down before.
func (l *lane) flush() {
	rest := l.effects[:0]
	for i := range l.effects {
		if l.effects[i].Kind == call.EffectAsk {
			l.asker.ask(l.effects[i].Question)
			continue
		}
		rest = append(rest, l.effects[i])
	}
	l.effects = rest
	if len(l.updates)+len(l.effects)+l.notes.n == 0 && !l.notes.strays {
		return
	}
	l.guard.out.take(l)
	l.setFloor()
}

// adopt takes over a call of an earlier run; its timers run out at once if
// their time has come. The journal does not have it yet.
func (l *lane) adopt(c *call.Call, now int64) *entry {
	hash := maphash.String(l.seed, c.CallID)
	e := &entry{call: c, next: l.calls[hash]}
	l.calls[hash] = e
	l.enter(e)
	e.filed.serial = l.guard.calls.Add(1)
	c.Wake = now
	l.schedule(e)
	l.noteWaiting(e, &call.Event{Seen: now})
	return e
}

// enter counts a call that has come into the lane's memory.
func (l *lane) enter(e *entry) {
	l.stats.live.Add(1)
	l.stats.census.add(standingOf(e.call), 1)
}

// drop forgets a call.
func (l *lane) drop(e *entry) {
	e.scheduled = 0 // what stands in the timers is void
	l.forgetWaiting(e)
	l.bases.remove(e)
	e.filed.bare = false
	hash := maphash.String(l.seed, e.call.CallID)
	l.stats.live.Add(-1)
	l.stats.census.add(standingOf(e.call), -1)
	if l.calls[hash] == e {
		if e.next == nil {
			delete(l.calls, hash)
		} else {
			l.calls[hash] = e.next
		}
		return
	}
	for at := l.calls[hash]; at != nil; at = at.next {
		if at.next == e {
			at.next = e.next
			return
		}
	}
}
