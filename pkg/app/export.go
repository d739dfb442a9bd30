package app

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/cdrfile"
	"github.com/byeguard/byeguard/pkg/store"
)

// ErrCursor says that a cursor cannot be gone on from.
var ErrCursor = errors.New("cursor")

// Cursor is a place in the order of hand-over: the database that it belongs to
// and the number of the last record before it.
type Cursor struct {
	Feed string
	Seq  int64
}

// String returns the cursor as commands print and take it.
func (c Cursor) String() string { return c.Feed + "-" + strconv.FormatInt(c.Seq, 10) }

// ParseCursor reads what String wrote; "" is the zero Cursor, the beginning.
func ParseCursor(s string) (Cursor, error) {
	if s == "" {
		return Cursor{}, nil
	}
	feed, number, ok := strings.Cut(s, "-")
	seq, err := strconv.ParseInt(number, 10, 64)
	if !ok || feed == "" || err != nil || seq < 0 {
		return Cursor{}, fmt.Errorf("%w %q: use one that an export printed, as 1a2b3c4d-1042", ErrCursor, s)
	}
	return Cursor{Feed: feed, Seq: seq}, nil
}

// ExportOptions say what is handed over.
type ExportOptions struct {
	After  Cursor
	Filter store.Filter // State, Since, Until, Node, CallID and CDRs
	// Carrier keeps the records of one carrier; "" = of all.
	Carrier string
	Rates   *billing.Rates // required
	Mask    bool
	// Limit ends the export after so many records; 0 = at the newest.
	Limit int64
	// Progress is called between pages with what is done; nil = nobody asks.
	Progress func(ExportProgress)
}

// ExportProgress is how far an export is.
type ExportProgress struct {
	Records  int64 // written
	At, From int64 // places in the order of hand-over
	End      int64
}

// Exported is what an export did.
type Exported struct {
	Records int64
	From    Cursor
	Cursor  Cursor // to go on from
	More    bool   // Limit ended it
}

// RecordWriter is a file of records.
type RecordWriter interface {
	Write(*billing.Record) error
	Close() error
}

var (
	_ RecordWriter = (*cdrfile.CSV)(nil)
	_ RecordWriter = (*cdrfile.Parquet)(nil)
)

// exportPage is how many numbers one query goes through; three pages are in
// memory at once.
const exportPage = 10_000

// Export hands over every record after a cursor, in order, to w, and closes w.
// open makes w once the cursor is known to be good. Reading and writing overlap.
// Memory does not depend on how many records there are.
func Export(ctx context.Context, s *store.Store, opts *ExportOptions, open func(from Cursor) (RecordWriter, error)) (x Exported, err error) {
	feed, err := s.OpenFeed(ctx, &opts.Filter)
	if err != nil {
		return x, err
	}
	defer feed.Close() //nolint:errcheck // it has only read
	end, err := feed.End(ctx)
	if err != nil {
		return x, err
	}
	switch after := opts.After; {
	case after.Feed != "" && after.Feed != feed.ID():
		return x, fmt.Errorf("%w %s belongs to another database (%s here): its numbers mean nothing in this one", ErrCursor, after, feed.ID())
	case after.Seq > end:
		return x, fmt.Errorf("%w %s is beyond the newest record (%d): was the database set back to an older state?", ErrCursor, after, end)
	}
	x.From = Cursor{Feed: feed.ID(), Seq: opts.After.Seq}
	w, err := open(x.From)
	if err != nil {
		return x, err
	}
	e := exporter{opts: opts, feed: feed, w: w, end: end, x: &x,
		full: make(chan exportWindow, 1), free: make(chan *store.Page, 3)}
	x.Cursor = Cursor{Feed: feed.ID(), Seq: end}
	for range cap(e.free) {
		e.free <- new(store.Page)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return e.read(ctx) })
	g.Go(func() error { return e.write(ctx) })
	if err = g.Wait(); errors.Is(err, errEnough) {
		err = nil
	}
	return x, errors.Join(err, w.Close())
}

// errEnough ends the reading when Limit is reached.
var errEnough = errors.New("enough")

type exporter struct {
	opts *ExportOptions
	feed *store.Feed
	w    RecordWriter
	end  int64
	x    *Exported
	full chan exportWindow
	free chan *store.Page
}

type exportWindow struct {
	page  *store.Page
	until int64
}

// read fetches pages ahead of the writing.
func (e *exporter) read(ctx context.Context) error {
	defer close(e.full)
	for at := e.opts.After.Seq; at < e.end; {
		var p *store.Page
		select {
		case p = <-e.free:
		case <-ctx.Done():
			return ctx.Err()
		}
		until := min(at+exportPage, e.end)
		if err := e.feed.Page(ctx, at, until, p); err != nil {
			return err
		}
		if p.Len() == 0 { // days that were dropped: skip what they leave
			next, err := e.feed.Next(ctx, until)
			if err != nil {
				return err
			}
			if next > until {
				until = min(next-1, e.end)
			}
		}
		select {
		case e.full <- exportWindow{p, until}:
		case <-ctx.Done():
			return ctx.Err()
		}
		at = until
	}
	return nil
}

func (e *exporter) write(ctx context.Context) error {
	var rec billing.Record
	for win := range e.full {
		rows, err := win.page.Rows()
		if err != nil {
			return err
		}
		for i := range rows {
			rec.Row = rows[i]
			rec.Derive(e.opts.Rates)
			if e.opts.Carrier != "" && rec.Rating.Carrier != e.opts.Carrier {
				continue
			}
			if e.opts.Mask {
				cdrfile.Mask(&rec)
			}
			if err := e.w.Write(&rec); err != nil {
				return err
			}
			if e.x.Records++; e.x.Records == e.opts.Limit {
				e.x.Cursor.Seq, e.x.More = rec.Seq, rec.Seq < e.end
				return errEnough
			}
		}
		if e.opts.Progress != nil {
			e.opts.Progress(ExportProgress{Records: e.x.Records, At: win.until, From: e.opts.After.Seq, End: e.end})
		}
		e.free <- win.page
	}
	return ctx.Err()
}
