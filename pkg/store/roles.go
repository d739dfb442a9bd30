package store

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/lib/pq"

	"github.com/byeguard/byeguard/pkg/call"
)

// roles says for which nodes this store writes. A node that nobody spoke of is
// written for, without a fence: programs that know no leases.
type roles struct {
	mu      sync.Mutex
	session string
	nodes   map[string]*role
	newest  map[string]int64 // At of the newest event that was Put, by node
	written map[string]int64 // up to here all is stored
}

// role of one node: its updates wait while another byeguard writes.
type role struct {
	writes  bool
	assumed bool // PostgreSQL has not said so yet: nothing is written before
	epoch   int64
	waiting []call.Update           // oldest first
	older   map[call.Key]*olderCall // what did not fit in there
	order   []*olderCall            // oldest first
}

// olderCall is what remains of older updates of one call.
type olderCall struct {
	update  call.Update // the newest state, with all effects
	results []call.Update
}

// maxWaiting bounds the updates of a node that wait one by one. A standby's
// holder stores within a second, so it is reached only while PostgreSQL is
// away: then each call is kept once.
const maxWaiting = 50_000

// storedMargin is how much older than the holder's mark an update must be to be
// dropped: events of a busy proxy come out of order.
const storedMargin = int64(5_000_000) // µs

func (r *roles) init() {
	r.nodes, r.newest, r.written = map[string]*role{}, map[string]int64{}, map[string]int64{}
}

// StandBy says that another byeguard writes for the node. What is Put for it
// waits, until Trim or Act.
func (s *Store) StandBy(node string) {
	s.roles.mu.Lock()
	defer s.roles.mu.Unlock()
	ro := s.roles.nodes[node]
	if ro == nil {
		ro = &role{}
		s.roles.nodes[node] = ro
	}
	ro.writes, ro.assumed = false, false
}

// Assume says that this byeguard acts for the node as long as PostgreSQL is away:
// it was the last one that did. What is Put for it is taken, and written after Act.
func (s *Store) Assume(node string, epoch int64) {
	s.roles.mu.Lock()
	defer s.roles.mu.Unlock()
	s.roles.nodes[node] = &role{writes: true, assumed: true, epoch: epoch}
}

// undecided names the nodes that are only assumed to be ours.
func (r *roles) undecided() (nodes []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n, ro := range r.nodes {
		if ro.assumed {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// Act says that this byeguard writes for the node in that epoch of its lease,
// and writes what waited. stored is the mark that the holder before left.
func (s *Store) Act(ctx context.Context, node, session string, epoch, stored int64) {
	r := &s.roles
	r.mu.Lock()
	r.session = session
	ro := r.nodes[node]
	if ro == nil {
		ro = &role{}
		r.nodes[node] = ro
	}
	ro.trim(stored)
	rest := ro.drain()
	ro.writes, ro.assumed, ro.epoch = true, false, epoch
	r.written[node] = max(r.written[node], stored)
	r.mu.Unlock()
	rest = s.news(ctx, rest)
	for i := range rest {
		rest[i].Call.Enter(epoch)
	}
	s.write(rest)
}

// news drops the updates of calls whose final record stands already: their
// holder has written all of it, and both need not agree to the microsecond.
func (s *Store) news(ctx context.Context, updates []call.Update) []call.Update {
	over := map[call.Key]bool{}
	var keys pq.ByteaArray
	for i := range updates {
		if c := &updates[i].Call; c.State.Final() && !over[c.Key] {
			over[c.Key] = false
			keys = append(keys, c.Key[:])
		}
	}
	if len(keys) == 0 {
		return updates
	}
	if err := s.finals(ctx, keys, over); err != nil {
		s.log.WithError(err).Warn("which calls the byeguard before has closed is not known: some records may get a revision")
		return updates
	}
	return slices.DeleteFunc(updates, func(u call.Update) bool { return over[u.Call.Key] })
}

// finals sets those of the keys whose record is final.
func (s *Store) finals(ctx context.Context, keys pq.ByteaArray, over map[call.Key]bool) error {
	var stored [][]byte
	if err := s.db.SelectContext(ctx, &stored, "select call_key from byeguard.cdrs where call_key = any($1) and state = 'final'", keys); err != nil {
		return fmt.Errorf("look up records in database %s: %w", s.target, err)
	}
	for _, k := range stored {
		if len(k) == len(call.Key{}) {
			over[call.Key(k)] = true
		}
	}
	return nil
}

// Finals says which of the calls have a final record.
func (s *Store) Finals(ctx context.Context, calls []call.Key) (map[call.Key]bool, error) {
	const page = 10_000
	over := map[call.Key]bool{}
	for part := range slices.Chunk(calls, page) {
		keys := make(pq.ByteaArray, len(part))
		for i := range part {
			keys[i] = part[i][:]
		}
		if err := s.finals(ctx, keys, over); err != nil {
			return nil, err
		}
	}
	return over, nil
}

// Trim forgets what the holder of the node has stored.
func (s *Store) Trim(node string, stored int64) {
	s.roles.mu.Lock()
	defer s.roles.mu.Unlock()
	if ro := s.roles.nodes[node]; ro != nil && !ro.writes {
		ro.trim(stored)
	}
}

// Waiting is how many updates wait for this byeguard to act.
func (s *Store) Waiting() (n int) {
	s.roles.mu.Lock()
	defer s.roles.mu.Unlock()
	for _, ro := range s.roles.nodes {
		n += len(ro.waiting) + len(ro.older)
	}
	return n
}

// sort keeps back the updates of nodes that another byeguard writes for, and
// returns the others.
func (r *roles) sort(updates []call.Update) []call.Update {
	r.mu.Lock()
	defer r.mu.Unlock()
	var mine []call.Update
	split := false
	for i := range updates {
		u := &updates[i]
		if u.Event.Seq != 0 && u.Event.At > r.newest[u.Event.Node] {
			r.newest[u.Event.Node] = u.Event.At
		}
		ro := r.nodes[u.Call.Node]
		if ro == nil || ro.writes {
			if split {
				mine = append(mine, *u)
			}
			continue
		}
		if !split {
			mine, split = append(mine, updates[:i]...), true
		}
		ro.keep(u)
	}
	if !split {
		return updates
	}
	return mine
}

// writesFor says whether what belongs to a node is written here.
func (r *roles) writesFor(node string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	ro := r.nodes[node]
	return ro == nil || ro.writes
}

func (r *roles) writtenUpto(node string) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.written[node]
}

// mark is how far what was Put goes; once all of that is stored, stored is told.
func (r *roles) mark() map[string]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := make(map[string]int64, len(r.newest))
	for node, at := range r.newest {
		if ro := r.nodes[node]; ro != nil && ro.writes {
			m[node] = at
		}
	}
	return m
}

func (r *roles) stored(m map[string]int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for node, at := range m {
		r.written[node] = max(r.written[node], at)
	}
}

// keep lets an update wait.
func (ro *role) keep(u *call.Update) {
	ro.waiting = append(ro.waiting, *u)
	if len(ro.waiting) <= maxWaiting {
		return
	}
	for i := range maxWaiting / 2 {
		ro.fold(&ro.waiting[i])
	}
	n := copy(ro.waiting, ro.waiting[maxWaiting/2:])
	clear(ro.waiting[n:])
	ro.waiting = ro.waiting[:n]
}

// fold keeps of an update what must not be lost.
func (ro *role) fold(u *call.Update) {
	if ro.older == nil {
		ro.older = map[call.Key]*olderCall{}
	}
	o := ro.older[u.Call.Key]
	if o == nil {
		o = &olderCall{}
		ro.older[u.Call.Key] = o
		ro.order = append(ro.order, o)
	}
	if u.Event.CommandID != "" && (u.Event.Kind == call.KindResult || u.Event.Kind == call.KindWithdrawn) {
		o.results = append(o.results, call.Update{Call: u.Call, Event: u.Event})
	}
	effects := append(o.update.Effects, u.Effects...) //nolint:gocritic // o.update is replaced
	changed := o.update.Changed || u.Changed
	o.update = *u
	o.update.Effects, o.update.Changed = effects, changed
}

// trim forgets what is stored.
func (ro *role) trim(stored int64) {
	upto := stored - storedMargin
	n := 0
	for n < len(ro.waiting) && ro.waiting[n].Event.At < upto {
		n++
	}
	if n > 0 {
		rest := copy(ro.waiting, ro.waiting[n:])
		clear(ro.waiting[rest:])
		ro.waiting = ro.waiting[:rest]
	}
	kept := ro.order[:0]
	for _, o := range ro.order {
		if o.update.Event.At >= upto {
			kept = append(kept, o)
			continue
		}
		delete(ro.older, o.update.Call.Key)
	}
	clear(ro.order[len(kept):])
	ro.order = kept
}

// drain returns all that waits, oldest first.
func (ro *role) drain() []call.Update {
	all := make([]call.Update, 0, 2*len(ro.order)+len(ro.waiting))
	for _, o := range ro.order {
		all = append(append(all, o.update), o.results...)
	}
	all = append(all, ro.waiting...)
	ro.waiting, ro.older, ro.order = nil, nil, nil
	return all
}
