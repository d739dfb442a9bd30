package store

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/byeguard/byeguard/pkg/call"
)

// spilled is a batch on disk.
type spilled struct {
	Entries []spilledEntry
	Chunks  []spilledChunk
	Nodes   map[string]spilledNode
}

type spilledEntry struct {
	Key       call.Key
	Call      *call.Call
	Incidents []spilledIncident
	Commands  []spilledCommand
}

type spilledIncident struct {
	Incident     call.Incident
	Reason       call.Reason
	Node, CallID string
	At, Updated  int64
	Opens        bool
}

type spilledCommand struct {
	Command       call.Command
	ID            string
	At            int64
	Opens, Closes bool
	Withdrawn     bool
	Code          int
	DoneAt        int64
}

type spilledChunk struct {
	Buf  []byte
	Rows int
}

type spilledNode struct {
	Boot      int64
	Seq       uint64
	At        int64
	HasState  bool
	Connected bool
	Detail    string
	HasEvent  bool
}

// encode makes bytes of a batch.
func (b *batch) encode() ([]byte, error) {
	out := spilled{Entries: make([]spilledEntry, 0, len(b.entries)), Nodes: map[string]spilledNode{}}
	for _, e := range b.entries {
		se := spilledEntry{Key: e.key}
		if e.hasCall {
			se.Call = &e.call
		}
		for _, i := range e.incidents {
			se.Incidents = append(se.Incidents, spilledIncident{i.Incident, i.reason, i.node, i.callID, i.at, i.updated, i.opens})
		}
		for _, c := range e.commands {
			se.Commands = append(se.Commands, spilledCommand{c.Command, c.id, c.at, c.opens, c.closes, c.withdrawn, c.code, c.doneAt})
		}
		out.Entries = append(out.Entries, se)
	}
	for _, c := range b.chunks {
		out.Chunks = append(out.Chunks, spilledChunk{c.buf, c.rows})
	}
	for name, n := range b.nodes {
		out.Nodes[name] = spilledNode{n.boot, n.seq, n.at, n.hasState, n.connected, n.detail, n.hasEvent}
	}
	var plain, packed bytes.Buffer
	if err := encodeTo(&plain, &out); err != nil {
		return nil, err
	}
	w, err := flate.NewWriter(&packed, flate.BestSpeed)
	if err == nil {
		_, err = w.Write(plain.Bytes())
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("pack batch: %w", err)
	}
	return packed.Bytes(), nil
}

// maxSpilled bounds one unpacked batch, against a file that was not written by
// byeguard.
const maxSpilled = 1 << 30

func decodeBatch(data []byte, upto uint64) (*batch, error) {
	plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(data)), maxSpilled))
	if err != nil {
		return nil, fmt.Errorf("unpack batch: %w", err)
	}
	var in spilled
	if err := decMode.Unmarshal(plain, &in); err != nil {
		return nil, fmt.Errorf("decode batch: %w", err)
	}
	b := &batch{upto: upto}
	for i := range in.Entries {
		se := &in.Entries[i]
		e := &entry{key: se.Key}
		if se.Call != nil {
			e.call, e.hasCall = *se.Call, true
		}
		for _, s := range se.Incidents {
			e.incidents = append(e.incidents, incidentOp{s.Incident, s.Reason, s.Node, s.CallID, s.At, s.Updated, s.Opens})
		}
		for _, s := range se.Commands {
			e.commands = append(e.commands, commandOp{s.Command, s.ID, s.At, s.Opens, s.Closes, s.Withdrawn, s.Code, s.DoneAt})
		}
		b.entries = append(b.entries, e)
	}
	for _, c := range in.Chunks {
		b.chunks = append(b.chunks, chunk{buf: c.Buf, rows: c.Rows, shared: true})
	}
	for name, n := range in.Nodes {
		if b.nodes == nil {
			b.nodes = map[string]nodeSeen{}
		}
		b.nodes[name] = nodeSeen{n.Boot, n.Seq, n.At, n.HasState, n.Connected, n.Detail, n.HasEvent}
	}
	return b, nil
}

// takeOver enters what an earlier run left on disk into the queue.
func (s *Store) takeOver() {
	if s.opts.Spill == nil {
		return
	}
	q := &s.pending.queue
	for _, tag := range s.opts.Spill.Tags() {
		q.slots = append(q.slots, &slot{upto: tag})
		q.onDisk++
	}
	if q.onDisk > 0 {
		s.log.WithField("batches", q.onDisk).Info("an earlier run left work for PostgreSQL on disk: it is written first")
	}
}

// spill moves batches to disk, oldest first, whenever too many wait in memory.
func (s *Store) spill() {
	p := s.pending
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		sl := p.queue.toSpill(keepInMemory)
		if sl == nil {
			if p.queue.ended {
				return
			}
			p.queue.changed.Wait()
			continue
		}
		if s.spillOne(sl) == nil {
			continue
		}
		if p.queue.ended {
			return
		}
		p.mu.Unlock()
		pause := time.NewTimer(time.Second) // a full disk: MaxEvidence bounds most of what waits
		<-pause.C
		p.mu.Lock()
	}
}

// toSpill returns the oldest batch in memory, if more than keep wait there and
// nobody uses it.
func (q *queue) toSpill(keep int) *slot {
	if q.inMemory() <= keep {
		return nil
	}
	if sl := q.slots[q.onDisk]; !sl.busy && sl.batch != nil {
		return sl
	}
	return nil
}

// spillOne moves one batch to disk. The caller holds pending.mu, which is given
// up meanwhile.
func (s *Store) spillOne(sl *slot) error {
	p := s.pending
	sl.busy = true
	p.mu.Unlock()
	data, err := sl.batch.encode()
	if err == nil {
		s.disk.Lock()
		err = s.opts.Spill.Append(sl.upto, data)
		s.disk.Unlock()
	}
	p.mu.Lock()
	sl.busy = false
	p.queue.changed.Broadcast()
	if err != nil {
		if s.counters.spillFailures.Add(1) == 1 {
			s.log.WithError(err).Error("what waits for PostgreSQL cannot be moved to disk: it waits in memory, where evidence is bounded")
		}
		return err
	}
	s.counters.spilled.Add(1)
	p.queue.count(sl, -1)
	p.queue.onDisk++
	sl.batch = nil // the writer may still have it in hand: nothing of it is used again
	reached := p.queue.reached()
	p.mu.Unlock()
	s.tellStored(reached)
	p.mu.Lock()
	return nil
}

// spillRest moves all that waits to disk when Run ends without PostgreSQL.
func (s *Store) spillRest() error {
	p := s.pending
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seal()
	for p.queue.inMemory() > 0 {
		sl := p.queue.slots[p.queue.onDisk]
		for sl.busy {
			p.queue.changed.Wait()
		}
		if sl.batch == nil {
			continue // the other one was quicker
		}
		if err := s.spillOne(sl); err != nil {
			return err
		}
	}
	s.log.WithField("batches", p.queue.onDisk).Warn("PostgreSQL is away: what waits for it is on disk, and is written after the next start")
	return nil
}

// unspill reads the oldest batch back. One that is damaged is set aside, and
// nil is returned: it is not in the queue any more.
func (s *Store) unspill(sl *slot) *batch {
	s.disk.Lock()
	data, err := s.opts.Spill.First()
	var b *batch
	if err == nil {
		b, err = decodeBatch(data, sl.upto)
	}
	if err == nil {
		s.disk.Unlock()
		return b
	}
	path, aside := s.opts.Spill.SetAside()
	s.disk.Unlock()
	s.counters.unreadable.Add(1)
	s.log.WithError(errors.Join(err, aside)).WithField("file", path).
		Error("work for PostgreSQL that waited on disk is damaged: set aside, going on with the rest")
	p := s.pending
	p.mu.Lock()
	p.queue.slots = p.queue.slots[1:]
	p.queue.onDisk--
	p.mu.Unlock()
	return nil
}
