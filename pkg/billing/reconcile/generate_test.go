package reconcile_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/byeguard/byeguard/pkg/billing/reconcile"
)

// list is a source in memory.
type list struct {
	recs []reconcile.Record
	at   int
}

func (l *list) Next(r *reconcile.Record) error {
	if l.at == len(l.recs) {
		return io.EOF
	}
	*r = l.recs[l.at]
	l.at++
	return nil
}

func sorted(recs []reconcile.Record) *list {
	recs = slices.Clone(recs)
	slices.SortStableFunc(recs, func(a, b reconcile.Record) int { return int(min(max(a.Order()-b.Order(), -1), 1)) })
	return &list{recs: recs}
}

const second = int64(1_000_000)

// calls makes n calls of byeguard's over a day. A tenth of them rang in vain.
func calls(rnd *rand.Rand, n int) []reconcile.Record {
	first := time.Date(2026, 10, 25, 0, 0, 0, 0, time.UTC).UnixMicro() // a day of 25 hours in Berlin
	recs := make([]reconcile.Record, n)
	for i := range recs {
		setup := first + int64(i)*86_400*second/int64(n) + rnd.Int64N(second)
		ring := 3*second + rnd.Int64N(27*second)
		r := &recs[i]
		*r = reconcile.Record{
			ID: fmt.Sprintf("here-%d", i), CallID: fmt.Sprintf("%d@example.net", i), Carrier: []string{"acme", "zeta"}[i%2],
			From: fmt.Sprintf("+4930%07d", rnd.IntN(5000)), To: fmt.Sprintf("+4989%07d", rnd.IntN(5000)),
			Setup: setup, BillableS: -1, DurationMS: -1, End: setup + ring,
		}
		if i%10 == 9 {
			continue
		}
		r.Start = setup + ring
		r.DurationMS = 5_000 + rnd.Int64N(900_000)
		r.End = r.Start + r.DurationMS*1000
	}
	return recs
}

// there is what the other list says of a call when all is well.
func there(a *reconcile.Record, i int) reconcile.Record {
	return reconcile.Record{ID: fmt.Sprintf("there-%d", i), CallID: a.CallID, From: a.From, To: a.To, Start: a.Start, End: a.End, DurationMS: a.DurationMS}
}

// mutate seeds one fault. It may change byeguard's record so that the fault has
// its reason; more are rows beside b, and gone says that b is not there at all.
func mutate(class reconcile.Class, a, b *reconcile.Record) (more []reconcile.Record, gone bool) {
	switch class {
	case reconcile.Matched:
		b.DurationMS += 8
		b.Start += second / 50
	case reconcile.Rounding:
		a.DurationMS = a.DurationMS/1000*1000 + 437
		b.DurationMS = a.DurationMS/1000*1000 + 1000
	case reconcile.DurationDiffers:
		b.DurationMS += 31_250
	case reconcile.RanOn:
		a.OverrunMS = 45_000
		b.DurationMS += 45_100
	case reconcile.MissingThere:
		gone = true
	case reconcile.MissingHere:
		x := *b
		x.ID, x.CallID, x.From, x.To = "extra-"+b.ID, "extra-"+b.CallID, "+441", "+442"
		more = append(more, x)
	case reconcile.Duplicate:
		x := *b
		x.ID = "again-" + b.ID
		more = append(more, x)
	case reconcile.ClockSkew:
		b.Start += 37 * second
	case reconcile.ZoneShift:
		b.Start += 3600 * second
	case reconcile.Ringing:
		b.DurationMS += (b.Start - a.Setup) / 1000
		b.Start = a.Setup
	case reconcile.ZeroDuration:
		b.DurationMS = 0
	case reconcile.KeyMissing:
		b.CallID, b.From, b.To = "", "", ""
	case reconcile.StillOpen:
		a.Open, a.DurationMS, a.End = true, -1, 0
	}
	b.End = b.Start + b.DurationMS*1000
	return more, gone
}

// truth is what should be found, by the name of the row there, or else here.
type truth map[string]reconcile.Class

func name(f *reconcile.Finding) string {
	if f.Theirs != nil {
		return f.Theirs.ID
	}
	return f.Ours.ID
}

// seed makes both lists, with a share of faults of each class.
func seed(rnd *rand.Rand, n int, share float64, classes []reconcile.Class, strip func(*reconcile.Record)) (ours, theirs []reconcile.Record, want truth) {
	ours, want = calls(rnd, n), truth{}
	for i := range ours {
		a := &ours[i]
		if a.Start == 0 {
			continue
		}
		b := there(a, i)
		class := reconcile.Matched
		if p := rnd.Float64(); p < share*float64(len(classes)) {
			class = classes[int(p/share)]
		}
		more, gone := mutate(class, a, &b)
		switch class {
		case reconcile.MissingThere:
			want[a.ID] = class
		case reconcile.MissingHere, reconcile.Duplicate:
			want[more[0].ID] = class // the second of two that are the same
			want[b.ID] = reconcile.Matched
		default:
			want[b.ID] = class
		}
		if !gone {
			more = append([]reconcile.Record{b}, more...)
		}
		for _, x := range more {
			strip(&x)
			theirs = append(theirs, x)
		}
	}
	return ours, theirs, want
}
