package journal

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"sync"
)

// marks are positions beside the log, in a small file that is written in place.
type marks struct {
	mu sync.Mutex
	f  *os.File

	stored, whole uint64
	trying        uint64
	oldest        uint64 // number of the oldest file; 0 = there was never one
}

const marksSize = 4*8 + 4

func (m *marks) open(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open journal marks: %w", err)
	}
	m.f = f
	var b [marksSize]byte
	if n, _ := f.ReadAt(b[:], 0); n == marksSize && crc32.ChecksumIEEE(b[:marksSize-4]) == binary.LittleEndian.Uint32(b[marksSize-4:]) {
		for i, v := range m.fields() {
			*v = binary.LittleEndian.Uint64(b[8*i:])
		}
	}
	return nil
}

func (m *marks) fields() [4]*uint64 { return [...]*uint64{&m.stored, &m.whole, &m.trying, &m.oldest} }

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
	for i, v := range m.fields() {
		binary.LittleEndian.PutUint64(b[8*i:], *v)
	}
	binary.LittleEndian.PutUint32(b[marksSize-4:], crc32.ChecksumIEEE(b[:marksSize-4]))
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

// Trying returns the position up to which an earlier run was about to store all:
// whether it did is known elsewhere.
func (l *Log) Trying() uint64 {
	l.marks.mu.Lock()
	defer l.marks.mu.Unlock()
	return l.marks.trying
}

// SetTrying notes that.
func (l *Log) SetTrying(upto uint64) error {
	return l.marks.set(func() { l.marks.trying = upto })
}

// oldestFile returns the number of the oldest file that should be there.
func (l *Log) oldestFile() uint64 {
	l.marks.mu.Lock()
	defer l.marks.mu.Unlock()
	return l.marks.oldest
}

func (l *Log) setOldestFile(serial uint64) error {
	if l.oldestFile() == serial {
		return nil
	}
	return l.marks.set(func() { l.marks.oldest = serial })
}

// ID names the log: it is made up with the first file, so that positions of
// another log, which begin anew, are not taken for this one's. "" = it could not
// be kept.
func (l *Log) ID() string { return l.id }

func (l *Log) nameIt() {
	path := filepath.Join(l.o.Dir, "id")
	text, err := os.ReadFile(path)
	if err == nil && len(text) == 2*idBytes && (len(l.segs) > 0 || l.Stored() > 0) {
		l.id = string(text)
		return
	}
	var random [idBytes]byte
	_, _ = rand.Read(random[:]) // it does not fail (crypto/rand)
	id := hex.EncodeToString(random[:])
	if err := os.WriteFile(path, []byte(id), 0o600); err != nil {
		l.o.Logger.WithError(err).Warn("the journal's name cannot be kept: a kill may double some evidence in PostgreSQL")
		return
	}
	l.id = id
}

const idBytes = 8
