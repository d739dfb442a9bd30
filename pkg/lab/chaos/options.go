package chaos

import (
	"errors"
	"fmt"
	"time"
)

// Options say how a run goes. Program is needed.
type Options struct {
	// Program is the path of the real byeguard.
	Program string
	// Seed makes the schedule; any number, 0 too.
	Seed uint64
	// Duration is how long calls are placed and faults come; default 2 minutes.
	// After it, calls still have to end, and everything may settle.
	Duration time.Duration
	// Rate is how many calls are placed a second; default 100.
	Rate float64
	// Faults are the kinds that may come; nil = none.
	Faults []Kind
	// Patience is how long byeguard may take to settle everything once the last
	// call was ended; default 7 minutes, which is more than all repetitions of a
	// BYE take. It ends early when nothing is left to settle.
	Patience time.Duration
	// Args are further arguments of `byeguard serve`.
	Args []string
	// Progress is told how far the run is, from one goroutine; nil = nobody is.
	Progress func(Progress)
	// Keep leaves byeguard's and Kamailio's logs in that directory; "" = nothing
	// is left.
	Keep string
}

// Progress is how far a run is.
type Progress struct {
	Phase string // what is being done, for people
	// Done and Total are of the phase; Total 0 = nobody knows.
	Done, Total time.Duration
	Calls       int // placed so far
	Up          int // up at the callers
	Last        string
}

func (o Options) withDefaults() (Options, error) {
	if o.Duration == 0 {
		o.Duration = 2 * time.Minute
	}
	if o.Rate == 0 {
		o.Rate = 100
	}
	if o.Patience == 0 {
		o.Patience = 7 * time.Minute
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	return o, o.Validate()
}

// Validate says what is wrong with the options. Zero values that have a default
// are right.
func (o Options) Validate() error {
	if o.Program == "" {
		return errors.New("no byeguard program")
	}
	if o.Duration != 0 && o.Duration < 5*time.Second {
		return fmt.Errorf("duration %v: use 5s or more", o.Duration)
	}
	if o.Rate != 0 && (o.Rate < 1 || o.Rate > 1000) {
		return fmt.Errorf("rate %v: use 1 to 1000 calls a second", o.Rate)
	}
	if o.Patience != 0 && o.Patience < time.Second {
		return fmt.Errorf("patience %v: use 1s or more", o.Patience)
	}
	return nil
}
