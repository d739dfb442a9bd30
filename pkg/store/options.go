package store

import (
	"errors"
	"io"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/byeguard/byeguard/pkg/call"
)

// Options says how to reach PostgreSQL and how much to hold back before
// writing. The zero value of every field but URL means its default.
type Options struct {
	// URL is a postgres:// URL or a key=value string, as libpq takes them.
	URL    string
	Logger logrus.FieldLogger // default: none

	// ReadOnly is for programs that only look: a standby server will do.
	ReadOnly bool
	// MaxConns bounds the connections; the writer has one of them. Default 6.
	MaxConns int
	// ReadTimeout bounds one query of a reader, on the server too; Load has
	// none. Default 30 s.
	ReadTimeout time.Duration
	// ScanTimeout bounds ScanCDRs in the same way. Default 0, which is for ever.
	ScanTimeout time.Duration
	// WriteTimeout is the longest silence of PostgreSQL that the writer bears
	// before it takes the connection for dead. Default 30 s.
	WriteTimeout time.Duration

	// FlushEvery is how long an update may wait. Default 500 ms.
	FlushEvery time.Duration
	// FlushCalls is how many waiting calls (or eight times as many rows of
	// evidence) cause a flush at once, and how many one transaction takes.
	// Default 2,000.
	FlushCalls int
	// MaxEvidence bounds the rows of evidence that wait; above it the oldest
	// are dropped and counted. Default 500,000.
	MaxEvidence int
	// MaxEvidenceBytes bounds the same in bytes. Default 256 MiB.
	MaxEvidenceBytes int
	// Spill takes what waits, beyond a few batches, while PostgreSQL is away;
	// nil = it waits in memory.
	Spill Spill
	// Stored is told up to which position of the journal everything is in
	// PostgreSQL or in Spill. It must not block for long; nil = nobody is told.
	Stored func(upto uint64)

	// Raised is told of each incident that is Put, if this byeguard is the one
	// that writes it, before it is written. It must not block; nil = nobody is
	// told.
	Raised func(Raised)
	// Wrote is told of each transaction that was committed. It must not block; nil
	// = nobody is told.
	Wrote func(Wrote)

	// Journal names the journal that positions are of; "" = there is none. Its
	// position is stored with what follows from it, and an earlier run's evidence
	// that is stored already is not stored again.
	Journal string
	// Trying is told before everything up to a position is stored; nil = nobody is.
	// An earlier run's is Tried: what is Put up to it is a batch of its own.
	Trying func(upto uint64)
	Tried  uint64

	// Drain bounds the last flush when Run ends. Default 5 s.
	Drain time.Duration
	// RetryMin and RetryMax bound the wait after a failed flush, which doubles
	// and has jitter. Defaults 100 ms and 10 s.
	RetryMin, RetryMax time.Duration

	// Fenced is told of nodes for which another byeguard has begun to write. It
	// must not block; nil = nobody is told.
	Fenced func(nodes []string)

	// Keep says how old things may grow. Run drops what is older.
	Keep Keep
	// LongCallEvery is how often Run makes a partial record of a call that is
	// still up. Zero makes none.
	LongCallEvery time.Duration
}

// Raised is an incident that waits to be written.
type Raised struct {
	Incident call.Incident
	Node     string
	Reason   call.Reason
	Seen     time.Time  // byeguard's clock
	Call     *call.Call // as it stands then, to be looked at while Raised runs; nil = of a node
}

// Wrote is what one transaction wrote.
type Wrote struct {
	Calls    int // states of calls
	Evidence int // rows
	Open     int // records of calls that are up, new or changed
	Final    int // final records, corrections included
	Took     time.Duration
}

// Spill is a queue on local disk. It is used by one goroutine at a time.
type Spill interface {
	// Append adds a piece of work; it is on disk when it returns. tag stays with
	// it.
	Append(tag uint64, data []byte) error
	// Tags returns the tags of all pieces, oldest first.
	Tags() []uint64
	// First returns the oldest piece. An error means that it cannot be read.
	First() ([]byte, error)
	// Remove drops the oldest piece.
	Remove() error
	// Size returns the bytes of all pieces. It may be called from any goroutine.
	Size() int64
	// SetAside moves the oldest piece, which is damaged, out of the way.
	SetAside() (path string, err error)
}

// DefaultOptions returns the documented defaults; URL is empty.
func DefaultOptions() Options {
	return Options{
		MaxConns: 6, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second,
		FlushEvery: 500 * time.Millisecond, FlushCalls: 2000,
		MaxEvidence: 500_000, MaxEvidenceBytes: 256 << 20, Drain: 5 * time.Second,
		RetryMin: 100 * time.Millisecond, RetryMax: 10 * time.Second,
	}
}

// Validate says what is wrong with the options, nil if nothing.
func (o *Options) Validate() error {
	switch {
	case o.URL == "":
		return errors.New("no database URL: give one like postgres://user@host/database")
	case o.MaxConns < 0, o.MaxConns == 1:
		return errors.New("at least 2 database connections are needed")
	case o.FlushEvery < 0, o.FlushCalls < 0, o.MaxEvidence < 0, o.MaxEvidenceBytes < 0, o.Drain < 0,
		o.RetryMin < 0, o.RetryMax < 0, o.ReadTimeout < 0, o.ScanTimeout < 0, o.WriteTimeout < 0, o.LongCallEvery < 0:
		return errors.New("times and limits of the store must not be negative")
	}
	return o.Keep.Validate()
}

func (o Options) withDefaults() Options {
	d := DefaultOptions()
	def(&o.MaxConns, d.MaxConns)
	def(&o.ReadTimeout, d.ReadTimeout)
	def(&o.WriteTimeout, d.WriteTimeout)
	def(&o.FlushEvery, d.FlushEvery)
	def(&o.FlushCalls, d.FlushCalls)
	def(&o.MaxEvidence, d.MaxEvidence)
	def(&o.MaxEvidenceBytes, d.MaxEvidenceBytes)
	def(&o.Drain, d.Drain)
	def(&o.RetryMin, d.RetryMin)
	def(&o.RetryMax, d.RetryMax)
	if o.Logger == nil {
		l := logrus.New()
		l.SetOutput(io.Discard)
		o.Logger = l
	}
	return o
}

func def[T int | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}
