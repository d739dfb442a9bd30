package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/syndtr/goleveldb/leveldb/journal"
)

// recordVersion is the first byte of each record in a file.
const recordVersion = 1

// ErrFull says that the log has reached Options.MaxBytes.
var ErrFull = errors.New("journal has reached its limit (journal_max)")

// output is the file that is written to.
type output struct {
	f *os.File
	w *journal.Writer
}

// commit writes and syncs what waits. After an error it waits again, unless
// more than the buffer holds has come meanwhile.
func (l *Log) commit() error {
	l.mu.Lock()
	buf, first, count, since := l.waiting, l.first, l.count, l.since
	l.waiting, l.count, l.spare = l.spare[:0], 0, nil
	l.mu.Unlock()
	if count == 0 {
		l.recycle(buf)
		return nil
	}
	began := time.Now()
	err := l.write(buf, first, count)
	if err != nil {
		l.putBack(buf, first, count, since)
		l.fail(err)
		return err
	}
	if l.failing.Swap(false) {
		l.o.Logger.WithField("journal", l.o.Dir).Warn("the journal's disk takes writes again")
	}
	l.n.commits.Add(1)
	l.n.written.Add(uint64(count))
	l.n.bytes.Add(uint64(len(buf)))
	l.n.commitTime.Add(int64(time.Since(began)))
	l.mu.Lock()
	l.why = nil
	l.done = first + uint64(count) - 1
	if l.count == 0 {
		l.oldest.Store(0)
	} else {
		l.oldest.Store(l.since.UnixNano())
	}
	l.mu.Unlock()
	l.recycle(buf)
	l.o.Committed(first + uint64(count) - 1)
	return nil
}

func (l *Log) recycle(buf []byte) {
	if cap(buf) > 1<<20 {
		return // of a burst
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spare = buf[:0]
}

// putBack returns what could not be written to the front of what waits.
func (l *Log) putBack(buf []byte, first uint64, count int, since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.count > 0 && l.first != first+uint64(count), len(buf)+len(l.waiting) > l.o.Buffer:
		// More came than there is room for: what is old is given up.
		l.n.lost.Add(uint64(count))
	default:
		l.waiting = append(buf, l.waiting...)
		l.first, l.since = first, since
		l.count += count
	}
}

// fail gives the file up: what stands behind a failed write may be half a
// record. The next try begins a new one.
func (l *Log) fail(err error) {
	l.n.failures.Add(1)
	l.mu.Lock()
	l.why = err
	l.mu.Unlock()
	if l.out != nil {
		_ = l.out.f.Close()
		l.out = nil
	}
	if !l.failing.Swap(true) {
		l.o.Logger.WithError(err).WithField("journal", l.o.Dir).
			Error("cannot write the journal: going on without it; a restart now would lose what is not in PostgreSQL yet")
	}
}

// write makes one record of the entries and has it on disk.
func (l *Log) write(entries []byte, first uint64, count int) error {
	if err := l.openSegment(int64(len(entries))); err != nil {
		return err
	}
	var head [1 + 2*binary.MaxVarintLen64]byte
	head[0] = recordVersion
	n := 1 + binary.PutUvarint(head[1:], first)
	n += binary.PutUvarint(head[n:], uint64(count))
	rec, err := l.out.w.Next()
	if err == nil {
		_, err = rec.Write(head[:n])
	}
	if err == nil {
		_, err = rec.Write(entries)
	}
	if err == nil {
		err = l.out.w.Flush()
	}
	if err == nil {
		err = dataSync(l.out.f)
	}
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	l.mu.Lock()
	s := &l.segs[len(l.segs)-1]
	s.size += int64(n + len(entries))
	s.last = first + uint64(count) - 1
	l.mu.Unlock()
	return nil
}

// openSegment sees to it that there is a file with room.
func (l *Log) openSegment(need int64) error {
	if size := l.size(); size+need > l.o.MaxBytes {
		return fmt.Errorf("%w: %d bytes in %s", ErrFull, size, l.o.Dir)
	}
	if l.out != nil {
		l.mu.Lock()
		full := l.segs[len(l.segs)-1].size >= l.o.Segment
		l.mu.Unlock()
		if !full {
			return nil
		}
		if err := l.closeSegment(); err != nil {
			return err
		}
	}
	path := filepath.Join(l.o.Dir, segmentName(l.serial+1))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("begin journal file: %w", err)
	}
	l.serial++
	l.mu.Lock()
	l.segs = append(l.segs, segment{path: path, serial: l.serial})
	l.mu.Unlock()
	if l.oldestFile() == 0 {
		if err := l.setOldestFile(l.serial); err != nil {
			_ = f.Close()
			return err
		}
	}
	if err := syncDir(l.o.Dir); err != nil {
		_ = f.Close()
		return fmt.Errorf("begin journal file: %w", err)
	}
	l.out = &output{f: f, w: journal.NewWriter(f)}
	return nil
}

func (l *Log) closeSegment() error {
	if l.out == nil {
		return nil
	}
	out := l.out
	l.out = nil
	if err := out.f.Close(); err != nil {
		return fmt.Errorf("close journal file: %w", err)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
