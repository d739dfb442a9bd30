package app

import (
	"container/heap"
	"context"
	"encoding/hex"
	"io"
	"strings"

	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/billing/reconcile"
	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/store"
)

// ourOptions say which of byeguard's records are compared, and how.
type ourOptions struct {
	filter    store.Filter
	rates     *billing.Rates
	numbers   reconcile.Numbering
	carrier   string // "" = of all
	confirmed bool   // calls begin with the ACK
	openOnly  bool
}

// ourCDRs is byeguard's side as a source. The database sorts by the first thing
// that was seen of a call; calls are handed on by their answer, so those that ring
// wait in a heap.
type ourCDRs struct {
	batches chan []reconcile.Record
	batch   []reconcile.Record
	waiting recordHeap
	behind  int64 // every later record comes after it
	done    bool
	err     error // of the reading; good when batches is closed
	cancel  context.CancelFunc
}

// readOurCDRs begins to read; Close it.
func readOurCDRs(ctx context.Context, s *store.Store, opts *ourOptions) *ourCDRs {
	ctx, cancel := context.WithCancel(ctx)
	src := &ourCDRs{batches: make(chan []reconcile.Record, 2), cancel: cancel}
	go func() {
		defer close(src.batches)
		var rec billing.Record
		src.err = s.ScanCDRsByStart(ctx, &opts.filter, func(p *store.Page) error {
			rows, err := p.Rows()
			if err != nil || len(rows) == 0 {
				return err
			}
			batch := make([]reconcile.Record, 0, len(rows))
			for i := range rows {
				rec.Row = rows[i]
				rec.Derive(opts.rates)
				if opts.carrier != "" && rec.Rating.Carrier != opts.carrier || opts.openOnly && rec.Row.State != string(billing.StateOpen) {
					continue
				}
				batch = append(batch, opts.record(&rec))
			}
			select {
			case src.batches <- batch:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	return src
}

// record is what is compared of a record. Its texts are its own: the page's are
// written over.
func (o *ourOptions) record(r *billing.Record) reconcile.Record {
	out := reconcile.Record{
		ID: hex.EncodeToString(r.Key[:]), CallID: strings.Clone(r.CallID), Node: strings.Clone(r.Node), Carrier: r.Rating.Carrier,
		From: o.number(r.CallerNumber), To: o.number(r.CalleeNumber),
		Setup: r.Setup, End: r.Ended, DurationMS: -1, BillableS: -1, Repaired: r.Repaired,
		Currency: r.Rating.Currency, Cost: r.Rating.Cost,
		Open: r.Row.State == string(billing.StateOpen) && r.Ended == 0,
	}
	if out.Setup == 0 {
		out.Setup = r.Started
	}
	if r.Rating.Rated {
		out.BillableS, out.IncrementS = r.Rating.Billable, r.Rating.Increment()
	}
	if r.Disposition == string(billing.DispositionFailed) {
		return out
	}
	out.Start = r.Answered
	if o.confirmed && r.Confirmed != 0 {
		out.Start = r.Confirmed
	}
	switch {
	case r.Answered == 0 && !out.Open:
		out.Unseen = true
		return out
	case r.Ended != 0:
		out.DurationMS = max(r.Ended-out.Start, 0) / 1000
	}
	// A carrier's meter runs on the callee's leg.
	switch how := r.CalleeHow; {
	case r.Ended == 0:
	case how == string(call.LegUnconfirmed):
		out.OverrunMS = -1
	case r.CalleeEnd > r.Ended:
		out.OverrunMS, out.Upper = (r.CalleeEnd-r.Ended)/1000, how == string(call.LegGone)
	}
	return out
}

func (o *ourOptions) number(s string) string {
	n := o.numbers.Read(s)
	return strings.Clone(n)
}

// Next implements [reconcile.Source].
func (s *ourCDRs) Next(r *reconcile.Record) error {
	for !s.done && (len(s.waiting) == 0 || s.waiting[0].Order() > s.behind) {
		for len(s.batch) == 0 {
			var ok bool
			if s.batch, ok = <-s.batches; !ok {
				s.done = true
				break
			}
		}
		if s.done {
			break
		}
		if first := &s.batch[0]; first.Setup != 0 {
			s.behind = max(s.behind, first.Setup)
		}
		heap.Push(&s.waiting, s.batch[0])
		s.batch = s.batch[1:]
	}
	if s.done && s.err != nil {
		return s.err
	}
	if len(s.waiting) == 0 {
		return io.EOF
	}
	*r = s.waiting[0]
	heap.Pop(&s.waiting)
	return nil
}

// Close ends the reading.
func (s *ourCDRs) Close() {
	s.cancel()
	for range s.batches { // the reader may wait to hand one on
		continue
	}
}

// recordHeap has the earliest record on top.
type recordHeap []reconcile.Record

func (h recordHeap) Len() int { return len(h) }
func (h recordHeap) Less(i, j int) bool {
	if a, b := h[i].Order(), h[j].Order(); a != b {
		return a < b
	}
	return h[i].ID < h[j].ID
}
func (h recordHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements [heap.Interface]; only records are pushed.
func (h *recordHeap) Push(x any) { *h = append(*h, x.(reconcile.Record)) }

// Pop implements [heap.Interface].
func (h *recordHeap) Pop() any {
	n := len(*h) - 1
	r := (*h)[n]
	(*h)[n] = reconcile.Record{}
	*h = (*h)[:n]
	return r
}
