package store

import (
	"bytes"

	"github.com/sirupsen/logrus"
)

// single says that the batch is one row, or one call with what belongs to it.
func (b *batch) single() bool {
	return len(b.entries)+b.rows() == 1 || len(b.entries)+b.rows() == 0
}

// split halves a batch. Calls and evidence are parted first: from here on the
// fault of one does not harm the other.
func (b *batch) split() (first, second batch) {
	defer func() { second.upto = b.upto }() // it is written last
	rows := b.rows()
	switch n := len(b.entries); {
	case n > 0 && rows > 0:
		return batch{entries: b.entries, nodes: b.nodes}, batch{chunks: b.chunks}
	case n > 1:
		return batch{entries: b.entries[:n/2], nodes: b.nodes}, batch{entries: b.entries[n/2:]}
	case n == 1:
		return batch{entries: b.entries}, batch{nodes: b.nodes}
	}
	first.nodes = b.nodes
	half := rows / 2
	for _, c := range b.chunks {
		switch {
		case half >= c.rows:
			first.chunks = append(first.chunks, c)
			half -= c.rows
		case half == 0:
			second.chunks = append(second.chunks, c)
		default:
			x, y := c.cut(half)
			first.chunks, second.chunks = append(first.chunks, x), append(second.chunks, y)
			half = 0
		}
	}
	return first, second
}

// cut parts a chunk after n rows. The parts must not be written to any more.
func (c chunk) cut(n int) (first, second chunk) {
	at := 0
	for range n {
		at += bytes.IndexByte(c.buf[at:], '\n') + 1
	}
	return chunk{buf: c.buf[:at], rows: n, shared: true}, chunk{buf: c.buf[at:], rows: c.rows - n, shared: true}
}

// setAside gives up on what PostgreSQL refuses. The log keeps it.
func (f *flusher) setAside(b *batch, err error) {
	f.s.counters.setAside.Add(1)
	log := f.s.log.WithError(err).WithField("database", f.s.target)
	for _, e := range b.entries {
		log.WithFields(logrus.Fields{
			"call": e.key.String(), "call_id": e.call.CallID, "version": e.call.Version, "state": e.call.State.String(),
			"incidents": len(e.incidents), "commands": len(e.commands),
		}).Error("PostgreSQL refuses a call's state: set aside, the next change is tried again")
	}
	for _, c := range b.chunks {
		row := string(c.buf[:min(len(c.buf), 1000)])
		log.WithField("row", row).Error("PostgreSQL refuses a row of evidence: set aside")
	}
	if b.nodes != nil {
		log.WithField("nodes", len(b.nodes)).Error("PostgreSQL refuses the state of the nodes: set aside")
	}
}
