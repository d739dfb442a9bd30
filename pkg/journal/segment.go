package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// segment is one file of the log.
type segment struct {
	path string
	size int64
	last uint64 // highest position in it or before it; 0 = nothing was read or written
}

const segmentSuffix = ".wal"

func segmentName(serial uint64) string { return fmt.Sprintf("%016x%s", serial, segmentSuffix) }

// scan lists the files of earlier runs.
func (l *Log) scan() error {
	names, err := os.ReadDir(l.o.Dir)
	if err != nil {
		return fmt.Errorf("list journal: %w", err)
	}
	for _, e := range names {
		hex, ok := strings.CutSuffix(e.Name(), segmentSuffix)
		n, err := strconv.ParseUint(hex, 16, 64)
		if !ok || err != nil || len(hex) != 16 {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return fmt.Errorf("list journal: %w", err)
		}
		l.segs = append(l.segs, segment{path: filepath.Join(l.o.Dir, e.Name()), size: info.Size()})
		l.serial = max(l.serial, n)
	}
	slices.SortFunc(l.segs, func(a, b segment) int { return strings.Compare(a.path, b.path) })
	return l.marks.open(filepath.Join(l.o.Dir, "marks"))
}

func (l *Log) size() (n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.segs {
		n += l.segs[i].size
	}
	return n
}

// Excess returns the position up to which entries would have to go for the
// closed files to be no more than limit bytes; 0 = they are not.
func (l *Log) Excess(limit int64) (upto uint64) {
	over := l.size() - limit
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := 0; i+1 < len(l.segs) && over > 0; i++ {
		upto = l.segs[i].last
		over -= l.segs[i].size
	}
	return upto
}

// Truncate removes the files that hold nothing above upto. The newest one
// stays.
func (l *Log) Truncate(upto uint64) error {
	l.mu.Lock()
	n := 0
	for n+1 < len(l.segs) && l.segs[n].last <= upto {
		n++
	}
	old := slices.Clone(l.segs[:n])
	l.segs = slices.Delete(l.segs, 0, n)
	l.mu.Unlock()
	var errs []error
	for _, s := range old {
		if err := os.Remove(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, fmt.Errorf("drop journal file: %w", err))
		}
	}
	return errors.Join(errs...)
}
