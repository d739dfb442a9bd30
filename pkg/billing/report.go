package billing

import (
	"cmp"
	"slices"
	"time"

	"github.com/byeguard/byeguard/pkg/call"
)

// By says what a report has a line for each of.
type By struct{ Day, Hour, Node, Carrier bool }

// Tally sums up the calls of one line of a report.
type Tally struct {
	Day     string // 2026-11-23; "" where the report has no days
	Hour    int64  // when it began, Unix time in µs; 0 where the report has no hours
	Node    string
	Carrier string // "" also for calls that no carrier of the rates matches

	Attempts  int64
	Answered  int64 // open calls included
	Reached   int64 // answered, busy, not picked up, declined: the network did its part
	Timed     int64 // answered calls of known length
	Duration  int64 // theirs, ms
	OneSided  int64 // calls of which a side was not told of the end
	Repaired  int64 // of these: byeguard told it, and it had been up
	Lost      int64 // of these: nobody could confirm the end
	Suffered  int64 // ms that legs ran on after their call
	Prevented int64 // ms that repaired legs would have run on longer, by assumption

	Cost          map[string]Money // of all calls, by currency
	CostSuffered  map[string]Money
	CostPrevented map[string]Money
}

// Report sums records up. Add takes them in any order; not safe for concurrent use.
type Report struct {
	by     By
	zone   *time.Location
	assume int64 // ms
	lines  map[tallyKey]*Tally
	dayAt  int64 // quarter of an hour that day is of
	day    string
}

type tallyKey struct {
	day           string
	hour          int64
	node, carrier string
}

// NewReport begins a report whose days are those of zone. assume is how long a
// leg that nobody told of its call's end is taken to run on: nobody can know.
func NewReport(by By, zone *time.Location, assume time.Duration) *Report {
	return &Report{by: by, zone: zone, assume: assume.Milliseconds(), lines: map[tallyKey]*Tally{}, dayAt: -1}
}

// ranOn is from when on a leg's later end is more than its BYE's way there and
// back.
const ranOn = 1000 // ms

// Add takes a record. Its texts are not kept.
func (p *Report) Add(r *Record) {
	t := p.line(r)
	t.Attempts++
	if reached[r.Code] || r.Disposition != string(DispositionFailed) {
		t.Reached++
	}
	if r.Disposition != string(DispositionFailed) {
		t.Answered++
		if r.DurationMS >= 0 && r.Answered != 0 {
			t.Timed++
			t.Duration += r.DurationMS
		}
	}
	g := &r.Rating
	if g.Currency != "" {
		add(&t.Cost, g.Currency, g.Cost)
	}
	if !r.oneSided() {
		return
	}
	t.OneSided++
	if r.OverrunBound == BoundUnknown {
		t.Lost++
	}
	over := max(r.OverrunMS, 0)
	t.Suffered += over
	if r.OverrunRated {
		add(&t.CostSuffered, g.Currency, r.OverrunCost)
	}
	if !r.Repaired {
		return
	}
	t.Repaired++
	if more := p.assume - over; more > 0 {
		t.Prevented += more
		if g.Currency != "" && r.RepairedLeg == call.Callee.String() {
			add(&t.CostPrevented, g.Currency, g.Extra(r.DurationMS, p.assume)-g.Extra(r.DurationMS, over))
		}
	}
}

// oneSided says that a side was not told of the end in time: byeguard had to
// try, nobody could confirm, or it ran on.
func (rec *Record) oneSided() bool {
	return rec.Repaired || rec.Attempts > 0 || rec.OverrunBound == BoundUnknown || rec.OverrunMS >= ranOn
}

// reached are final codes that a network gives that did its part (ITU-T E.425,
// network effectiveness ratio): the called side was busy, did not pick up, was
// not there or did not want the call, or the caller gave up.
var reached = map[int]bool{200: true, 480: true, 486: true, 487: true, 600: true, 603: true}

func add(m *map[string]Money, currency string, amount Money) {
	if *m == nil {
		*m = map[string]Money{}
	}
	(*m)[currency] += amount
}

func (p *Report) line(r *Record) *Tally {
	var k tallyKey
	if p.by.Day {
		k.day = p.dayOf(r.Started)
	}
	if p.by.Hour {
		const hour = 3600 * 1e6
		k.hour = r.Started - r.Started%hour
	}
	if p.by.Node {
		k.node = r.Node
	}
	if p.by.Carrier {
		k.carrier = r.Rating.Carrier
	}
	if t := p.lines[k]; t != nil {
		return t
	}
	k.node = string([]byte(k.node)) // of its own: the record's is its page's
	t := &Tally{Day: k.day, Hour: k.hour, Node: k.node, Carrier: k.carrier}
	p.lines[k] = t
	return t
}

// dayOf names the day of a time. Zones change their offset at quarters of an
// hour, so within one the day stays.
func (p *Report) dayOf(us int64) string {
	if quarter := us / (15 * 60 * 1e6); quarter != p.dayAt {
		p.dayAt, p.day = quarter, time.UnixMicro(us).In(p.zone).Format(time.DateOnly)
	}
	return p.day
}

// Lines returns the lines by day, hour, node and carrier.
func (p *Report) Lines() []*Tally {
	lines := make([]*Tally, 0, len(p.lines))
	for _, t := range p.lines {
		lines = append(lines, t)
	}
	slices.SortFunc(lines, func(a, b *Tally) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Hour, b.Hour), cmp.Compare(a.Node, b.Node), cmp.Compare(a.Carrier, b.Carrier))
	})
	return lines
}

// ASR is the answer seizure ratio in hundredths of a percent, -1 without calls.
func (t *Tally) ASR() int64 { return ratio(t.Answered, t.Attempts, 10_000) }

// NER is the network effectiveness ratio in hundredths of a percent, -1 without calls.
func (t *Tally) NER() int64 { return ratio(t.Reached, t.Attempts, 10_000) }

// ACD is the average duration of answered calls in ms, -1 without any.
func (t *Tally) ACD() int64 { return ratio(t.Duration, t.Timed, 1) }

// OneSidedShare is the one-sided calls of a thousand answered ones, in
// hundredths, -1 without any.
func (t *Tally) OneSidedShare() int64 { return ratio(t.OneSided, t.Answered, 100_000) }

// RepairedShare is the repaired of the one-sided calls, in hundredths of a
// percent, -1 without any.
func (t *Tally) RepairedShare() int64 { return ratio(t.Repaired, t.OneSided, 10_000) }

// ratio is n*scale/of, rounded half up.
func ratio(n, of, scale int64) int64 {
	if of == 0 {
		return -1
	}
	return (n*scale*2 + of) / (of * 2)
}
