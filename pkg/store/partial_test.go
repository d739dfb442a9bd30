package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/store"
)

func TestPartials(t *testing.T) {
	t.Parallel()
	s := run(t, options(t, database(t)))
	began := time.Now().Add(-time.Second).UTC()
	long, ended := newCall("long", began), newCall("ended", began)
	s.Put(long.start().confirm().rest())
	s.Put(ended.start().confirm().hangup().rest())
	s.Put(newCall("young", began.Add(2*time.Hour)).start().confirm().rest())
	s.flush()
	answered := func() time.Time {
		list, err := s.ListCDRs(t.Context(), store.Filter{CallID: "long"})
		require.NoError(t, err)
		return *list[0].Answered
	}()
	makeAt := func(after time.Duration) int64 {
		n, err := s.MakePartials(t.Context(), time.Hour, answered.Add(after))
		require.NoError(t, err)
		return n
	}
	require.Zero(t, makeAt(time.Hour-time.Millisecond))
	require.EqualValues(t, 1, makeAt(time.Hour+time.Millisecond))
	require.Zero(t, makeAt(2*time.Hour-time.Second), "one is enough")
	require.EqualValues(t, 2, makeAt(5*time.Hour+time.Minute), "the young one too; of those that were missed, the newest")
	rows, end := feed(t, s.Store, 0, store.Filter{CallID: "long"})
	require.Len(t, rows, 2)
	require.Equal(t, 1, rows[0].Part)
	require.Equal(t, int64(3_600_000), rows[0].DurationMS)
	require.Equal(t, 5, rows[1].Part)
	require.Equal(t, int64(5*3_600_000), rows[1].DurationMS)
	require.Equal(t, answered.Add(5*time.Hour).UnixMicro(), rows[1].Until)
	require.Equal(t, "open", rows[1].State)

	s.Put(long.hangup().rest())
	s.flush()
	require.Zero(t, func() int64 {
		n, err := s.MakePartials(t.Context(), time.Hour, answered.Add(5*time.Hour+30*time.Minute))
		require.NoError(t, err)
		return n
	}())
	last, _ := feed(t, s.Store, end, store.Filter{CallID: "long"})
	require.Len(t, last, 1, "the final record")
	require.Zero(t, last[0].Part)
	again, _ := feed(t, s.Store, 0, store.Filter{CallID: "long"})
	require.Equal(t, rows, again[:2], "what was handed over stays as it was")
	h, err := s.CDRHistories(t.Context(), "long")
	require.NoError(t, err)
	require.Len(t, h, 1)
	require.Len(t, h[0].Partials, 2)
	require.Equal(t, 5, h[0].CDR.Parts)
	require.Equal(t, 1, h[0].CDR.Revision)
}
