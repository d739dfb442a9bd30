package guard

import (
	"context"
	"errors"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/byeguard/byeguard/pkg/call"
)

// Store keeps what the guard hands on. Put must not block and takes ownership
// of the slice's elements, not of the slice.
type Store interface {
	Put(updates []call.Update)
}

// Journal keeps entries on local disk, in their order. Append must not block;
// it returns the position of the last of n entries. [Guard.Committed] is to be
// called as their positions are on disk, or given up. urgent says that a command
// waits for it.
type Journal interface {
	Append(entries []byte, n int, urgent bool) (last uint64)
}

// Sender carries out commands. Send must not block; the outcome of each command
// comes back through [Guard.Result].
type Sender interface {
	Send(cmd call.Command)
}

// Holder answers whether a proxy still holds a dialog in state 3 or 4. It may
// take its time; an error counts as [call.HeldUnknown].
type Holder interface {
	Holds(ctx context.Context, q call.Question) (call.Held, error)
}

// Options of a Guard. Store, Sender and Policy.SameTarget are required.
type Options struct {
	Lanes    int               // goroutines that step calls; default 1, which steps several times what evapi brings
	MaxQueue int               // events that may wait in one lane; default 65,536
	Asking   int               // questions under way per node; default 32
	Policy   call.Policy       // the zero value is not useful: start from call.DefaultPolicy
	Holders  map[string]Holder // by node name
	Listers  map[string]Lister // by node name; a node needs its Holder too to be resynchronised
	Resync   ResyncOptions
	Resynced func(Resynced) // told of each resynchronisation, from its goroutine; nil = nobody is
	Store    Store
	Sender   Sender
	Tried    uint64  // a replay does not mix what is above and below that position in one Put; 0 = it may
	Journal  Journal // nil = nothing is written down before it is acted upon
	Logger   logrus.FieldLogger
	Clock    func() time.Time // default time.Now
}

// Validate says what is missing, after the defaults were filled in.
func (o *Options) Validate() error {
	if o.Lanes <= 0 {
		o.Lanes = 1
	}
	if o.MaxQueue <= 0 {
		o.MaxQueue = 1 << 16
	}
	if o.Asking <= 0 {
		o.Asking = 32
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	o.Resync.defaults()
	switch {
	case o.Store == nil:
		return errors.New("guard: a store is required")
	case o.Sender == nil:
		return errors.New("guard: a sender is required")
	case o.Policy.SameTarget == nil:
		return errors.New("guard: policy needs SameTarget")
	case o.Logger == nil:
		return errors.New("guard: a logger is required")
	}
	return nil
}
