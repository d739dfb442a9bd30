package app

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/byeguard/byeguard/pkg/accdb"
	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/billing/reconcile"
	"github.com/byeguard/byeguard/pkg/carriercsv"
	"github.com/byeguard/byeguard/pkg/store"
)

// ReconcileOptions say what is compared with what.
type ReconcileOptions struct {
	Since, Until time.Time // of the start; zero = no bound
	Node         string
	Carrier      string // "" = all
	Rates        *billing.Rates
	Core         reconcile.Options // Keys, Live and the bounds are set here
	// Clean are the classes that are no discrepancy.
	Clean []reconcile.Class
	// All keeps rows without a discrepancy too.
	All bool
}

// DefaultClean are the classes that need nobody's attention.
func DefaultClean() []reconcile.Class {
	return []reconcile.Class{reconcile.Matched, reconcile.Rounding, reconcile.StillOpen}
}

// Reconciliation is the outcome. Close it.
type Reconciliation struct {
	Summary *reconcile.Summary
	Dirty   int64 // rows with a discrepancy
	rows    *spool
}

// Each hands on the rows with a discrepancy (with All, all rows), calls that were
// paired first.
func (r *Reconciliation) Each(f func(*Finding) error) error { return r.rows.each(f) }

// Rows is how many Each hands on.
func (r *Reconciliation) Rows() int64 { return r.rows.n }

// Close frees the disk.
func (r *Reconciliation) Close() error { return r.rows.close() }

// margin is how far beyond the time that was asked for both sides are read: a
// call there may have its partner just outside. Zones need the most.
func (o *ReconcileOptions) margin() time.Duration { return o.Core.Window + 15*time.Minute }

func (o *ReconcileOptions) read() (since, until time.Time) {
	if !o.Since.IsZero() {
		since = o.Since.Add(-o.margin())
	}
	if !o.Until.IsZero() {
		until = o.Until.Add(o.margin())
	}
	return since, until
}

// ReconcileAcc compares with what Kamailio's acc module wrote.
func ReconcileAcc(ctx context.Context, s *store.Store, db *accdb.DB, opts *ReconcileOptions) (*Reconciliation, error) {
	m := db.Map()
	since, until := opts.read()
	theirs, err := db.Rows(ctx, since, until)
	if err != nil {
		return nil, err
	}
	r, err := opts.run(ctx, s, theirs, m.Keys(), m.Numbers, m.Begins == accdb.BeginsConfirmed, "")
	return r, errors.Join(err, theirs.Close())
}

// sortRun is how many lines of a CSV are sorted in memory.
const sortRun = 100_000

// ReconcileCSV compares with a carrier's file.
func ReconcileCSV(ctx context.Context, s *store.Store, file io.Reader, m *carriercsv.Map, opts *ReconcileOptions) (*Reconciliation, error) {
	f, err := carriercsv.Open(file, m)
	if err != nil {
		return nil, err
	}
	theirs, err := sortRecords(f.Next, sortRun)
	if err != nil {
		return nil, err
	}
	carrier := opts.Carrier
	if m.Carrier != "" {
		carrier = m.Carrier
	}
	if opts.Since.IsZero() && opts.Until.IsZero() { // the file says what time it is of
		o := *opts
		if o.Since, o.Until, err = f.Span(); err != nil {
			return nil, errors.Join(err, theirs.Close())
		}
		opts = &o
	}
	r, err := opts.run(ctx, s, theirs, m.Keys(), m.Numbers, m.Begins == "confirmed", carrier)
	return r, errors.Join(err, theirs.Close())
}

func (o *ReconcileOptions) run(ctx context.Context, s *store.Store, theirs reconcile.Source, keys reconcile.Keys,
	numbers reconcile.Numbering, confirmed bool, carrier string) (*Reconciliation, error) {
	filter := store.Filter{Node: o.Node}
	filter.Since, filter.Until = o.read()
	if !filter.Since.IsZero() { // it rang before it was answered
		filter.Since = filter.Since.Add(-time.Hour)
	}
	ours := readOurCDRs(ctx, s, &ourOptions{filter: filter, rates: o.Rates, numbers: numbers, carrier: carrier, confirmed: confirmed})
	defer ours.Close()
	core := o.Core
	core.Keys = keys
	core.Since, core.Until = micros(o.Since), micros(o.Until)
	return o.compare(ours, theirs, &core)
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// compare runs the core and keeps what is to be told.
func (o *ReconcileOptions) compare(ours, theirs reconcile.Source, core *reconcile.Options) (*Reconciliation, error) {
	rows, err := newSpool()
	if err != nil {
		return nil, err
	}
	r := &Reconciliation{rows: rows}
	summary := reconcile.NewSummary()
	_, err = reconcile.Run(ours, theirs, core, func(f *reconcile.Finding) error {
		if o.Carrier != "" && carrierOf(f) != "" && carrierOf(f) != o.Carrier || !within(f, core) {
			return nil
		}
		summary.Add(f)
		clean := slices.Contains(o.Clean, f.Class)
		if !clean {
			r.Dirty++
		}
		if clean && !o.All {
			return nil
		}
		return rows.add(f)
	})
	if err != nil {
		return nil, errors.Join(err, rows.close())
	}
	r.Summary = summary
	return r, nil
}

// within says that a pair is of the time that was asked for: that byeguard's side
// is, or the other one where byeguard has none.
func within(f *reconcile.Finding, core *reconcile.Options) bool {
	r := f.Ours
	if r == nil {
		r = f.Theirs
	}
	at := r.Order()
	return (core.Since == 0 || at >= core.Since) && (core.Until == 0 || at < core.Until)
}

func carrierOf(f *reconcile.Finding) string {
	for _, r := range []*reconcile.Record{f.Ours, f.Theirs} {
		if r != nil && r.Carrier != "" {
			return r.Carrier
		}
	}
	return ""
}
