package store_test

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/store"
)

// TestIncidentChangesMissNothing: several byeguards open incidents while people
// acknowledge them one by one and all at once. Whoever follows the numbers misses
// no change, and nobody waits for each other for good.
func TestIncidentChangesMissNothing(t *testing.T) {
	t.Parallel()
	url := database(t)
	const writers, each = 3, 60
	var stores []*running
	for range writers {
		stores = append(stores, run(t, options(t, url)))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var writing, acking sync.WaitGroup
	for w, s := range stores {
		writing.Go(func() {
			for i := range each {
				node := fmt.Sprintf("n%d-%d", w, i)
				s.PutIncident(node, call.NodeIncident(node, call.IncidentZombie, "x"), time.Now())
				if i%5 == 0 {
					_ = s.Store.Flush(ctx) // its error shows below
				}
			}
		})
	}
	reader := stores[0]
	acked := make(chan error, 1)
	acking.Go(func() { // all at once, again and again
		for ctx.Err() == nil {
			there := incidents(ctx, reader) // before: what comes after it is for the next round
			_, err := reader.HandleAllIncidents(ctx, store.Filter{}, "", store.Handling{State: store.IncidentAcknowledged, By: "ada"})
			if err != nil || there == writers*each {
				acked <- err
				return
			}
		}
	})
	seen, at := map[int64]store.IncidentState{}, int64(0)
	for {
		f, err := reader.IncidentChanges(ctx, at, math.MaxInt64, 7)
		require.NoError(t, err)
		for _, c := range f.List {
			require.Greater(t, c.Number, at, "in order, and none twice")
			at = c.Number
			seen[c.ID] = c.State
		}
		done := 0
		for _, s := range seen {
			if s == store.IncidentAcknowledged {
				done++
			}
		}
		if done == writers*each {
			break
		}
	}
	writing.Wait()
	acking.Wait()
	require.NoError(t, <-acked)
	list, err := reader.ListIncidents(ctx, store.Filter{Limit: 10 * writers * each})
	require.NoError(t, err)
	require.Len(t, list, writers*each)
	require.Len(t, seen, writers*each)
}

func incidents(ctx context.Context, s *running) int {
	list, err := s.ListIncidents(ctx, store.Filter{Limit: 100_000})
	if err != nil {
		return 0
	}
	return len(list)
}
