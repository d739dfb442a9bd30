package chaos

import (
	"context"
	"time"

	"github.com/byeguard/byeguard/pkg/lab"
)

// Waiting returns what looks at a Kamailio's workers.
func Waiting(ctx context.Context, kam *lab.Kamailio) (func() (waiting, ok bool), error) {
	w := &workers{}
	return w.waiting, w.find(ctx, kam.RPC())
}

// Told says whether frames to byeguard tell enough of a call.
func Told(callID string, frames [][]byte) bool {
	var t told
	for _, f := range frames {
		t.note(f)
	}
	return t.enough(callID)
}

// Hides says whether a restart of Kamailio from begin to end hides a call's answer.
func Hides(begin, end, invited, answered time.Time) bool {
	o := outage{begin: begin, end: end}
	return o.hides(invited, answered)
}
