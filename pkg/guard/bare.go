package guard

import (
	"context"

	"github.com/byeguard/byeguard/pkg/call"
)

// A start with a million calls from PostgreSQL must not wait until all of them are
// in the journal as well: they are bare at first. A bare call is written down
// before it is stepped, or by WriteDown, whichever comes first.

// bareAtOnce is how many bare calls a lane writes down between its events.
const bareAtOnce = 256

// leaveBare remembers a call that is to be written down.
func (l *lane) leaveBare(e *entry) {
	if l.opts.Journal != nil {
		e.filed.bare = true
		l.bare = append(l.bare, e)
	}
}

// bareBefore keeps a bare call as it is before a step; nil = it is not bare. At the
// start time passes for all of them at once, and matters to few.
func bareBefore(e *entry) *call.Call {
	if !e.filed.bare {
		return nil
	}
	c := e.call.Clone()
	return &c
}

// writeBare writes some of them down, and says whether there are more.
func (l *lane) writeBare() (more bool) {
	n := min(len(l.bare), bareAtOnce)
	for _, e := range l.bare[:n] {
		if e.filed.bare { // else it was stepped, or is gone
			l.noteState(e)
		}
	}
	if l.bare = l.bare[n:]; len(l.bare) == 0 {
		l.bare = nil
	}
	l.flush()
	return l.bare != nil
}

// WriteDown writes the restored calls to the journal while the guard runs, and
// calls settle in between, which is to wait for the journal. After it, and once
// the journal has all on disk, the journal alone tells of every call. It needs Run.
func (g *Guard) WriteDown(ctx context.Context, settle func() error) error {
	for more := true; more; {
		more = false
		err := g.eachLane(ctx, func(l *lane) { more = l.writeBare() || more })
		if err == nil && more {
			err = settle()
		}
		if err != nil {
			return err
		}
	}
	return nil
}
