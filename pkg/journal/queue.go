package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// Queue keeps pieces of work on disk, first in, first out: a file each. It is
// used by one goroutine at a time, and its directory by one process.
type Queue struct {
	dir    string
	max    int64
	size   atomic.Int64
	pieces []piece
	serial uint64
}

type piece struct {
	name string
	tag  uint64
	size int64
}

const (
	pieceSuffix = ".work"
	pieceHead   = 4 // CRC-32C of what follows
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrDamaged means that a piece is not what was written.
var ErrDamaged = errors.New("checksum is wrong")

// OpenQueue opens the queue in dir, which is made if need be. maxBytes bounds
// all pieces together; 0 = DefaultMaxBytes.
func OpenQueue(dir string, maxBytes int64) (*Queue, error) {
	if maxBytes == 0 {
		maxBytes = DefaultMaxBytes
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make queue directory: %w", err)
	}
	q := &Queue{dir: dir, max: maxBytes}
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list queue: %w", err)
	}
	for _, e := range names {
		base, ok := strings.CutSuffix(e.Name(), pieceSuffix)
		serial, tag, ok2 := strings.Cut(base, "-")
		n, err1 := strconv.ParseUint(serial, 16, 64)
		t, err2 := strconv.ParseUint(tag, 16, 64)
		info, err3 := e.Info()
		if !ok || !ok2 || errors.Join(err1, err2, err3) != nil {
			continue
		}
		q.pieces = append(q.pieces, piece{e.Name(), t, info.Size()})
		q.serial = max(q.serial, n)
		q.size.Add(info.Size())
	}
	slices.SortFunc(q.pieces, func(a, b piece) int { return strings.Compare(a.name, b.name) })
	return q, nil
}

// Append adds a piece; it is on disk when it returns.
func (q *Queue) Append(tag uint64, data []byte) error {
	if size := q.size.Load(); size+int64(len(data)) > q.max {
		return fmt.Errorf("%w: %d bytes in %s", ErrFull, size, q.dir)
	}
	q.serial++
	name := fmt.Sprintf("%016x-%016x%s", q.serial, tag, pieceSuffix)
	path := filepath.Join(q.dir, name)
	if err := writeFile(path+".new", data); err != nil {
		_ = os.Remove(path + ".new")
		return fmt.Errorf("write to queue: %w", err)
	}
	if err := errors.Join(os.Rename(path+".new", path), syncDir(q.dir)); err != nil {
		return fmt.Errorf("write to queue: %w", err)
	}
	q.pieces = append(q.pieces, piece{name, tag, int64(len(data) + pieceHead)})
	q.size.Add(int64(len(data) + pieceHead))
	return nil
}

func writeFile(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	var head [pieceHead]byte
	binary.LittleEndian.PutUint32(head[:], crc32.Checksum(data, castagnoli))
	_, err = f.Write(head[:])
	if err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Tags returns the tags of all pieces, oldest first.
func (q *Queue) Tags() []uint64 {
	tags := make([]uint64, len(q.pieces))
	for i := range q.pieces {
		tags[i] = q.pieces[i].tag
	}
	return tags
}

// Size returns the bytes of all pieces; any goroutine may ask.
func (q *Queue) Size() int64 { return q.size.Load() }

// First returns the oldest piece; there must be one.
func (q *Queue) First() ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(q.dir, q.pieces[0].name))
	if err != nil {
		return nil, fmt.Errorf("read from queue: %w", err)
	}
	if len(data) < pieceHead || binary.LittleEndian.Uint32(data) != crc32.Checksum(data[pieceHead:], castagnoli) {
		return nil, fmt.Errorf("read from queue: %s: %w", q.pieces[0].name, ErrDamaged)
	}
	return data[pieceHead:], nil
}

// Remove drops the oldest piece; there must be one.
func (q *Queue) Remove() error {
	err := os.Remove(filepath.Join(q.dir, q.pieces[0].name))
	q.pop()
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove from queue: %w", err)
	}
	return nil
}

// SetAside renames the oldest piece, which is damaged, so that it is not read
// again but can be looked into.
func (q *Queue) SetAside() (string, error) {
	path := filepath.Join(q.dir, q.pieces[0].name)
	q.pop()
	if err := os.Rename(path, path+".damaged"); err != nil {
		return path, fmt.Errorf("set aside: %w", err)
	}
	return path + ".damaged", nil
}

func (q *Queue) pop() {
	q.size.Add(-q.pieces[0].size)
	q.pieces = q.pieces[1:]
}
