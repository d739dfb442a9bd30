package reconcile

import (
	"errors"
	"fmt"
	"time"
)

// Tolerance is by how much two sides may differ and still agree.
type Tolerance struct {
	Duration time.Duration // of the length
	Start    time.Duration // of the start
}

// Options say how to compare.
type Options struct {
	Tolerance
	// Carriers have tolerances of their own, by name.
	Carriers map[string]Tolerance
	// Window is how far apart two sides' starts of one call are looked for at
	// first. What is left over is looked for further away, by key.
	Window time.Duration
	// Keys of the other list.
	Keys Keys
	// Block is how many records are compared at a time; memory follows it.
	Block int
	// MaxLeft bounds the records, of both sides, that found no partner within
	// Window.
	MaxLeft int
	// Live compares with the proxy's dialogs: there is no length there, and only
	// open calls count.
	Live bool
	// Since and Until bound the other list's start: what lies outside was read
	// only as a possible partner, and is nobody's fault when it has none. 0 = no bound.
	Since, Until int64
}

// DefaultOptions returns the documented defaults.
func DefaultOptions() Options {
	return Options{
		Tolerance: Tolerance{Duration: 200 * time.Millisecond, Start: 2 * time.Second},
		Window:    time.Minute, Block: 60_000, MaxLeft: 400_000,
	}
}

// ErrOptions says that the options make no sense.
var ErrOptions = errors.New("reconciliation options")

// Validate says what is wrong with the options.
func (o *Options) Validate() error {
	all := map[string]Tolerance{"": o.Tolerance}
	for name, t := range o.Carriers {
		all[name] = t
	}
	for name, t := range all {
		if t.Duration < 0 || t.Start < 0 || t.Duration > time.Hour || t.Start > 10*time.Minute {
			return fmt.Errorf("%w: tolerance %v of length, %v of start %s: use up to 1h and 10m, not below 0", ErrOptions, t.Duration, t.Start, name)
		}
	}
	if o.Window < time.Second || o.Window > 24*time.Hour {
		return fmt.Errorf("%w: window %v: use 1s to 24h", ErrOptions, o.Window)
	}
	if o.Block < 2 || o.MaxLeft < 2 {
		return fmt.Errorf("%w: blocks of %d, %d left over: use 2 or more", ErrOptions, o.Block, o.MaxLeft)
	}
	return nil
}

func (o *Options) tolerance(carrier string) Tolerance {
	if t, ok := o.Carriers[carrier]; ok {
		return t
	}
	return o.Tolerance
}
