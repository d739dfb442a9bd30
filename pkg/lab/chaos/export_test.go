package chaos

import (
	"context"

	"github.com/byeguard/byeguard/pkg/lab"
)

// Waiting returns what looks at a Kamailio's workers.
func Waiting(ctx context.Context, kam *lab.Kamailio) (func() (waiting, ok bool), error) {
	w := &workers{}
	return w.waiting, w.find(ctx, kam.RPC())
}
