package store

import (
	"sync"

	"github.com/byeguard/byeguard/pkg/call"
)

// entry is what waits for one call: its newest state and all that follows from
// the states before it. Whatever is in one entry is committed together.
type entry struct {
	key       call.Key
	call      call.Call // good if hasCall
	hasCall   bool
	incidents []incidentOp
	commands  []commandOp
}

// incidentOp opens an incident, or resolves one, or both in this order.
type incidentOp struct {
	call.Incident // as last told
	reason        call.Reason
	node, callID  string
	at            int64 // Seen of the first, Unix µs
	updated       int64 // Seen of the last
	opens         bool
}

// commandOp inserts a command, or closes one, or both in this order.
type commandOp struct {
	call.Command // good if opens
	id           string
	at           int64 // Seen, Unix µs
	opens        bool
	closes       bool
	withdrawn    bool // closes it unsent
	code         int
	doneAt       int64
}

// chunk is some rows of evidence in COPY's text format.
type chunk struct {
	buf    []byte
	rows   int
	shared bool // buf is part of another chunk's
}

// chunkSize is about what lib/pq sends at once.
const chunkSize = 60 << 10

// nodeSeen is the newest event of a node, and its connection if that was told.
type nodeSeen struct {
	boot      int64
	seq       uint64
	at        int64
	hasState  bool
	connected bool
	detail    string
	hasEvent  bool
}

// batch is what one transaction writes: all that came after the batch before
// it, up to a position in the journal.
type batch struct {
	entries []*entry
	chunks  []chunk
	nodes   map[string]nodeSeen
	upto    uint64 // journal position; 0 = there is no journal
}

func (b *batch) empty() bool { return len(b.entries) == 0 && len(b.chunks) == 0 && len(b.nodes) == 0 }

func (b *batch) rows() (n int) {
	for i := range b.chunks {
		n += b.chunks[i].rows
	}
	return n
}

// pending holds what waits for the writer: a row of sealed batches, and the one
// in the making. Its calls, incidents and commands are never dropped; evidence
// is, oldest first, above its bounds.
type pending struct {
	mu       sync.Mutex
	byKey    map[call.Key]*entry
	order    []*entry // oldest first
	chunks   []chunk  // oldest first
	rows     int      // in chunks
	bytes    int      // in chunks
	nodes    map[string]nodeSeen
	upto     uint64
	maxCalls int // that make a batch
	maxBatch int // rows that make a batch

	queue    queue
	dropped  uint64 // rows of evidence
	maxRows  int    // of evidence in memory
	maxBytes int
	free     [][]byte // buffers of written chunks
}

func newPending(o *Options) *pending {
	p := &pending{
		byKey: map[call.Key]*entry{}, nodes: map[string]nodeSeen{},
		maxCalls: o.FlushCalls, maxBatch: 8 * o.FlushCalls,
		maxRows: o.MaxEvidence, maxBytes: o.MaxEvidenceBytes,
	}
	p.queue.changed = sync.NewCond(&p.mu)
	return p
}

var entries = sync.Pool{New: func() any { return new(entry) }}

// entryOf returns the waiting entry of a call, made if need be.
func (p *pending) entryOf(key call.Key) *entry {
	e := p.byKey[key]
	if e == nil {
		e = entries.Get().(*entry)
		e.key = key
		p.byKey[key] = e
		p.order = append(p.order, e)
	}
	return e
}

// release gives entries back that were written; nothing else may hold them.
func release(es []*entry) {
	for _, e := range es {
		*e = entry{incidents: e.incidents[:0], commands: e.commands[:0]}
		entries.Put(e)
	}
}

// add takes the state, effects and node of an update; its evidence comes apart.
func (p *pending) add(u *call.Update) {
	e := &u.Event
	if e.Node != "" && e.Seq != 0 {
		n := p.nodes[e.Node]
		if !n.hasEvent || n.boot != e.Boot && e.Boot != 0 || e.Seq > n.seq {
			n.hasEvent, n.boot, n.seq, n.at = true, e.Boot, e.Seq, e.At
			p.nodes[e.Node] = n
		}
	}
	c := &u.Call
	// Before its start is known a call may still change its key, and it owes
	// nothing: one second later it is settled.
	if u.Changed && c.State != call.StateNew {
		en := p.entryOf(c.Key)
		if !en.hasCall || c.Version > en.call.Version {
			en.call, en.hasCall = *c, true
		}
	}
	if (e.Kind == call.KindResult || e.Kind == call.KindWithdrawn) && e.CommandID != "" {
		p.entryOf(c.Key).result(e)
	}
	for i := range u.Effects {
		f := &u.Effects[i]
		switch f.Kind {
		case call.EffectBye:
			en := p.entryOf(c.Key)
			en.commands = append(en.commands, commandOp{Command: f.Command, id: f.Command.ID, at: e.Seen, opens: true})
		case call.EffectIncident:
			p.entryOf(c.Key).incident(f, c, e.Seen)
		case call.EffectAsk, call.EffectProbe: // asked anew after a restart
		}
	}
}

func (en *entry) result(e *call.Event) {
	for i := range en.commands {
		if op := &en.commands[i]; op.id == e.CommandID {
			op.closes, op.withdrawn, op.code, op.doneAt = true, e.Kind == call.KindWithdrawn, e.Code, e.Seen
			return
		}
	}
	en.commands = append(en.commands, commandOp{id: e.CommandID, closes: true, withdrawn: e.Kind == call.KindWithdrawn, code: e.Code, doneAt: e.Seen})
}

func (en *entry) incident(f *call.Effect, c *call.Call, seen int64) {
	in := f.Incident
	for i := len(en.incidents) - 1; i >= 0; i-- {
		op := &en.incidents[i]
		if op.Kind != in.Kind || op.Leg != in.Leg {
			continue
		}
		if op.Resolved && !in.Resolved {
			break // opened anew: another incident
		}
		if op.Resolved {
			return // resolved twice
		}
		if in.Resolved {
			in.Severity = op.Severity // how bad it was
		} else {
			op.reason = f.Reason
		}
		op.Incident, op.updated = in, seen
		return
	}
	en.incidents = append(en.incidents, incidentOp{
		Incident: in, reason: f.Reason, node: c.Node, callID: c.CallID,
		at: seen, updated: seen, opens: !in.Resolved,
	})
}

// addEvidence takes complete rows. Rows of one call stay in order.
func (p *pending) addEvidence(buf []byte, rows int) {
	if rows == 0 {
		return
	}
	last := len(p.chunks) - 1
	if last < 0 || len(p.chunks[last].buf)+len(buf) > chunkSize {
		p.chunks = append(p.chunks, chunk{buf: p.buffer(len(buf))})
		last++
	}
	p.chunks[last].buf = append(p.chunks[last].buf, buf...)
	p.chunks[last].rows += rows
	p.rows += rows
	p.bytes += len(buf)
	for p.rows+p.queue.rows > p.maxRows || p.bytes+p.queue.bytes > p.maxBytes {
		if !p.queue.drop(p) && !p.dropOwn() {
			break
		}
	}
}

// dropOwn drops the oldest evidence of the batch in the making, but for the
// newest chunk.
func (p *pending) dropOwn() bool {
	if len(p.chunks) < 2 {
		return false
	}
	p.dropped += uint64(p.chunks[0].rows)
	p.forgetChunks(1)
	return true
}

// buffer returns room for a chunk.
func (p *pending) buffer(need int) []byte {
	if n := len(p.free); n > 0 {
		b := p.free[n-1]
		p.free = p.free[:n-1]
		return b[:0]
	}
	return make([]byte, 0, max(need, chunkSize))
}

// forgetChunks removes the oldest n chunks.
func (p *pending) forgetChunks(n int) {
	for i := range n {
		p.rows -= p.chunks[i].rows
		p.bytes -= len(p.chunks[i].buf)
		p.chunks[i] = chunk{}
	}
	p.chunks = p.chunks[n:]
}

// seal closes the batch in the making.
func (p *pending) seal() {
	b := &batch{entries: p.order, chunks: p.chunks, nodes: p.nodes, upto: p.upto}
	if b.empty() {
		return
	}
	p.queue.add(&slot{batch: b, upto: b.upto, calls: len(b.entries), rows: p.rows, bytes: p.bytes})
	p.order, p.chunks, p.rows, p.bytes = make([]*entry, 0, min(len(b.entries), 256)), nil, 0, 0
	if len(p.byKey) > 100_000 { // maps do not shrink
		p.byKey = map[call.Key]*entry{}
	}
	clear(p.byKey)
	if len(p.nodes) > 0 {
		p.nodes = map[string]nodeSeen{}
	} else {
		b.nodes = nil
	}
}

// full says that the batch in the making is large enough.
func (p *pending) full() bool { return len(p.order) >= p.maxCalls || p.rows >= p.maxBatch }

// recycle takes back the buffers of written chunks.
func (p *pending) recycle(chunks []chunk) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range chunks {
		if len(p.free) < 32 && !c.shared && cap(c.buf) <= 2*chunkSize {
			p.free = append(p.free, c.buf)
		}
	}
}

func (p *pending) size() (calls, rows int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.order) + p.queue.calls, p.rows + p.queue.rows
}
