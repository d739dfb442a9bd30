package journal

import (
	"errors"
	"io"
	"time"

	"github.com/sirupsen/logrus"
)

// Defaults of Options.
const (
	DefaultSegment     = 16 << 20
	DefaultMaxBytes    = 16 << 30
	DefaultBuffer      = 64 << 20
	DefaultCommitEvery = 20 * time.Millisecond
	DefaultPatience    = 250 * time.Millisecond
	DefaultRetry       = time.Second
)

// Options of a Log. Zero values mean the defaults; Dir has none.
type Options struct {
	// Dir is made if it is not there. It belongs to one process at a time.
	Dir string
	// Segment is about how many bytes one file gets.
	Segment int64
	// MaxBytes bounds all files together; above it the log is full, as if the
	// disk were.
	MaxBytes int64
	// Buffer bounds what waits in memory for the disk, in bytes.
	Buffer int
	// CommitEvery is the longest that an entry waits before it is being
	// written and synced. Urgent ones do not wait.
	CommitEvery time.Duration
	// Patience is how long the disk may take for one group before those who
	// wait for it go on without.
	Patience time.Duration
	// Retry is the pause before a disk that failed is tried again.
	Retry time.Duration
	// Committed is told the position up to which all is on disk, or has been
	// given up. It may be called from several goroutines, must not block, and
	// may be told a position twice or a lower one after a higher one.
	Committed func(upto uint64)
	Logger    logrus.FieldLogger // nil = no log
}

// Validate says what is wrong with the options.
func (o Options) Validate() error {
	switch {
	case o.Dir == "":
		return errors.New("journal: no directory: set data_dir")
	case o.Segment < 0 || o.MaxBytes < 0 || o.Buffer < 0 || o.CommitEvery < 0 || o.Patience < 0 || o.Retry < 0:
		return errors.New("journal: a limit is negative; leave it out to get the default")
	}
	return nil
}

func (o Options) withDefaults() Options {
	def(&o.Segment, DefaultSegment)
	def(&o.MaxBytes, DefaultMaxBytes)
	def(&o.Buffer, DefaultBuffer)
	def(&o.CommitEvery, DefaultCommitEvery)
	def(&o.Patience, DefaultPatience)
	def(&o.Retry, DefaultRetry)
	if o.Committed == nil {
		o.Committed = func(uint64) {}
	}
	if o.Logger == nil {
		silent := logrus.New()
		silent.SetOutput(io.Discard)
		o.Logger = silent
	}
	return o
}

func def[T int | int64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}
