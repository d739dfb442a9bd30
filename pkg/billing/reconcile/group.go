package reconcile

// grouper collects rows of both sides by key. Its memory is used again and again.
type grouper struct {
	index        map[string]int32
	list         []group
	nextA, nextB []int32
}

// group is one key's rows: heads and tails of two chains, -1 = none.
type group struct{ headA, tailA, headB, tailB int32 }

func (g *grouper) reset(na, nb int) {
	if g.index == nil {
		g.index = make(map[string]int32, max(na, nb))
	}
	clear(g.index)
	g.list = g.list[:0]
	g.nextA, g.nextB = resize(g.nextA, na), resize(g.nextB, nb)
}

func resize(s []int32, n int) []int32 {
	if cap(s) < n {
		s = make([]int32, n+n/4)
	}
	return s[:n]
}

func (g *grouper) at(key string) *group {
	n, ok := g.index[key]
	if !ok {
		n = int32(len(g.list))
		g.index[key] = n
		g.list = append(g.list, group{-1, -1, -1, -1})
	}
	return &g.list[n]
}

func (g *grouper) addB(key string, j int32) {
	at := g.at(key)
	g.nextB[j] = -1
	if at.headB < 0 {
		at.headB = j
	} else {
		g.nextB[at.tailB] = j
	}
	at.tailB = j
}

// addA adds a row of ours; paired leaves out those whose key nobody has there.
func (g *grouper) addA(key string, i int32, paired bool) {
	if paired {
		if _, ok := g.index[key]; !ok {
			return
		}
	}
	at := g.at(key)
	g.nextA[i] = -1
	if at.headA < 0 {
		at.headA = i
	} else {
		g.nextA[at.tailA] = i
	}
	at.tailA = i
}

// members lists a group's rows in their order.
func (g *grouper) members(n int, as, bs []int32) (a, b []int32) {
	for i := g.list[n].headA; i >= 0; i = g.nextA[i] {
		as = append(as, i)
	}
	for j := g.list[n].headB; j >= 0; j = g.nextB[j] {
		bs = append(bs, j)
	}
	return as, bs
}
