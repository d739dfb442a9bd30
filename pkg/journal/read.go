package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/syndtr/goleveldb/leveldb/journal"
)

// Replayed says what Replay found.
type Replayed struct {
	First, Last uint64 // lowest and highest position; 0 = the log was empty
	Entries     uint64
	Lost        uint64 // positions between them that are not there
	LostLast    uint64 // the highest of those
	Missing     uint64 // files that somebody else has deleted
	Unused      bool   // there was never a file: nothing was ever written
	Damaged     uint64 // bytes that were passed over
	Bytes       int64  // of all files
}

// Replay hands all entries to f in groups, in the order of their positions: n
// entries, the first at position first. The slice is f's until it returns. What
// is damaged is logged and passed over. An error of f ends it.
func (l *Log) Replay(f func(first uint64, n int, entries []byte) error) (Replayed, error) {
	r := Replayed{Missing: l.missing, Unused: len(l.segs) == 0 && l.oldestFile() == 0}
	for i := range l.segs {
		s := &l.segs[i]
		r.Bytes += s.size
		if err := l.replaySegment(s, i == len(l.segs)-1, &r, f); err != nil {
			return r, err
		}
		s.last = r.Last
	}
	l.mu.Lock()
	l.next, l.done = max(r.Last+1, 1), r.Last
	l.mu.Unlock()
	return r, nil
}

// Skip makes sure that positions up to upto are not given again.
func (l *Log) Skip(upto uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next <= upto {
		l.next, l.done = upto+1, upto
	}
}

func (l *Log) replaySegment(s *segment, last bool, r *Replayed, f func(uint64, int, []byte) error) error {
	file, err := os.Open(s.path)
	if err != nil {
		l.o.Logger.WithError(err).Error("journal file cannot be read: passed over")
		r.Damaged += uint64(s.size)
		return nil
	}
	defer file.Close()
	d := &damage{l: l, s: s, last: last, r: r}
	in := journal.NewReader(file, d, false, true)
	var buf bytes.Buffer
	for {
		rec, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			buf.Reset()
			_, err = buf.ReadFrom(rec)
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			continue // d has told
		}
		if err != nil { // the disk
			d.Drop(err)
			return nil
		}
		if err := r.take(buf.Bytes(), d, f); err != nil {
			return err
		}
	}
}

// take hands one record on, unless it was there before: a write that failed in
// its sync is repeated in the next file.
func (r *Replayed) take(rec []byte, d *damage, f func(uint64, int, []byte) error) error {
	first, n, entries, ok := parseRecord(rec)
	if !ok {
		d.Drop(fmt.Errorf("record of %d bytes makes no sense", len(rec)))
		return nil
	}
	if first <= r.Last {
		return nil
	}
	if r.First == 0 {
		r.First = first
	} else if first > r.Last+1 {
		r.Lost += first - r.Last - 1
		r.LostLast = first - 1
	}
	r.Last = first + uint64(n) - 1
	r.Entries += uint64(n)
	return f(first, n, entries)
}

func parseRecord(rec []byte) (first uint64, n int, entries []byte, ok bool) {
	if len(rec) < 3 || rec[0] != recordVersion {
		return 0, 0, nil, false
	}
	rec = rec[1:]
	first, k := binary.Uvarint(rec)
	if k <= 0 || first == 0 {
		return 0, 0, nil, false
	}
	rec = rec[k:]
	count, k := binary.Uvarint(rec)
	if k <= 0 || count == 0 || count > uint64(len(rec)) || first+count < first {
		return 0, 0, nil, false
	}
	return first, int(count), rec[k:], true
}

// damage is told of what cannot be read.
type damage struct {
	l    *Log
	s    *segment
	last bool
	r    *Replayed
	told int
}

// Drop implements journal.Dropper.
func (d *damage) Drop(err error) {
	var c *journal.ErrCorrupted
	size := 0
	if errors.As(err, &c) {
		size = c.Size
	}
	d.r.Damaged += uint64(max(size, 1))
	d.l.n.damaged.Add(1)
	if d.told++; d.told > 3 {
		return
	}
	log := d.l.o.Logger.WithError(err).WithField("file", d.s.path)
	if d.last {
		log.Warn("the end of the journal is torn, as after a loss of power, or damaged: going on with what is sound")
		return
	}
	log.Error("the journal is damaged: going on with what is sound")
}
