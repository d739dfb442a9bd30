package guard

import (
	"sync/atomic"

	"github.com/byeguard/byeguard/pkg/call"
)

// callStates and legStates are how many states there are.
const (
	callStates = int(call.StateFailed) + 1
	legStates  = 5
)

// legOrder numbers the states of legs.
var legOrder = [legStates]call.LegState{call.LegUp, call.LegOwnBye, call.LegConfirmed, call.LegGone, call.LegUnconfirmed}

// census counts a lane's calls, and the legs of those that were answered, by
// state. Only the lane changes it, and only when a state changes, which is much
// rarer than an event.
type census struct {
	calls [callStates]atomic.Int64
	legs  [legStates]atomic.Int64
}

// standing is what a call counts as.
type standing struct {
	state call.State
	legs  [2]call.LegState
}

func standingOf(c *call.Call) standing {
	return standing{c.State, [2]call.LegState{c.Legs[0].State, c.Legs[1].State}}
}

// add counts a call n times, 1 or -1.
func (s *census) add(st standing, n int64) {
	if int(st.state) >= callStates {
		return
	}
	s.calls[st.state].Add(n)
	if st.state == call.StateNew || st.state == call.StateFailed {
		return // it has no legs that anybody bills
	}
	for _, leg := range st.legs {
		s.legs[legNumber(leg)].Add(n)
	}
}

// open is how many calls are up, or end and are not accounted for yet.
func (s *census) open() int64 {
	return s.calls[call.StateUp].Load() + s.calls[call.StateEnding].Load()
}

// move counts a call that was something else before.
func (s *census) move(before, after standing) {
	if before != after {
		s.add(before, -1)
		s.add(after, 1)
	}
}

func legNumber(s call.LegState) int {
	for i, name := range legOrder {
		if name == s {
			return i
		}
	}
	return 0 // the zero value: up
}

// sum adds what a lane counted to totals by name.
func (s *census) sum(calls map[call.State]int64, legs map[call.LegState]int64) {
	for i := range s.calls {
		calls[call.State(i)] += s.calls[i].Load()
	}
	for i, name := range legOrder {
		legs[name] += s.legs[i].Load()
	}
}
