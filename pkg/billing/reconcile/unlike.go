package reconcile

import (
	"fmt"
	"sort"
)

// sample is how many rows a common shift is looked for in.
const sample = 2000

// minShifted is the least number of rows that show a shift by time and length
// alone.
const minShifted = 3

// shiftOf finds the zone step, in µs, by which the largest share of what is left
// there (up to so many rows) fits what is left here.
func (e *engine) shiftOf(most int) (shift int64, share float64) {
	a, b := e.left[0], e.left[1]
	sort.SliceStable(a, func(i, j int) bool { return a[i].order() < a[j].order() })
	step := max(1, len(b)/min(most, sample))
	best, asked := 0, 0
	for k := int64(-zoneMost / zoneStep); k <= int64(zoneMost/zoneStep); k++ {
		by := k * int64(zoneStep/microsecond)
		if k == 0 {
			continue
		}
		fits := 0
		asked = 0
		for j := 0; j < len(b); j += step {
			asked++
			if e.fitsAt(a, &b[j], by) {
				fits++
			}
		}
		// Of two that fit as well the smaller shift is the likelier.
		if fits > best || fits == best && fits > 0 && abs(by) < abs(shift) {
			best, shift = fits, by
		}
	}
	if best < min(minShifted, len(b)) || best == 0 {
		return 0, 0
	}
	return shift, float64(best) / float64(asked)
}

const microsecond = 1000 // ns

func (e *engine) fitsAt(a []Record, b *Record, by int64) bool {
	start, reach := b.Start-by, e.reach()
	from := sort.Search(len(a), func(i int) bool { return a[i].order() >= start-reach })
	for i := from; i < len(a) && a[i].order() <= start+reach; i++ {
		if e.agree(&a[i], b) && b.DurationMS > 0 {
			return true
		}
	}
	return false
}

// unlike says that too much is left over, and what may be the reason.
func (e *engine) unlike(n int) error {
	hint := "is it the right table or file, column mapping, node and time?"
	if shift, share := e.shiftOf(sample); share > 0.3 {
		hint = fmt.Sprintf("%.0f %% of what is left fits when the other list is taken to be %s: set its zone", share*100, away(microseconds(shift)))
	}
	return fmt.Errorf("%w: %d records of both sides found no partner within %s; %s", ErrUnlike, n, e.opts.Window, hint)
}
