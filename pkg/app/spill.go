package app

import (
	"bufio"
	"container/heap"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/byeguard/byeguard/pkg/billing/reconcile"
)

// Finding is a [reconcile.Finding] that may be kept.
type Finding struct {
	Class  reconcile.Class
	Why    string
	Ours   *reconcile.Record
	Theirs *reconcile.Record
}

// spool keeps findings on disk until the summary that stands above them is known.
type spool struct {
	f   *os.File
	w   *bufio.Writer
	enc *gob.Encoder
	n   int64
}

// tempFile makes a file without a name, so that nothing is left of a kill.
func tempFile() (*os.File, error) {
	f, err := os.CreateTemp("", "byeguard-reconcile-")
	if err != nil {
		return nil, fmt.Errorf("make a temporary file: %w (TMPDIR says where)", err)
	}
	return f, os.Remove(f.Name())
}

func newSpool() (*spool, error) {
	f, err := tempFile()
	if err != nil {
		return nil, err
	}
	s := &spool{f: f, w: bufio.NewWriterSize(f, 256<<10)}
	s.enc = gob.NewEncoder(s.w)
	return s, nil
}

func (s *spool) add(f *reconcile.Finding) error {
	s.n++
	return s.enc.Encode(Finding{Class: f.Class, Why: f.Why, Ours: f.Ours, Theirs: f.Theirs})
}

func (s *spool) each(f func(*Finding) error) error {
	if err := s.w.Flush(); err != nil {
		return err
	}
	if _, err := s.f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	dec := gob.NewDecoder(bufio.NewReaderSize(s.f, 256<<10))
	for range s.n {
		var found Finding
		if err := dec.Decode(&found); err != nil {
			return fmt.Errorf("read what was found: %w", err)
		}
		if err := f(&found); err != nil {
			return err
		}
	}
	return nil
}

func (s *spool) close() error { return s.f.Close() }

// sortRecords sorts what next gives, on disk where it is much, as a source.
func sortRecords(next func(*reconcile.Record) error, run int) (*sortedRecords, error) {
	s := &sortedRecords{}
	part := make([]reconcile.Record, 0, 1024)
	for end := false; !end; {
		var r reconcile.Record
		err := next(&r)
		if end = errors.Is(err, io.EOF); !end {
			if err != nil {
				return nil, errors.Join(err, s.Close())
			}
			part = append(part, r)
		}
		if len(part) > 0 && (end || len(part) == run) {
			slices.SortStableFunc(part, func(a, b reconcile.Record) int { return int(min(max(a.Order()-b.Order(), -1), 1)) })
			last := end && len(s.runs) == 0
			if aerr := s.addRun(part, last); aerr != nil {
				return nil, errors.Join(aerr, s.Close())
			}
			if !last {
				clear(part)
				part = part[:0]
			}
		}
	}
	heap.Init(&s.runs)
	return s, nil
}

// sortedRecords merges sorted runs.
type sortedRecords struct {
	runs  runHeap
	files []*os.File
}

// sortedRun is one run: in memory, or in a file.
type sortedRun struct {
	head reconcile.Record
	n    int // the run's number: equal ones keep their order
	rest []reconcile.Record
	dec  *gob.Decoder
	left int
}

func (s *sortedRecords) addRun(part []reconcile.Record, inMemory bool) error {
	run := &sortedRun{n: len(s.runs), head: part[0], rest: part[1:]}
	s.runs = append(s.runs, run)
	if inMemory {
		return nil
	}
	f, err := tempFile()
	if err != nil {
		return err
	}
	s.files = append(s.files, f)
	w := bufio.NewWriterSize(f, 256<<10)
	enc := gob.NewEncoder(w)
	for i := range run.rest {
		if err := enc.Encode(&run.rest[i]); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	run.left, run.rest, run.dec = len(run.rest), nil, gob.NewDecoder(bufio.NewReaderSize(f, 64<<10))
	return nil
}

// Next implements [reconcile.Source].
func (s *sortedRecords) Next(r *reconcile.Record) error {
	if len(s.runs) == 0 {
		return io.EOF
	}
	run := s.runs[0]
	*r = run.head
	switch {
	case len(run.rest) > 0:
		run.head, run.rest = run.rest[0], run.rest[1:]
	case run.left > 0:
		run.left--
		run.head = reconcile.Record{}
		if err := run.dec.Decode(&run.head); err != nil {
			return fmt.Errorf("read a temporary file: %w", err)
		}
	default:
		heap.Pop(&s.runs)
		return nil
	}
	heap.Fix(&s.runs, 0)
	return nil
}

// Close frees the disk.
func (s *sortedRecords) Close() error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

type runHeap []*sortedRun

func (h runHeap) Len() int { return len(h) }
func (h runHeap) Less(i, j int) bool {
	if a, b := h[i].head.Order(), h[j].head.Order(); a != b {
		return a < b
	}
	return h[i].n < h[j].n
}
func (h runHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements [heap.Interface]; runs are only taken away.
func (h *runHeap) Push(any) {}

// Pop implements [heap.Interface].
func (h *runHeap) Pop() any {
	n := len(*h) - 1
	r := (*h)[n]
	*h = (*h)[:n]
	return r
}
