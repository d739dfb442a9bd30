package carriercsv

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/byeguard/byeguard/pkg/billing/reconcile"
)

// ErrLine says that a line cannot be read.
var ErrLine = errors.New("line")

// File reads a carrier's calls in the order of its lines.
type File struct {
	m    *Map
	csv  *csv.Reader
	at   columnIndex
	line int

	first, last int64 // starts seen, µs
}

// ErrEmpty says that a file has no calls.
var ErrEmpty = errors.New("the file has no calls")

// Span returns the time that the file's calls are of, once it was read: from the
// first to the last start, in whole seconds.
func (f *File) Span() (from, until time.Time, err error) {
	if f.first == 0 {
		return from, until, ErrEmpty
	}
	return time.UnixMicro(f.first).Truncate(time.Second), time.UnixMicro(f.last).Truncate(time.Second).Add(time.Second), nil
}

// columnIndex is where each column is, -1 = nowhere.
type columnIndex struct {
	id, start, date, end, duration, callID, from, to, cost, currency int
}

// Open begins to read: it drops a byte order mark, finds the separator and the
// columns.
func Open(r io.Reader, m *Map) (*File, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(r, 64<<10)
	if head, _ := in.Peek(3); bytes.Equal(head, []byte("\xef\xbb\xbf")) {
		_, _ = in.Discard(3)
	} else if len(head) >= 2 && (head[0] == 0xff && head[1] == 0xfe || head[0] == 0xfe && head[1] == 0xff) {
		return nil, fmt.Errorf("%w 1: the file is UTF-16; save it as UTF-8", ErrLine)
	}
	f := &File{m: m}
	for range m.Skip {
		if _, err := in.ReadString('\n'); err != nil {
			return nil, fmt.Errorf("%w %d: the file ends within the %d lines to skip", ErrLine, f.line+1, m.Skip)
		}
		f.line++
	}
	f.csv = csv.NewReader(in)
	f.csv.FieldsPerRecord = -1
	f.csv.ReuseRecord = true
	f.csv.Comma = f.separator(in)
	var header []string
	if !m.NoHeader {
		row, err := f.csv.Read()
		if err != nil {
			return nil, fmt.Errorf("%w %d: no headings: %w", ErrLine, f.line+1, err)
		}
		for _, name := range row {
			header = append(header, strings.TrimSpace(f.text(name)))
		}
	}
	return f, f.find(header)
}

// separator is the one of the mapping, or the one that is the most frequent in
// the first line.
func (f *File) separator(in *bufio.Reader) rune {
	if f.m.Separator != "" {
		return rune(f.m.Separator[0])
	}
	head, _ := in.Peek(4096)
	head, _, _ = bytes.Cut(head, []byte("\n"))
	best, most := ',', 0
	for _, c := range ",;\t|" {
		if n := bytes.Count(head, []byte(string(c))); n > most {
			best, most = c, n
		}
	}
	return best
}

func (f *File) find(header []string) error {
	var errs []error
	find := func(key, name string) int {
		if name == "" {
			return -1
		}
		for i, h := range header {
			if strings.EqualFold(h, name) {
				return i
			}
		}
		if n, err := strconv.Atoi(name); err == nil && n > 0 && (f.m.NoHeader || n <= len(header)) {
			return n - 1
		}
		errs = append(errs, fmt.Errorf("%w: columns.%s: there is no column %q; the file has %s", ErrMap, key, name, strings.Join(header, ", ")))
		return -1
	}
	c := &f.m.Columns
	f.at = columnIndex{find("id", c.ID), find("start", c.Start), find("date", c.Date), find("end", c.End), find("duration", c.Duration),
		find("call_id", c.CallID), find("from", c.From), find("to", c.To), find("cost", c.Cost), find("currency", c.Currency)}
	return errors.Join(errs...)
}

// text decodes a field.
func (f *File) text(s string) string {
	if f.m.Encoding != "latin1" {
		return s
	}
	out := make([]rune, len(s))
	for i := range len(s) {
		out[i] = rune(s[i])
	}
	return string(out)
}

// Next implements reconcile.Source but for the order.
func (f *File) Next(r *reconcile.Record) error {
	for {
		row, err := f.csv.Read()
		if errors.Is(err, io.EOF) {
			return io.EOF
		}
		var bad *csv.ParseError
		if errors.As(err, &bad) {
			return fmt.Errorf("%w %d: %w", ErrLine, bad.StartLine+f.m.Skip, bad.Err)
		}
		if err != nil {
			return err
		}
		at, _ := f.csv.FieldPos(0)
		f.line = at + f.m.Skip
		if len(row) == 1 && strings.TrimSpace(row[0]) == "" {
			continue // an empty line
		}
		if err := f.record(row, r); err != nil {
			return fmt.Errorf("%w %d: %w", ErrLine, f.line, err)
		}
		if f.first == 0 || r.Start < f.first {
			f.first = r.Start
		}
		f.last = max(f.last, r.Start)
		return nil
	}
}

// field returns a field without blanks and without the apostrophe that keeps
// spreadsheets from reading a formula.
func (f *File) field(row []string, at int) (string, error) {
	if at < 0 {
		return "", nil
	}
	if at >= len(row) {
		return "", fmt.Errorf("%d fields, but column %d is needed", len(row), at+1)
	}
	s := row[at]
	if f.m.Encoding == "utf-8" && !utf8.ValidString(s) {
		return "", fmt.Errorf("field %d is no UTF-8; set encoding: latin1 in the mapping", at+1)
	}
	return strings.TrimPrefix(strings.TrimSpace(f.text(s)), "'"), nil
}

func (f *File) record(row []string, r *reconcile.Record) error {
	var v [10]string
	for i, at := range []int{f.at.id, f.at.start, f.at.date, f.at.end, f.at.duration, f.at.callID, f.at.from, f.at.to, f.at.cost, f.at.currency} {
		s, err := f.field(row, at)
		if err != nil {
			return err
		}
		v[i] = s
	}
	*r = reconcile.Record{ID: v[0], CallID: v[5], Carrier: f.m.Carrier, DurationMS: -1, BillableS: -1}
	if r.ID == "" {
		r.ID = "line " + strconv.Itoa(f.line)
	} else {
		r.ID = strings.Clone(r.ID)
	}
	r.CallID = strings.Clone(r.CallID)
	if v[6] != "" {
		r.From = f.m.Numbers.Read(v[6])
	}
	if v[7] != "" {
		r.To = f.m.Numbers.Read(v[7])
	}
	start := v[1]
	if v[2] != "" {
		start = v[2] + " " + start
	}
	var err error
	if r.Start, r.Alt, err = f.m.moment(start); err != nil {
		return err
	}
	if v[3] != "" {
		end := v[3]
		if r.End, _, err = f.m.moment(end); err != nil {
			return err
		}
		r.DurationMS = (r.End - r.Start) / 1000
	}
	if f.at.duration >= 0 {
		if r.DurationMS, err = f.m.millis(v[4]); err != nil {
			return err
		}
		if r.End == 0 {
			r.End = r.Start + r.DurationMS*1000
		}
	}
	if r.DurationMS < 0 {
		return fmt.Errorf("the call ends before it begins (%s ms)", strconv.FormatInt(r.DurationMS, 10))
	}
	if v[8] != "" {
		if r.Cost, err = f.m.money(v[8]); err != nil {
			return err
		}
		r.Currency = f.m.Currency
		if v[9] != "" {
			r.Currency = strings.ToUpper(v[9])
		}
	}
	return nil
}
