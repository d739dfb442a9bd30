package guard

import (
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/byeguard/byeguard/pkg/call"
)

// Replay steps the calls of an earlier run again, by the inputs that it wrote
// down, in their order and with their times: since the core is pure, its calls
// are the same afterwards. Nothing is asked, sent or logged meanwhile.
type Replay struct {
	g        *Guard
	stored   func(pos uint64) bool
	calls    map[uint64]*entry
	commands map[string]call.Command
	order    []string
	updates  []call.Update
	ended    map[call.Key]bool
	out      Replayed
}

// Replayed is what a replay found.
type Replayed struct {
	Calls    int              // in memory now
	Inputs   int              // that were stepped
	Unknown  int              // entries of calls whose beginning is not there
	Bad      int              // entries that could not be read
	Commands []call.Command   // that have no outcome yet, oldest first
	Places   map[string]Place // up to where the events of each node were read
}

// Replay begins a replay; stored says what need not be handed to the store
// again. It must end before Run begins.
func (g *Guard) Replay(stored func(pos uint64) bool) *Replay {
	return &Replay{
		g: g, stored: stored, calls: make(map[uint64]*entry), commands: make(map[string]call.Command),
		ended: make(map[call.Key]bool), out: Replayed{Places: make(map[string]Place)},
	}
}

// Take takes the n entries of one group, the first at position first. What
// makes no sense is counted and passed over.
func (r *Replay) Take(first uint64, n int, data []byte) error {
	for pos := first; n > 0; pos, n = pos+1, n-1 {
		kind, serial, body, rest, err := cutNote(data)
		if err != nil {
			r.out.Bad += n // where the next one begins is not known
			break
		}
		if err := r.note(pos, kind, serial, body); err != nil {
			r.out.Bad++
		}
		data = rest
	}
	if len(r.updates) >= 256 {
		r.put()
	}
	return nil
}

func (r *Replay) put() {
	if len(r.updates) > 0 {
		r.g.opts.Store.Put(r.updates)
		clear(r.updates)
		r.updates = r.updates[:0]
	}
}

func (r *Replay) note(pos uint64, kind byte, serial uint64, body []byte) error {
	switch kind {
	case noteBegin, noteInput:
		var ev call.Event
		if err := call.DecodeEvent(body, &ev); err != nil {
			return err
		}
		r.input(pos, serial, kind == noteBegin, &ev)
	case noteState:
		c := new(call.Call)
		if err := stateRead.Unmarshal(body, c); err != nil {
			return fmt.Errorf("state of a call: %w", err)
		}
		r.state(pos, serial, c)
	case noteDrop:
		if e := r.calls[serial]; e != nil {
			if !r.stored(pos) {
				r.ended[e.call.Key] = true
			}
			r.g.lane(e.call.CallID).drop(e)
			delete(r.calls, serial)
		}
	case notePlace:
		node, p, err := readPlace(body)
		if err != nil {
			return err
		}
		r.place(node, p)
	default:
		return errNote
	}
	return nil
}

func (r *Replay) place(node string, p Place) {
	if have, ok := r.out.Places[node]; !ok || have.Boot != p.Boot || have.Seq < p.Seq {
		r.out.Places[node] = p
	}
}

func (r *Replay) input(pos, serial uint64, begin bool, ev *call.Event) {
	l := r.g.lane(ev.CallID)
	if ev.Seq != 0 && ev.Node != "" {
		l.offset[ev.Node] = ev.Seen - ev.At
		r.place(ev.Node, Place{ev.Boot, ev.Seq, ev.At})
	}
	e := r.calls[serial]
	switch {
	case e == nil && !begin:
		r.out.Unknown++ // it was over before, and what told so is gone
		return
	case e == nil:
		e = r.begin(l, pos, serial, call.New(ev, sibling(l, ev)))
	}
	r.out.Inputs++
	e.filed.last = pos
	effects := l.apply(e, ev)
	for i := range effects {
		if f := &effects[i]; f.Kind == call.EffectBye {
			r.commands[f.Command.ID] = f.Command
			r.order = append(r.order, f.Command.ID)
		}
	}
	if ev.Kind == call.KindResult || ev.Kind == call.KindWithdrawn {
		delete(r.commands, ev.CommandID)
	}
	if !r.stored(pos) {
		for i := range l.updates {
			l.updates[i].Pos = pos
		}
		r.updates = append(r.updates, l.updates...)
	}
	clear(l.updates)
	clear(l.effects)
	l.updates, l.effects = l.updates[:0], l.effects[:0]
}

func (r *Replay) state(pos, serial uint64, c *call.Call) {
	l := r.g.lane(c.CallID)
	e := r.calls[serial]
	if e == nil {
		r.begin(l, pos, serial, c)
		return
	}
	e.call = c
	l.bases.remove(e)
	l.bases.add(e)
	e.filed.base, e.filed.last = pos, pos
}

// begin enters a call into its lane.
func (r *Replay) begin(l *lane, pos, serial uint64, c *call.Call) *entry {
	hash := maphash.String(l.seed, c.CallID)
	e := &entry{call: c, next: l.calls[hash]}
	l.calls[hash] = e
	l.stats.live.Add(1)
	r.calls[serial] = e
	if serial > r.g.calls.Load() {
		r.g.calls.Store(serial)
	}
	e.filed = filed{serial: serial, base: pos, last: pos}
	l.bases.add(e)
	return e
}

// sibling finds another call of the same Call-ID, as the lane did.
func sibling(l *lane, ev *call.Event) *call.Call {
	for e := l.calls[maphash.String(l.seed, ev.CallID)]; e != nil; e = e.next {
		if e.call.CallID == ev.CallID {
			return e.call
		}
	}
	return nil
}

// Done ends the replay: the calls are looked at once the guard runs, and
// commands without an outcome are to be withdrawn, so that the facts decide anew.
func (r *Replay) Done() Replayed {
	r.put()
	now := r.g.opts.Clock().UnixMicro()
	for _, e := range r.calls {
		e.call.Resume(now)
		e.call.Wake = now
		l := r.g.lane(e.call.CallID)
		l.schedule(e)
		l.noteWaiting(e, &call.Event{Seen: now})
	}
	for _, id := range r.order {
		if c, ok := r.commands[id]; ok {
			r.out.Commands = append(r.out.Commands, c)
		}
	}
	for _, l := range r.g.lanes {
		l.setFloor()
	}
	r.out.Calls = len(r.calls)
	return r.out
}

// Merge begins to add what PostgreSQL knows, after a replay of a journal in
// which something is missing. PostgreSQL must hold what the journal says is
// stored. It goes between the last Take and Done.
func (r *Replay) Merge() *Merge {
	m := &Merge{r: r, calls: make(map[call.Key]*entry, len(r.calls)), seen: make(map[call.Key]bool, len(r.calls))}
	for _, e := range r.calls {
		m.calls[e.call.Key] = e
	}
	return m
}

// Merge adds calls from PostgreSQL to a replay.
type Merge struct {
	r     *Replay
	calls map[call.Key]*entry
	seen  map[call.Key]bool
}

// Add takes a call that PostgreSQL holds as live. The higher version wins.
func (m *Merge) Add(c call.Call) {
	if m.r.ended[c.Key] {
		return
	}
	m.seen[c.Key] = true
	e := m.calls[c.Key]
	switch {
	case e == nil:
		m.r.g.Restore(c)
	case c.Version > e.call.Version:
		m.r.g.lane(e.call.CallID).replace(e, &c)
	}
}

// Unseen returns the calls of the journal that PostgreSQL does not hold as live.
func (m *Merge) Unseen() (keys []call.Key) {
	for key, e := range m.calls {
		if !m.seen[key] && !e.call.State.Final() {
			keys = append(keys, key)
		}
	}
	return keys
}

// Done forgets the calls that PostgreSQL does not hold although all that is
// known of them is stored: they ended in what is missing. It also forgets those
// that are over: another byeguard has seen their end.
func (m *Merge) Done(over map[call.Key]bool) (forgotten int) {
	gone := make([]uint64, 0)
	for serial, e := range m.r.calls {
		if !m.seen[e.call.Key] && (over[e.call.Key] || m.r.stored(e.filed.last)) && !e.call.State.Final() {
			gone = append(gone, serial)
		}
	}
	slices.Sort(gone)
	for _, serial := range gone {
		e := m.r.calls[serial]
		l := m.r.g.lane(e.call.CallID)
		l.noteDrop(e)
		l.drop(e)
		delete(m.r.calls, serial)
	}
	for _, l := range m.r.g.lanes {
		l.flush()
	}
	return len(gone)
}

// replace puts a newer state in the place of a call's.
func (l *lane) replace(e *entry, c *call.Call) {
	e.call = c
	l.noteState(e)
	if l.notes.n >= 512 {
		l.flush()
	}
}
