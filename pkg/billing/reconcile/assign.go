package reconcile

import "math"

// assign finds the cheapest pairs of n rows and m columns (Kuhn-Munkres). A row
// may stay alone at the price of alone; never is the price of a pair that cannot
// be. to[i] is the column of row i, or -1. Among equals the first ones win, so the
// same input always gives the same pairs.
func assign(n, m int, cost func(i, j int) int64, alone int64) (to []int) {
	// Rows and columns count from 1; columns above m are "alone", one for each row.
	width := m + n
	at := func(i, j int) int64 {
		if j > m {
			if j-m == i {
				return alone
			}
			return never
		}
		return cost(i-1, j-1)
	}
	u, v := make([]int64, n+1), make([]int64, width+1)
	row, way := make([]int, width+1), make([]int, width+1)
	least, used := make([]int64, width+1), make([]bool, width+1)
	for i := 1; i <= n; i++ {
		row[0] = i
		j0 := 0
		for j := range least {
			least[j], used[j] = math.MaxInt64, false
		}
		for row[j0] != 0 {
			used[j0] = true
			i0, j1, delta := row[j0], 0, int64(math.MaxInt64)
			for j := 1; j <= width; j++ {
				if used[j] {
					continue
				}
				if c := at(i0, j) - u[i0] - v[j]; c < least[j] {
					least[j], way[j] = c, j0
				}
				if least[j] < delta {
					delta, j1 = least[j], j
				}
			}
			for j := 0; j <= width; j++ {
				if used[j] {
					u[row[j]] += delta
					v[j] -= delta
				} else {
					least[j] -= delta
				}
			}
			j0 = j1
		}
		for j0 != 0 {
			row[j0] = row[way[j0]]
			j0 = way[j0]
		}
	}
	to = make([]int, n)
	for j := 1; j <= width; j++ {
		if i := row[j]; i != 0 {
			to[i-1] = -1
			if j <= m && cost(i-1, j-1) < never {
				to[i-1] = j - 1
			}
		}
	}
	return to
}

// never is more than any sum of true costs, and far from overflow.
const never = int64(1) << 50
