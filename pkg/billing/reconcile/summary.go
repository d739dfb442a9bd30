package reconcile

import (
	"cmp"
	"slices"

	"github.com/byeguard/byeguard/pkg/billing"
)

// Group is what a line of the summary counts.
type Group struct {
	Class    Class
	Carrier  string
	Currency string // "" = no cost is known
}

// Line is one line of the summary.
type Line struct {
	Group
	Calls      int64
	OursMS     int64
	TheirsMS   int64
	OursCost   billing.Money // in Currency
	TheirsCost billing.Money
	Priced     bool // the other list gives costs
}

// Summary counts findings by class, carrier and currency.
type Summary struct{ lines map[Group]*Line }

// NewSummary returns an empty one.
func NewSummary() *Summary { return &Summary{lines: map[Group]*Line{}} }

// Add counts a finding.
func (s *Summary) Add(f *Finding) {
	g := Group{Class: f.Class}
	for _, r := range []*Record{f.Ours, f.Theirs} {
		if r == nil {
			continue
		}
		g.Carrier, g.Currency = cmp.Or(g.Carrier, r.Carrier), cmp.Or(g.Currency, r.Currency)
	}
	l := s.lines[g]
	if l == nil {
		l = &Line{Group: g}
		s.lines[g] = l
	}
	l.Calls++
	// A duplicate's call was counted with the row that it repeats.
	if r := f.Ours; r != nil && f.Class != Duplicate {
		l.OursMS += max(r.DurationMS, 0)
		if r.Currency == g.Currency {
			l.OursCost += r.Cost
		}
	}
	if r := f.Theirs; r != nil {
		l.TheirsMS += max(r.DurationMS, 0)
		if r.Currency == g.Currency {
			l.TheirsCost += r.Cost
			l.Priced = l.Priced || r.Currency != ""
		}
	}
}

// Lines returns the lines by class, in the order of [Classes], carrier and
// currency.
func (s *Summary) Lines() []Line {
	order := map[Class]int{}
	for i, c := range Classes() {
		order[c] = i
	}
	list := make([]Line, 0, len(s.lines))
	for _, l := range s.lines {
		list = append(list, *l)
	}
	slices.SortFunc(list, func(a, b Line) int {
		return cmp.Or(cmp.Compare(order[a.Class], order[b.Class]), cmp.Compare(a.Carrier, b.Carrier), cmp.Compare(a.Currency, b.Currency))
	})
	return list
}

// Calls counts the findings of a class.
func (s *Summary) Calls(c Class) (n int64) {
	for g, l := range s.lines {
		if g.Class == c {
			n += l.Calls
		}
	}
	return n
}
