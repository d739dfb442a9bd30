package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"sync"
)

// marks are two positions beside the log, in a small file that is written in
// place.
type marks struct {
	mu     sync.Mutex
	f      *os.File
	stored uint64
	whole  uint64
}

const marksSize = 8 + 8 + 4

func (m *marks) open(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open journal marks: %w", err)
	}
	m.f = f
	var b [marksSize]byte
	if n, _ := f.ReadAt(b[:], 0); n == marksSize && crc32.ChecksumIEEE(b[:16]) == binary.LittleEndian.Uint32(b[16:]) {
		m.stored, m.whole = binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])
	}
	return nil
}

func (m *marks) close() error {
	if m.f == nil {
		return nil
	}
	if err := m.f.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// set writes the marks. A kill of the process loses nothing of it; a loss of
// power may bring older marks back, which only makes the replay longer.
func (m *marks) set(change func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
	var b [marksSize]byte
	binary.LittleEndian.PutUint64(b[:], m.stored)
	binary.LittleEndian.PutUint64(b[8:], m.whole)
	binary.LittleEndian.PutUint32(b[16:], crc32.ChecksumIEEE(b[:16]))
	if _, err := m.f.WriteAt(b[:], 0); err != nil {
		return fmt.Errorf("write journal marks: %w", err)
	}
	return nil
}

// Stored returns the position up to which all that follows from the entries
// is kept elsewhere (in PostgreSQL).
func (l *Log) Stored() uint64 {
	l.marks.mu.Lock()
	defer l.marks.mu.Unlock()
	return l.marks.stored
}

// SetStored notes that; it only grows.
func (l *Log) SetStored(upto uint64) error {
	if upto <= l.Stored() {
		return nil
	}
	return l.marks.set(func() { l.marks.stored = upto })
}

// Whole returns the position from which on, with nothing missing after it, the
// log alone tells the whole state; 0 = never so.
func (l *Log) Whole() uint64 {
	l.marks.mu.Lock()
	defer l.marks.mu.Unlock()
	return l.marks.whole
}

// SetWhole notes that.
func (l *Log) SetWhole(from uint64) error {
	return l.marks.set(func() { l.marks.whole = from })
}
