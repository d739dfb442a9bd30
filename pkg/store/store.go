package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/sirupsen/logrus"

	"github.com/byeguard/byeguard/pkg/call"
)

// Store is one connection pool to byeguard's schema. All methods may be called
// from any goroutine; Run only once.
type Store struct {
	db     *sqlx.DB
	quick  *sqlx.DB // for what must be answered within a second or not at all
	conns  *connSet
	target string
	opts   Options
	log    logrus.FieldLogger

	pending *pending
	wake    chan struct{}   // a flush is due now
	flushes chan chan error // callers of Flush
	stopped chan struct{}   // closed when Run has ended
	ord     atomic.Int64    // number of the next row of evidence
	lines   sync.Pool       // *line
	disk    sync.Mutex      // for Options.Spill

	link    link
	roles   roles
	backend atomic.Pointer[backend] // of the writer; nil = not connected yet

	counters counters
	writer   writer // used by Run alone
}

func newStore(db, quick *sqlx.DB, conns *connSet, target string, opts Options) *Store {
	s := &Store{
		db: db, quick: quick, conns: conns, target: target, opts: opts, log: opts.Logger,
		pending: newPending(&opts),
		wake:    make(chan struct{}, 1), flushes: make(chan chan error), stopped: make(chan struct{}),
		lines: sync.Pool{New: func() any { return new(line) }},
	}
	s.roles.init()
	s.link.init()
	// Rows of a later run come after those of an earlier one.
	s.ord.Store(time.Now().UnixMicro())
	s.writer.s, s.writer.filedAt = s, map[call.Key]int64{}
	s.takeOver()
	return s
}

// Close closes the connections. Run must have ended.
func (s *Store) Close() error { return errors.Join(s.db.Close(), s.quick.Close()) }

// Target names the database for people, without its password.
func (s *Store) Target() string { return s.target }

// Put takes updates to be written by Run. It never waits for PostgreSQL and
// does no I/O. Updates of one call must come in order; of several for the same
// call only the newest Version is written. Put keeps the snapshots' slices and
// strings but not the slice updates. A call in StateNew is kept as evidence
// only.
//
// What belongs to a node for which another byeguard writes waits, see
// [Store.StandBy].
func (s *Store) Put(updates []call.Update) {
	mine := s.roles.sort(updates)
	s.write(mine)
	if len(mine) < len(updates) {
		s.skip(updates[len(updates)-1].Pos)
	}
}

// skip says that nothing up to a position of the journal is needed for what
// another byeguard writes: after a restart that is read from PostgreSQL.
func (s *Store) skip(upto uint64) {
	p := s.pending
	p.mu.Lock()
	p.upto = max(p.upto, upto)
	idle := len(p.order)+len(p.chunks)+len(p.nodes)+len(p.queue.slots) == 0
	if idle {
		p.queue.stored = max(p.queue.stored, upto)
	}
	reached := p.queue.reached()
	p.mu.Unlock()
	if idle {
		s.tellStored(reached)
	}
}

func (s *Store) write(updates []call.Update) {
	if len(updates) == 0 {
		return
	}
	s.raised(updates)
	l := s.lines.Get().(*line)
	rows := 0
	l.buf = l.buf[:0]
	ends := 0
	for i := range updates {
		u := &updates[i]
		n := len(u.Effects) + 1
		rows += l.evidence(u, s.ord.Add(int64(n))-int64(n))
		if len(l.buf) >= chunkSize/2 && i+1 < len(updates) {
			// Not one big chunk: dropping and bisecting go by chunks.
			s.put(updates[ends:i+1], l.buf, rows, false)
			ends, rows, l.buf = i+1, 0, l.buf[:0]
		}
	}
	s.put(updates[ends:], l.buf, rows, true)
	if cap(l.buf) <= 4*chunkSize {
		s.lines.Put(l)
	}
}

// put takes a part of what Put was given; last says that nothing of it is to come.
func (s *Store) put(updates []call.Update, evidence []byte, rows int, last bool) {
	p := s.pending
	p.mu.Lock()
	if t := s.opts.Tried; t > 0 && p.upto <= t && len(updates) > 0 && updates[0].Pos > t {
		p.seal() // whether that much is stored will be known
	}
	for i := range updates {
		p.add(&updates[i])
	}
	p.addEvidence(evidence, rows)
	if n := len(updates); n > 0 && last {
		p.upto = max(p.upto, updates[n-1].Pos)
	}
	due := p.full()
	if due {
		p.seal()
	}
	p.mu.Unlock()
	if due {
		s.kick()
	}
}

// PutNode notes whether a node is connected; detail is one sentence on it for
// people. Like Put it never waits.
func (s *Store) PutNode(name string, connected bool, detail string) {
	if !s.roles.writesFor(name) {
		return // it has a connection of its own
	}
	p := s.pending
	p.mu.Lock()
	n := p.nodes[name]
	n.hasState, n.connected, n.detail = true, connected, detail
	p.nodes[name] = n
	p.mu.Unlock()
}

func (s *Store) kick() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Flush waits until all that was Put before is committed, or ctx ends. It
// needs Run.
func (s *Store) Flush(ctx context.Context) error {
	done := make(chan error, 1)
	select {
	case s.flushes <- done:
	case <-s.stopped:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// PutIncident takes an incident that no call raised (see [call.NodeIncident]).
// Like Put it never waits.
func (s *Store) PutIncident(node string, in call.Incident, seen time.Time) {
	if node != "" && !s.roles.writesFor(node) {
		return // it raises its own
	}
	if s.opts.Raised != nil {
		s.opts.Raised(Raised{Incident: in, Node: node, Seen: seen})
	}
	p := s.pending
	p.mu.Lock()
	defer p.mu.Unlock()
	p.entryOf(in.Key).incident(&call.Effect{Incident: in}, &call.Call{Node: node}, seen.UnixMicro())
}

// raised tells of the incidents among the updates.
func (s *Store) raised(updates []call.Update) {
	if s.opts.Raised == nil {
		return
	}
	for i := range updates {
		u := &updates[i]
		for j := range u.Effects {
			if f := &u.Effects[j]; f.Kind == call.EffectIncident {
				s.opts.Raised(Raised{
					Incident: f.Incident, Node: u.Call.Node, Reason: f.Reason,
					Seen: time.UnixMicro(u.Event.Seen), Call: &u.Call,
				})
			}
		}
	}
}
