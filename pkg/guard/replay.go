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

	undecoded, groups chan *group // nil: nothing was taken, or all is stepped
	stepped           chan struct{}
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
// makes no sense is counted and passed over. Decoding costs more than stepping:
// it goes on beside it, and what was taken is known after Merge or Done.
func (r *Replay) Take(first uint64, n int, data []byte) error {
	if r.groups == nil {
		r.start()
	}
	g := &group{first: first, n: n, data: append([]byte(nil), data...), decoded: make(chan struct{})}
	r.undecoded <- g
	r.groups <- g
	return nil
}

// group is some entries of the journal.
type group struct {
	first   uint64
	n, bad  int
	data    []byte
	notes   []noted
	decoded chan struct{}
}

// noted is an entry of the journal, decoded.
type noted struct {
	kind   byte
	serial uint64
	event  *call.Event // of noteBegin and noteInput
	call   *call.Call  // of noteState
	node   string      // of notePlace
	place  Place
}

// decoders is how many groups are decoded at once, groupsAhead how many wait to
// be stepped.
const (
	decoders    = 2
	groupsAhead = 16
)

func (r *Replay) start() {
	r.undecoded, r.groups, r.stepped = make(chan *group, groupsAhead), make(chan *group, groupsAhead), make(chan struct{})
	for range decoders {
		go func() {
			for g := range r.undecoded {
				g.decode()
				close(g.decoded)
			}
		}()
	}
	go func() {
		defer close(r.stepped)
		for g := range r.groups {
			<-g.decoded
			r.out.Bad += g.bad
			for i := range g.notes {
				r.note(g.first+uint64(i), &g.notes[i])
			}
			if len(r.updates) >= 256 {
				r.put()
			}
		}
	}()
}

// Settle waits until all that was taken is stepped. Nothing may be taken after it.
func (r *Replay) Settle() {
	if r.groups == nil {
		return
	}
	close(r.undecoded)
	close(r.groups)
	<-r.stepped
	r.groups = nil
}

func (g *group) decode() {
	g.notes = make([]noted, 0, g.n)
	for data := g.data; len(g.notes) < g.n; {
		kind, serial, body, rest, err := cutNote(data)
		if err != nil {
			g.bad += g.n - len(g.notes) // where the next one begins is not known
			break
		}
		n := noted{kind: kind, serial: serial}
		if n.decode(body) != nil {
			g.bad++
			n.kind = 0
		}
		g.notes = append(g.notes, n)
		data = rest
	}
	g.data = nil
}

func (n *noted) decode(body []byte) (err error) {
	switch n.kind {
	case noteBegin, noteInput:
		n.event = new(call.Event)
		return call.DecodeEvent(body, n.event)
	case noteState:
		n.call = new(call.Call)
		if err := stateRead.Unmarshal(body, n.call); err != nil {
			return fmt.Errorf("state of a call: %w", err)
		}
		return nil
	case noteDrop:
		return nil
	case notePlace:
		n.node, n.place, err = readPlace(body)
		return err
	}
	return errNote
}

func (r *Replay) put() {
	if len(r.updates) > 0 {
		r.g.opts.Store.Put(r.updates)
		clear(r.updates)
		r.updates = r.updates[:0]
	}
}

func (r *Replay) note(pos uint64, n *noted) {
	switch n.kind {
	case noteBegin, noteInput:
		r.input(pos, n.serial, n.kind == noteBegin, n.event)
	case noteState:
		r.state(pos, n.serial, n.call)
	case noteDrop:
		if e := r.calls[n.serial]; e != nil {
			if !r.stored(pos) {
				r.ended[e.call.Key] = true
			}
			r.g.lane(e.call.CallID).drop(e)
			delete(r.calls, n.serial)
		}
	case notePlace:
		r.place(n.node, n.place)
	}
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
	if r.g.opts.Tried > 0 && pos > r.g.opts.Tried && len(r.updates) > 0 && r.updates[0].Pos <= r.g.opts.Tried {
		r.put() // the store keeps what was tried apart
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
	l.stats.census.move(standingOf(e.call), standingOf(c))
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
	l.enter(e)
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
	r.Settle()
	r.put()
	now := r.g.opts.Clock().UnixMicro()
	for _, e := range r.calls {
		l := r.g.lane(e.call.CallID)
		if e.call.Resume(now) { // the next replay must not go by the old clock
			if l.noteState(e); l.notes.n >= 512 {
				l.flush()
			}
		}
		e.call.Wake = now
		l.schedule(e)
		l.noteWaiting(e, &call.Event{Seen: now})
	}
	for _, id := range r.order {
		if c, ok := r.commands[id]; ok {
			r.out.Commands = append(r.out.Commands, c)
		}
	}
	for _, l := range r.g.lanes {
		l.flush()
		l.setFloor()
	}
	r.out.Calls = len(r.calls)
	return r.out
}

// Merge begins to add what PostgreSQL knows, after a replay of a journal in
// which something is missing. PostgreSQL must hold what the journal says is
// stored. It goes between the last Take and Done.
func (r *Replay) Merge() *Merge {
	r.Settle()
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
func (m *Merge) Add(c *call.Call) {
	if m.r.ended[c.Key] {
		return
	}
	e := m.calls[c.Key]
	if e != nil {
		m.seen[c.Key] = true
	}
	switch {
	case e == nil:
		m.r.g.Restore(c)
	case c.Version > e.call.Version:
		m.r.g.lane(e.call.CallID).replace(e, c)
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
	l.stats.census.move(standingOf(e.call), standingOf(c))
	e.call = c
	l.noteState(e)
	if l.notes.n >= 512 {
		l.flush()
	}
}
