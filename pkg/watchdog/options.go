package watchdog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sirupsen/logrus"
)

// Defaults of [Options]. DefaultStall leaves room for the child's reporting
// interval, so that a kill lands within one second of the last beat.
const (
	DefaultStall      = 800 * time.Millisecond
	DefaultStartup    = time.Minute
	DefaultStop       = 30 * time.Second
	DefaultBackoff    = time.Second
	DefaultMaxBackoff = 30 * time.Second
	DefaultHealthy    = time.Minute
)

// minStall is the shortest useful stall time: below it the scheduling of a busy
// machine looks like a stall.
const minStall = 4 * interval

// Options of [Run]. The zero value is usable: every field has a default.
type Options struct {
	// Stall is how long a source, or the whole child, may be silent before the
	// child is killed. Zero means DefaultStall; less than 200 ms is refused.
	Stall time.Duration
	// Startup is how long the child may take until it is ready. Zero means
	// DefaultStartup.
	Startup time.Duration
	// Stop is how long the child may take to end after SIGTERM or SIGINT, before
	// it is killed. Zero means DefaultStop.
	Stop time.Duration
	// Backoff is the pause before the second restart in a row (the first is
	// immediate); each further one doubles it up to MaxBackoff. Zero means
	// DefaultBackoff and DefaultMaxBackoff.
	Backoff    time.Duration
	MaxBackoff time.Duration
	// Healthy is how long a child must have lived for the next restart to be
	// immediate again. Zero means DefaultHealthy.
	Healthy time.Duration

	// Path, Args and Env of the child. Empty or nil means this very program, with
	// this process's arguments and environment.
	Path string
	Args []string
	Env  []string

	// Log tells of kills and restarts; nil means nobody is told.
	Log logrus.FieldLogger
}

// Validate tells what is wrong with the options, or nil.
func (o Options) Validate() error {
	if o.Stall != 0 && o.Stall < minStall {
		return fmt.Errorf("check watchdog options: stall %v is too short, give at least %v", o.Stall, minStall)
	}
	if o.Startup < 0 || o.Stop < 0 || o.Backoff < 0 || o.MaxBackoff < 0 || o.Healthy < 0 {
		return errors.New("check watchdog options: a time is negative, leave it out to get the default")
	}
	return nil
}

// withDefaults returns the options with every zero field filled.
func (o Options) withDefaults() (Options, error) {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.Stall, DefaultStall},
		{&o.Startup, DefaultStartup},
		{&o.Stop, DefaultStop},
		{&o.Backoff, DefaultBackoff},
		{&o.MaxBackoff, DefaultMaxBackoff},
		{&o.Healthy, DefaultHealthy},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if o.Path == "" {
		self, err := os.Executable()
		if err != nil {
			return o, fmt.Errorf("find own program: %w", err)
		}
		o.Path = self
	}
	if o.Args == nil {
		o.Args = os.Args[1:]
	}
	if o.Env == nil {
		o.Env = os.Environ()
	}
	if o.Log == nil {
		silent := logrus.New()
		silent.SetOutput(io.Discard)
		o.Log = silent
	}
	return o, nil
}
