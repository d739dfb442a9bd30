package reconcile

import (
	"math"
	"sort"
	"time"
)

func microseconds(us int64) time.Duration { return time.Duration(us) * time.Microsecond }

// runByTime pairs rows that have nothing in common but time and length. First
// those that are each other's best and agree: in a busy hour everything is near
// everything, and this parts the crowd into small sets. These are then paired for
// the best sum, once all is read.
func (m *matching) runByTime() error {
	bestA, bestB := m.best()
	for j, i := range bestB {
		if i < 0 || bestA[i] != int32(j) || !m.settled(int(i), j) {
			continue
		}
		a, b := &m.a[i], &m.b[j]
		if m.shift == 0 && !m.e.agree(a, b) {
			continue
		}
		m.fateA[i], m.fateB[j] = told, told
		if err := m.e.tell(a, b, 0); err != nil {
			return err
		}
	}
	if err := m.repeated(bestB); err != nil {
		return err
	}
	if m.safe == math.MaxInt64 && m.final {
		return m.rest()
	}
	// A partner of what is older than this would be settled too.
	for i := range m.a {
		m.lonely(0, i)
	}
	for j := range m.b {
		m.lonely(1, j)
	}
	return nil
}

// keyless says that a row of the other list may be paired by time alone.
func (m *matching) keyless(b *Record) bool {
	k := m.e.opts.Keys
	return (!k.CallID || b.CallID == "") && (!k.From || b.From == "") && (!k.To || b.To == "")
}

func (m *matching) settled(i, j int) bool {
	return m.a[i].order() < m.safe && m.b[j].order() < m.safe
}

// agree says that two rows are of one length and time.
func (e *engine) agree(a, b *Record) bool {
	tol := e.opts.tolerance(a.Carrier)
	return a.answered() && b.DurationMS >= 0 && a.DurationMS >= 0 &&
		(abs(b.DurationMS-a.DurationMS) <= tolerated(tol, a) || e.opts.rounded(a, b))
}

// candidates calls each for the rows of ours within reach of b.
func (m *matching) candidates(b *Record, each func(i int)) {
	start := b.Start - m.shift
	from := sort.Search(len(m.a), func(i int) bool { return m.a[i].order() >= start-m.reach })
	for i := from; i < len(m.a) && m.a[i].order() <= start+m.reach; i++ {
		if m.fateA[i] == waits {
			each(i)
		}
	}
}

// best returns each row's cheapest partner, -1 = none.
func (m *matching) best() (bestA, bestB []int32) {
	bestA, bestB = make([]int32, len(m.a)), make([]int32, len(m.b))
	costA := make([]int64, len(m.a))
	for i := range bestA {
		bestA[i], costA[i] = -1, never
	}
	for j := range m.b {
		b, least := &m.b[j], never
		bestB[j] = -1
		if !m.keyless(b) {
			continue
		}
		m.candidates(b, func(i int) {
			c := m.cost(&m.a[i], b)
			if c < least {
				least, bestB[j] = c, int32(i)
			}
			if c < costA[i] {
				costA[i], bestA[i] = c, int32(j)
			}
		})
	}
	return bestA, bestB
}

// repeated reports rows that are exactly as one that has its partner.
func (m *matching) repeated(bestB []int32) error {
	for j := range m.b {
		if m.fateB[j] != waits || !m.keyless(&m.b[j]) || m.b[j].order() >= m.safe {
			continue
		}
		for _, step := range []int{-1, 1} {
			for k := j + step; k >= 0 && k < len(m.b) && m.b[k].Start == m.b[j].Start && m.fateB[j] == waits; k += step {
				if m.fateB[k] != told || bestB[k] < 0 || !m.repeats(&m.b[j], &m.b[k]) {
					continue
				}
				m.fateB[j] = told
				if err := m.e.say(Duplicate, &m.a[bestB[k]], &m.b[j], "repeats row "+m.b[k].ID+", which fits the same call", 0); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// rest pairs what is left in sets that have no candidate in common.
func (m *matching) rest() error {
	set := newSets(len(m.a) + len(m.b))
	linked := make([]bool, len(m.a)+len(m.b))
	for j := range m.b {
		if m.fateB[j] != waits || !m.keyless(&m.b[j]) {
			continue
		}
		m.candidates(&m.b[j], func(i int) {
			if m.cost(&m.a[i], &m.b[j]) < never {
				set.join(i, len(m.a)+j)
				linked[i], linked[len(m.a)+j] = true, true
			}
		})
	}
	members := map[int32]*[2][]int32{}
	var roots []int32
	for n := range linked {
		own, side := n, 0
		if n >= len(m.a) {
			own, side = n-len(m.a), 1
		}
		if !linked[n] {
			m.lonely(side, own)
			continue
		}
		root := set.find(n)
		if members[root] == nil {
			members[root] = &[2][]int32{}
			roots = append(roots, root)
		}
		members[root][side] = append(members[root][side], int32(own))
	}
	for _, root := range roots {
		if err := m.pair(members[root][0], members[root][1]); err != nil {
			return err
		}
	}
	return nil
}

// lonely settles a row without candidates.
func (m *matching) lonely(side, n int) {
	recs, fates := m.a, m.fateA
	if side == 1 {
		recs, fates = m.b, m.fateB
	}
	if fates[n] == waits && (m.safe == math.MaxInt64 || recs[n].order() < m.safe-m.reach) {
		fates[n] = alone
	}
}

// sets are disjoint sets of numbers.
type sets []int32

func newSets(n int) sets {
	s := make(sets, n)
	for i := range s {
		s[i] = int32(i)
	}
	return s
}

func (s sets) find(n int) int32 {
	for s[n] != int32(n) {
		s[n] = s[s[n]]
		n = int(s[n])
	}
	return int32(n)
}

func (s sets) join(a, b int) { s[s.find(b)] = s.find(a) }

// commonShift returns the whole number of zone steps, in µs, by which most of
// what is left there fits what is left here; 0 = there is none.
func (e *engine) commonShift() int64 {
	shift, share := e.shiftOf(math.MaxInt)
	if share < 0.5 {
		return 0
	}
	return shift
}
