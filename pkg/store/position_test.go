package store_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/journal"
	"github.com/byeguard/byeguard/pkg/store"
)

// A run is killed after its commit and before it noted that on its own disk. The
// next one starts while PostgreSQL is away, replays what it cannot know to be
// stored, and nothing is stored twice. Nor is anything left out if the commit
// did not come about.
func TestKilledBetweenCommitAndMark(t *testing.T) {
	t.Parallel()
	for _, committed := range []bool{true, false} {
		t.Run(fmt.Sprint("committed ", committed), func(t *testing.T) {
			t.Parallel()
			c := ownCluster(t)
			db := connect(t, c.URL())
			updates := positioned(60)
			last := updates[len(updates)-1].Pos
			tried := updates[len(updates)/2].Pos
			var trying atomic.Uint64
			opts := options(t, c.URL())
			opts.Journal, opts.Trying = "j1", func(upto uint64) { trying.Store(upto) }
			if committed {
				s := run(t, opts)
				for i := range updates {
					if updates[i].Pos <= tried {
						s.Put(updates[i : i+1])
					}
				}
				s.flush()
				require.NoError(t, s.stop())
				require.Equal(t, tried, trying.Load())
			}
			require.NoError(t, c.Kill())

			q, err := journal.OpenQueue(t.TempDir(), 0)
			require.NoError(t, err)
			opts.Tried, opts.Spill = tried, q
			s, err := store.OpenLater(opts)
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- s.Run(ctx) }()
			require.Error(t, s.Connect(ctx, false))
			for i := range updates {
				s.Put(updates[i : i+1])
			}
			require.Eventually(t, func() bool { return !s.Stats().AwaySince.IsZero() }, 20*time.Second, time.Millisecond)
			require.NoError(t, c.Restart(t.Context()))
			require.NoError(t, s.Connect(ctx, false))
			require.NoError(t, s.Flush(ctx))
			upto, err := s.StoredUpto(ctx, "j1")
			require.NoError(t, err)
			require.Equal(t, last, upto)
			cancel()
			require.NoError(t, <-ended)
			require.NoError(t, s.Close())

			require.Equal(t, len(updates), count(t, db, "select count(*) from byeguard.events"), "evidence was lost or doubled")
			require.Equal(t, 60, count(t, db, "select count(*) from byeguard.cdrs"))
		})
	}
}

// positioned makes calls whose updates have positions of a journal and one row of
// evidence each.
func positioned(calls int) (all []call.Update) {
	for i := range calls {
		all = append(all, newCall(fmt.Sprint("call-", i), time.Now()).start().confirm().rest()...)
	}
	for i := range all {
		all[i].Pos = uint64(i + 1)
	}
	return all
}
