package judge

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Kind is a way for a run to go wrong.
type Kind string

// The ways to go wrong.
const (
	LeftUp    Kind = "a leg of an ended call was left up"
	LiveEnded Kind = "a call that had to stay up was ended or disturbed"
	Missing   Kind = "a call has no CDR"
	Doubled   Kind = "a call has more than one CDR"
	Stray     Kind = "a CDR belongs to no call of the demo"
	OpenCDR   Kind = "the CDR of an ended call is not final"
	WrongCDR  Kind = "a CDR says something else than the agents"
	NotOneBye Kind = "an agent got more than one BYE, or ended without"
	Held      Kind = "Kamailio does not hold just the calls that stay up"
	Violation Kind = "an agent saw a breach of the protocol"
	Incident  Kind = "byeguard has an open incident"
)

// Kinds returns all ways to go wrong, the gravest first.
func Kinds() []Kind {
	return []Kind{LeftUp, LiveEnded, Missing, Doubled, Stray, OpenCDR, WrongCDR, NotOneBye, Held, Violation, Incident}
}

// Tolerance is how far a CDR's duration may be from the caller's own clock,
// which includes the way of the messages and a busy machine.
const Tolerance = 2 * time.Second

// Problem is one thing that went wrong.
type Problem struct {
	Kind   Kind
	Detail string // the call and what is the matter with it
}

// Repair is one leg that got its BYE from byeguard.
type Repair struct {
	CallID string
	// Gap is from the caller's BYE to the callee's; what byeguard sent in
	// Kamailio's place is later.
	Gap time.Duration
}

// Verdict is the outcome.
type Verdict struct {
	Ended, Stayed int // calls that Kamailio was to end, and those to stay up
	// CallersTold and CalleesTold count the ends of ended calls that got a BYE
	// from Kamailio itself.
	CallersTold, CalleesTold int
	// Lost are the ended calls with an end that got no BYE from Kamailio.
	Lost []string
	// Repairs are those of them where byeguard sent it, the fastest first.
	Repairs []Repair
	// Alive counts the calls of Stayed that proved to be up.
	Alive int
	// Records counts ended calls with exactly one final CDR.
	Records int
	// Untold counts answered calls without a record that nobody could tell byeguard of.
	Untold   int
	Problems []Problem
}

// OK says that nothing went wrong.
func (v *Verdict) OK() bool { return len(v.Problems) == 0 }

// Count returns how many problems of a kind there are.
func (v *Verdict) Count(k Kind) int {
	n := 0
	for _, p := range v.Problems {
		if p.Kind == k {
			n++
		}
	}
	return n
}

func (v *Verdict) add(k Kind, format string, args ...any) {
	v.Problems = append(v.Problems, Problem{k, fmt.Sprintf(format, args...)})
}

// Gap returns the q-th quantile (0 to 1) of the repairs' gaps, by nearest rank;
// 0 without repairs.
func (v *Verdict) Gap(q float64) time.Duration {
	if len(v.Repairs) == 0 {
		return 0
	}
	rank := int(math.Ceil(q*float64(len(v.Repairs)))) - 1
	return v.Repairs[min(max(rank, 0), len(v.Repairs)-1)].Gap
}

func (v *Verdict) sort() {
	slices.SortFunc(v.Repairs, func(a, b Repair) int { return int(a.Gap - b.Gap) })
}
