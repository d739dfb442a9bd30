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
	path   string
	serial uint64
	size   int64
	last   uint64 // highest position in it or before it; 0 = nothing was read or written
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
		l.segs = append(l.segs, segment{path: filepath.Join(l.o.Dir, e.Name()), serial: n, size: info.Size()})
		l.serial = max(l.serial, n)
	}
	slices.SortFunc(l.segs, func(a, b segment) int { return strings.Compare(a.path, b.path) })
	if err := l.marks.open(filepath.Join(l.o.Dir, "marks")); err != nil {
		return err
	}
	l.nameIt()
	l.lookForMissing()
	return nil
}

// lookForMissing tells of files that somebody has deleted: their numbers follow
// each other.
func (l *Log) lookForMissing() {
	want := l.oldestFile()
	if want == 0 {
		return
	}
	for i := range l.segs {
		have := l.segs[i].serial
		if have > want {
			l.missing += have - want
			l.o.Logger.WithField("journal", l.o.Dir).WithField("first", segmentName(want)).WithField("files", have-want).
				Error("journal files are gone that byeguard has not removed: what they told is asked of PostgreSQL")
		}
		want = max(want, have+1)
	}
	if len(l.segs) == 0 {
		l.missing++
		l.o.Logger.WithField("journal", l.o.Dir).WithField("first", segmentName(want)).
			Error("all journal files are gone: what they told is asked of PostgreSQL")
	}
	l.serial = max(l.serial, want-1) // a number is not given twice
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
	var oldest uint64
	if len(l.segs) > 0 {
		oldest = l.segs[0].serial
	}
	l.mu.Unlock()
	var errs []error
	if oldest > 0 { // before they go: a kill in between must not look like a loss
		errs = append(errs, l.setOldestFile(oldest))
	}
	for _, s := range old {
		if err := os.Remove(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, fmt.Errorf("drop journal file: %w", err))
		}
	}
	return errors.Join(errs...)
}
