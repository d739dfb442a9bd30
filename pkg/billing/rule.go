package billing

import (
	"errors"
	"fmt"
	"math"
)

// Rounding says what becomes of a begun increment.
type Rounding string

// Roundings.
const (
	RoundCeil   Rounding = "ceil"    // it counts in full: nearly every carrier's way
	RoundFloor  Rounding = "floor"   // it is free
	RoundHalfUp Rounding = "half_up" // it counts from its half on
)

// Rule turns the length of an answered call into the seconds that are billed.
// A carrier's "60/6" is a Minimum of 60 and an Increment of 6.
type Rule struct {
	Minimum   int64    // seconds that an answered call is billed for at least
	Increment int64    // seconds; at least 1
	Rounding  Rounding // of the begun increment after the minimum
}

// DefaultRule bills each begun second.
func DefaultRule() Rule { return Rule{Minimum: 0, Increment: 1, Rounding: RoundCeil} }

// ErrRule says that a rule makes no sense.
var ErrRule = errors.New("billing rule")

// maxRule bounds minimum and increment: a day is a slip.
const maxRule = 86_400

// Validate says what is wrong with the rule.
func (r *Rule) Validate() error {
	switch {
	case r.Minimum < 0 || r.Minimum > maxRule:
		return fmt.Errorf("%w: minimum %d; use 0 to %d seconds", ErrRule, r.Minimum, maxRule)
	case r.Increment < 1 || r.Increment > maxRule:
		return fmt.Errorf("%w: increment %d; use 1 to %d seconds", ErrRule, r.Increment, maxRule)
	case r.Rounding != RoundCeil && r.Rounding != RoundFloor && r.Rounding != RoundHalfUp:
		return fmt.Errorf("%w: rounding %q; use ceil, floor or half_up", ErrRule, r.Rounding)
	}
	return nil
}

// Billable returns the seconds that an answered call of so many milliseconds is
// billed for: the minimum, and after it whole increments. A call of 0 ms that
// was answered is billed for the minimum; whether a call was answered is the
// caller's to know.
func (r *Rule) Billable(ms int64) int64 {
	ms = min(max(ms, 0), math.MaxInt64/4)
	rest := ms - r.Minimum*1000
	if rest <= 0 {
		return r.Minimum
	}
	step := r.Increment * 1000
	steps := rest / step
	switch over := rest % step; {
	case over == 0 || r.Rounding == RoundFloor:
	case r.Rounding == RoundCeil || over*2 >= step:
		steps++
	}
	return r.Minimum + steps*r.Increment
}
