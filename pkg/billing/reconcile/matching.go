package reconcile

import (
	"cmp"
	"math"
	"slices"
)

// fate is what became of a record in one matching.
type fate uint8

const (
	waits fate = iota // a partner may still be read
	alone             // it has none here
	told              // it was reported
)

// matching finds the best pairs among two sorted lists.
type matching struct {
	e     *engine
	stage stage
	a, b  []Record
	reach int64 // µs that partners may be apart
	safe  int64 // what is older will get no new candidates
	zoned bool  // only whole zone steps apart
	shift int64 // µs that the other list is ahead
	final bool  // by time: pair what does not agree, too

	fateA, fateB []fate
}

// aloneCost is more than the worst pair costs: as many pairs as can be are made.
const aloneCost = int64(1) << 34

func (m *matching) run() error {
	m.fateA, m.fateB = make([]fate, len(m.a)), make([]fate, len(m.b))
	if m.stage == byTime {
		return m.runByTime()
	}
	g := &m.e.groups
	g.reset(len(m.a), len(m.b))
	for j := range m.b {
		if key, ok := m.key(&m.b[j], &m.b[j]); ok {
			g.addB(key, int32(j))
		} else {
			m.fateB[j] = alone // no key: for a later stage
		}
	}
	for i := range m.a {
		if key, ok := m.key(&m.a[i], nil); ok {
			g.addA(key, int32(i), m.safe == math.MaxInt64)
		}
	}
	var as, bs []int32
	for gi := range g.list {
		as, bs = g.members(gi, as[:0], bs[:0])
		if err := m.cluster(as, bs); err != nil {
			return err
		}
	}
	if m.safe == math.MaxInt64 { // those of no group with a partner
		for i := range m.fateA {
			if m.fateA[i] == waits {
				m.fateA[i] = alone
			}
		}
	}
	return nil
}

// key is what a record is grouped by; of the numbers those count that the other
// list has.
func (m *matching) key(r, theirs *Record) (string, bool) {
	if m.stage == byCallID {
		return r.CallID, r.CallID != ""
	}
	if theirs != nil && m.e.opts.Keys.CallID && theirs.CallID != "" {
		return "", false // it has the better key, which fits nobody
	}
	k := m.e.opts.Keys
	switch {
	case k.From && k.To:
		return r.From + "\x00" + r.To, r.From != "" || r.To != ""
	case k.From:
		return r.From, r.From != ""
	}
	return r.To, r.To != ""
}

// cluster parts a group where nothing happened for longer than reach, and pairs
// each part that is complete.
func (m *matching) cluster(as, bs []int32) error {
	if len(as) == 1 && len(bs) == 1 { // nearly always
		i, j := as[0], bs[0]
		if max(m.a[i].order(), m.b[j].order()) >= m.safe {
			return nil
		}
		if m.cost(&m.a[i], &m.b[j]) >= never {
			m.fateA[i], m.fateB[j] = alone, alone
			return nil
		}
		m.fateA[i], m.fateB[j] = told, told
		return m.e.tell(&m.a[i], &m.b[j], 0)
	}
	for len(as)+len(bs) > 0 {
		i, j, end := 0, 0, int64(math.MinInt64)
		for {
			var at int64
			takeA := i < len(as) && (j == len(bs) || m.a[as[i]].order() <= m.b[bs[j]].order())
			switch {
			case takeA:
				at = m.a[as[i]].order()
			case j < len(bs):
				at = m.b[bs[j]].order()
			default:
				at = math.MaxInt64
			}
			if at == math.MaxInt64 || end != math.MinInt64 && at-end > m.reach {
				break
			}
			end = at
			if takeA {
				i++
			} else {
				j++
			}
		}
		if end < m.safe {
			if err := m.pair(as[:i], bs[:j]); err != nil {
				return err
			}
		}
		as, bs = as[i:], bs[j:]
	}
	return nil
}

// largest is how many rows are paired by the exact method, whose time grows with
// the cube.
const largest = 150

// pair finds the best pairs of a small set, and what is told twice.
func (m *matching) pair(as, bs []int32) error {
	var to []int
	cost := func(i, j int) int64 { return m.cost(&m.a[as[i]], &m.b[bs[j]]) }
	switch {
	case len(as) == 0 || len(bs) == 0:
		to = make([]int, len(as))
		for i := range to {
			to[i] = -1
		}
	case len(as) <= largest && len(bs) <= largest:
		to = assign(len(as), len(bs), cost, aloneCost)
	default:
		to = greedy(len(as), len(bs), cost)
	}
	for i := range as {
		m.fateA[as[i]] = alone
	}
	for j := range bs {
		m.fateB[bs[j]] = alone
	}
	for i, j := range to {
		if j < 0 {
			continue
		}
		others := 0
		for k := range bs {
			if k != j && cost(i, k) < never {
				others++
			}
		}
		m.fateA[as[i]], m.fateB[bs[j]] = told, told
		if err := m.e.tell(&m.a[as[i]], &m.b[bs[j]], others); err != nil {
			return err
		}
	}
	return m.duplicates(as, bs, to)
}

// duplicates reports rows of the other list that repeat one which has its partner.
func (m *matching) duplicates(as, bs []int32, to []int) error {
	for j := range bs {
		b := &m.b[bs[j]]
		if m.fateB[bs[j]] != alone {
			continue
		}
		for i, k := range to {
			if k < 0 || !m.repeats(b, &m.b[bs[k]]) {
				continue
			}
			m.fateB[bs[j]] = told
			why := "repeats row " + m.b[bs[k]].ID + ", which fits the same call"
			if err := m.e.say(Duplicate, &m.a[as[i]], b, why, 0); err != nil {
				return err
			}
			break
		}
	}
	return nil
}

// repeats says that two rows of the other list tell of one call. A Call-ID is
// enough; of rows that are known by their numbers time and length must agree.
func (m *matching) repeats(b, c *Record) bool {
	if m.stage == byCallID {
		return true
	}
	tol := m.e.opts.tolerance(b.Carrier)
	start, length := tol.Start.Microseconds(), tol.Duration.Milliseconds()
	if m.stage == byTime { // two calls may well begin in one second
		start, length = 0, 0
	}
	return abs(b.Start-c.Start) <= start && abs(b.DurationMS-c.DurationMS) <= length
}

// cost is how badly two rows fit, in ms; never = they cannot be one call.
func (m *matching) cost(a, b *Record) int64 {
	start := b.Start - m.shift
	apart := abs(start - a.order())
	if b.Alt != 0 {
		apart = min(apart, abs(b.Alt-m.shift-a.order()))
	}
	fromSetup := int64(0)
	if a.Setup != 0 && a.answered() {
		if d := abs(start - a.Setup); d < apart {
			apart, fromSetup = d, 20
		}
	}
	length := int64(0)
	if b.DurationMS >= 0 && a.DurationMS >= 0 {
		length = abs(b.DurationMS - a.DurationMS)
	}
	switch {
	case m.stage == byCallID:
	case m.zoned:
		if m.e.opts.zoneOf(a, b) == 0 {
			return never
		}
		apart = 0
	case apart > m.reach:
		return never
	}
	if m.shift != 0 && length > m.e.opts.Duration.Milliseconds()+a.DurationMS>>22 && !m.e.opts.rounded(a, b) {
		return never // so far away the length must fit
	}
	if m.stage == byTime {
		// Kamailio writes starts in whole seconds, lengths in ms.
		length *= 16
	}
	const most = 1 << 31
	c := min(apart/1000, most) + min(length, most) + fromSetup
	if !a.answered() {
		c += 1000 // an answered call fits better
	}
	return c
}

// zoneOf says how many zone steps two rows of the same length are apart.
func (o *Options) zoneOf(a, b *Record) int64 {
	tol := o.tolerance(a.Carrier)
	if abs(b.DurationMS-a.DurationMS) > tolerated(tol, a) && !o.rounded(a, b) {
		return 0
	}
	return zones(microseconds(b.Start-a.Start), tol.Start)
}

// greedy takes the best pair first: for crowds that are too large for assign.
func greedy(n, m int, cost func(i, j int) int64) []int {
	type edge struct {
		c    int64
		i, j int32
	}
	var edges []edge
	for i := range n {
		for j := range m {
			if c := cost(i, j); c < never {
				edges = append(edges, edge{c, int32(i), int32(j)})
			}
		}
	}
	slices.SortFunc(edges, func(x, y edge) int {
		return cmp.Or(cmp.Compare(x.c, y.c), cmp.Compare(x.i, y.i), cmp.Compare(x.j, y.j))
	})
	to, taken := make([]int, n), make([]bool, m)
	for i := range to {
		to[i] = -1
	}
	for _, e := range edges {
		if to[e.i] < 0 && !taken[e.j] {
			to[e.i], taken[e.j] = int(e.j), true
		}
	}
	return to
}
