package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/store"
)

// feed reads all that is numbered above after.
func feed(t *testing.T, s *store.Store, after int64, filter store.Filter) (rows []billing.Row, end int64) {
	t.Helper()
	f, err := s.OpenFeed(t.Context(), &filter)
	require.NoError(t, err)
	defer f.Close()
	end, err = f.End(t.Context())
	require.NoError(t, err)
	var p store.Page
	require.NoError(t, f.Page(t.Context(), after, end, &p))
	all, err := p.Rows()
	require.NoError(t, err)
	for _, r := range all {
		r.CallID, r.Why, r.State = string([]byte(r.CallID)), string([]byte(r.Why)), string([]byte(r.State)) // beyond the page
		rows = append(rows, r)
	}
	return rows, end
}

func TestFeedHoldsWhatTheListHolds(t *testing.T) {
	t.Parallel()
	s := run(t, options(t, database(t)))
	now := time.Now().UTC().Truncate(time.Microsecond)
	hostile := "odd\x00\xff,\"\r\n=cmd|'@host"
	s.Put(newCall(hostile, now).start().confirm().hangup().rest())
	s.Put(newCall("up", now).start().confirm().rest())
	s.flush()
	rows, end := feed(t, s.Store, 0, store.Filter{})
	require.Positive(t, end)
	require.Len(t, rows, 1, "an open record is not handed over")
	list, err := s.ListCDRs(t.Context(), store.Filter{CallID: hostile})
	require.NoError(t, err)
	require.Len(t, list, 1)
	c, r := list[0], rows[0]
	require.Equal(t, hostile, r.CallID)
	require.Equal(t, c.Key, call.Key(r.Key).String())
	require.Equal(t, *c.Seq, r.Seq)
	require.Equal(t, c.Started.UnixMicro(), r.Started)
	require.Equal(t, c.Answered.UnixMicro(), r.Answered)
	require.Equal(t, c.Ended.UnixMicro(), r.Ended)
	require.Equal(t, c.CalleeEnd.UnixMicro(), r.CalleeEnd)
	require.Equal(t, c.Closed.UnixMicro(), r.Closed)
	require.Equal(t, *c.DurationMS, r.DurationMS)
	require.Equal(t, c.Code, r.Code)
	require.Equal(t, "final", r.State)
	require.Equal(t, "203.0.113.40:5060", c.CalleeAddr)
	require.Equal(t, 1, r.Revision)

	scanned := 0
	require.NoError(t, s.ScanCDRs(t.Context(), &store.Filter{}, func(p *store.Page) error {
		all, err := p.Rows()
		scanned += len(all)
		return err
	}))
	require.Equal(t, 2, scanned)
}

// A correction is a record of its own, and does not change what was handed over.
func TestFeedRevisions(t *testing.T) {
	t.Parallel()
	url := database(t)
	s, db := run(t, options(t, url)), connect(t, url)
	s.Put(newCall("one", time.Now()).start().confirm().hangup().rest())
	s.Put(newCall("two", time.Now()).start().confirm().hangup().rest())
	s.flush()
	before, end := feed(t, s.Store, 0, store.Filter{})
	require.Len(t, before, 2)

	db.MustExec("update byeguard.cdrs set version = version + 1 where call_id = 'one'")
	same, sameEnd := feed(t, s.Store, 0, store.Filter{})
	require.Equal(t, before, same, "nothing new to bill")
	require.Equal(t, end, sameEnd)

	db.MustExec("update byeguard.cdrs set callee_how = 'unconfirmed', callee_end = null where call_id = 'one'")
	db.MustExec("update byeguard.cdrs set duration_ms = duration_ms + 5000 where call_id = 'one'")
	replay, _ := feed(t, s.Store, 0, store.Filter{})
	require.Len(t, replay, 4)
	require.Equal(t, before, replay[:2], "what was handed over stays as it was")
	after, _ := feed(t, s.Store, end, store.Filter{})
	require.Len(t, after, 2)
	require.Equal(t, 2, after[0].Revision)
	require.Equal(t, "leg_closed_late", after[0].Why)
	require.Equal(t, 3, after[1].Revision)
	require.Equal(t, "duration_changed", after[1].Why)
	require.Equal(t, before[0].Key, after[1].Key)
	require.Equal(t, before[0].Closed, after[1].Closed)

	narrow, _ := feed(t, s.Store, 0, store.Filter{State: "corrected", CallID: "one"})
	require.Len(t, narrow, 2)
	narrow, _ = feed(t, s.Store, 0, store.Filter{Node: "sbc1", CDRs: store.CDRFilter{Number: "30123456", ReleasedBy: "caller"}})
	require.Len(t, narrow, 4)
	narrow, _ = feed(t, s.Store, 0, store.Filter{CDRs: store.CDRFilter{Number: "carrier"}})
	require.Empty(t, narrow, "a host is no number")
}

// Readers that chain their cursors while several writers commit see every
// record exactly once.
func TestFeedWhileWriting(t *testing.T) {
	t.Parallel()
	url := database(t)
	const writers, calls = 3, 120
	ctx, done := context.WithCancel(t.Context())
	for w := range writers {
		s := run(t, options(t, url))
		go func() {
			for i := range calls {
				s.Put(newCall(fmt.Sprintf("%d-%d", w, i), time.Now()).start().confirm().hangup().rest())
				if i%10 == 0 && s.Flush(ctx) != nil {
					return
				}
			}
			_ = s.Flush(ctx)
		}()
	}
	defer done()
	reader := run(t, options(t, url))
	f, err := reader.OpenFeed(t.Context(), &store.Filter{})
	require.NoError(t, err)
	defer f.Close()
	seen := map[string]int{}
	var after int64
	var p store.Page
	require.Eventually(t, func() bool {
		end, err := f.End(t.Context())
		if err != nil || f.Page(t.Context(), after, end, &p) != nil {
			return false
		}
		rows, err := p.Rows()
		if err != nil {
			return false
		}
		for i := range rows {
			seen[string([]byte(rows[i].CallID))]++
		}
		after = end
		return len(seen) == writers*calls
	}, time.Minute, time.Millisecond)
	for id, n := range seen {
		require.Equal(t, 1, n, id)
	}
}
