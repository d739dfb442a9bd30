package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Step is one fault of a schedule.
type Step struct {
	At   time.Duration // since the beginning
	Kind Kind
	For  time.Duration // 0 = it is over at once
	// Size is a number in [0,1): how hard it is, for faults that have degrees.
	Size float64
}

// String is for people.
func (s Step) String() string {
	text := fmt.Sprintf("%6.1f s  %s", s.At.Seconds(), s.Kind)
	if s.For > 0 {
		text += fmt.Sprintf(" for %.1f s", s.For.Seconds())
	}
	return text
}

// Streams of random numbers, all from one seed.
const (
	streamFaults = iota + 1
	streamCalls
	streamNetwork
)

// meanGap is the time between the beginnings of two faults, on average.
const meanGap = 1500 * time.Millisecond

// Plan returns the faults of a run: the same for the same seed, duration and
// kinds. Faults of different things overlap. The first comes after a second,
// and all are over when the duration is.
func Plan(seed uint64, duration time.Duration, kinds []Kind) []Step {
	dice := rand.New(rand.NewPCG(seed, streamFaults))
	free := make(map[string]time.Duration) // when each thing may be hit again
	var steps []Step
	for at := time.Second; at < duration; at += time.Duration(dice.ExpFloat64() * float64(meanGap)) {
		f := draw(dice, kinds, func(f *fault) bool { return free[f.what] <= at })
		if f == nil {
			continue
		}
		s := Step{At: at, Kind: f.kind, Size: dice.Float64(), For: f.shortest}
		if f.longest > f.shortest {
			s.For += time.Duration(dice.Int64N(int64(f.longest - f.shortest)))
		}
		if s.For = s.For.Round(time.Millisecond); s.At+s.For > duration {
			continue
		}
		free[f.what] = at + s.For + f.rest
		steps = append(steps, s)
	}
	return slices.DeleteFunc(steps, func(s Step) bool { return blinds(s, steps) })
}

// calmBefore is what byeguard is given to look through a Kamailio before that is
// restarted: it takes that long at the most once nothing keeps it from it.
const calmBefore = 12 * time.Second

// blinds says that a fault may hide the start of calls, or keep byeguard from looking
// for them, too shortly before Kamailio forgets them: then nobody on earth knows
// of them but their end points.
func blinds(s Step, steps []Step) bool {
	if slices.Contains([]Kind{PGStop, PGCrash, PGCut, PGFreeze, KamStop, KamKill, SIPLoss, SIPDelay, ClockStep}, s.Kind) {
		return false
	}
	return slices.ContainsFunc(steps, func(k Step) bool {
		return (k.Kind == KamStop || k.Kind == KamKill) && s.At <= k.At && s.At+s.For+calmBefore > k.At
	})
}

// draw picks one of the kinds that are free, by their shares; nil = none is.
func draw(dice *rand.Rand, kinds []Kind, isFree func(*fault) bool) *fault {
	total := 0
	var open []*fault
	for i := range faults {
		if f := &faults[i]; slices.Contains(kinds, f.kind) && isFree(f) {
			open = append(open, f)
			total += f.share
		}
	}
	if total == 0 {
		return nil
	}
	n := dice.IntN(total)
	for _, f := range open {
		if n -= f.share; n < 0 {
			return f
		}
	}
	return nil
}

// fate is how a call is meant to end.
type fate int

const (
	fateProxy  fate = iota // Kamailio is told to end it (dlg.end_dlg)
	fateCaller             // the caller hangs up
	fateCallee             // the callee does
	fateBusy               // it is refused
	fateStay               // it is up when all is over
)

// callPlan is what is meant to happen to one call.
type callPlan struct {
	fate fate
	hold time.Duration // from the answer to its end
	// talk: an end point sends a re-INVITE in the middle.
	talk bool
}

// Shortest and longest calls: shorter than any fault leaves byeguard deaf would
// make calls that nobody can know of.
const (
	shortestCall = 12 * time.Second
	longestCall  = 25 * time.Second
)

// planCall returns the plan of call n.
func planCall(seed uint64, n int) callPlan {
	dice := rand.New(rand.NewPCG(seed, uint64(n)<<8|streamCalls))
	p := callPlan{hold: shortestCall + time.Duration(dice.Int64N(int64(longestCall-shortestCall)))}
	switch d := dice.IntN(1000); {
	case d < 550:
		p.fate = fateProxy
	case d < 750:
		p.fate = fateCaller
	case d < 930:
		p.fate = fateCallee
	case d < 985:
		p.fate = fateBusy
	default:
		p.fate = fateStay
	}
	p.talk = dice.IntN(10) == 0
	return p
}
