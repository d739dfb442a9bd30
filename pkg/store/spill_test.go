package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/journal"
)

// While PostgreSQL is away the work waits on disk, in order and in bounded
// memory. The process is killed in the middle; the next one writes all of it, and nothing
// twice.
func TestOutageWaitsOnDisk(t *testing.T) {
	t.Parallel()
	c := ownCluster(t)
	dir := t.TempDir()
	queue := func() *journal.Queue {
		q, err := journal.OpenQueue(dir, 0)
		require.NoError(t, err)
		return q
	}
	var stored atomic.Uint64
	opts := options(t, c.URL())
	opts.FlushCalls, opts.Drain = 100, time.Millisecond
	opts.Spill, opts.Stored = queue(), func(upto uint64) { stored.Store(max(stored.Load(), upto)) }
	s := run(t, opts)
	pos, rows := uint64(0), 0
	put := func(s *running, name string, done bool) {
		n := newCall(name, time.Now())
		n.start().confirm().oneSided().tick(300 * time.Millisecond)
		if done {
			n.result(200)
		}
		updates := n.rest()
		for i := range updates {
			pos++
			updates[i].Pos = pos
			rows += len(updates[i].Effects)
			if updates[i].Event.Kind.String() != "tick" {
				rows++
			}
		}
		s.Put(updates)
	}
	put(s, "before", true)
	s.flush()
	require.Equal(t, pos, stored.Load())
	require.NoError(t, c.Kill())

	const calls = 5000
	for i := range calls {
		put(s, fmt.Sprint("during-", i), i%2 == 0)
	}
	require.Eventually(t, func() bool { return s.Stats().WaitingCalls <= 600 }, 30*time.Second, time.Millisecond, "the rest is on disk")
	st := s.Stats()
	require.Positive(t, st.OnDisk)
	require.False(t, st.Up)
	require.Zero(t, st.Dropped)
	reached := stored.Load()
	require.Greater(t, reached, pos*4/5, "what is on disk counts as kept")

	// The end: what is in memory goes to disk too, within the drain time.
	require.NoError(t, s.stop())
	require.Equal(t, pos, stored.Load())

	require.NoError(t, c.Restart(t.Context()))
	opts.Spill = queue()
	tags := opts.Spill.Tags()
	require.Equal(t, pos, tags[len(tags)-1])
	s = run(t, opts)
	put(s, "after", true)
	s.flush()
	require.Zero(t, s.Stats().OnDisk)
	require.Zero(t, s.Stats().SetAside+s.Stats().Dropped+s.Stats().Unreadable)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
	db := connect(t, c.URL())
	require.Equal(t, calls+2, count(t, db, "select count(*) from byeguard.cdrs"))
	require.Equal(t, calls/2+2, count(t, db, "select count(*) from byeguard.cdrs where state = 'final'"))
	require.Equal(t, calls/2, count(t, db, "select count(*) from byeguard.outbox where state = 'pending'"))
	require.Equal(t, calls/2+2, count(t, db, "select count(*) from byeguard.outbox where state = 'done'"))
	require.Equal(t, calls+2, count(t, db, "select count(*) from byeguard.incidents"))
	require.Equal(t, rows, count(t, db, "select count(*) from byeguard.events"))
}

// A damaged piece is set aside, and the others are written.
func TestDamagedOnDisk(t *testing.T) {
	t.Parallel()
	c := ownCluster(t)
	dir := t.TempDir()
	q, err := journal.OpenQueue(dir, 0)
	require.NoError(t, err)
	opts := options(t, c.URL())
	opts.FlushCalls, opts.Spill = 10, q
	s := run(t, opts)
	require.NoError(t, c.Kill())
	for i := range 200 {
		s.Put(newCall(fmt.Sprint("call-", i), time.Now()).start().confirm().rest())
	}
	require.Eventually(t, func() bool { return s.Stats().OnDisk >= 14 }, 30*time.Second, time.Millisecond)
	require.NoError(t, s.stop())
	files, err := filepath.Glob(filepath.Join(dir, "*.work"))
	require.NoError(t, err)
	data, err := os.ReadFile(files[3])
	require.NoError(t, err)
	data[len(data)/2] ^= 1
	require.NoError(t, os.WriteFile(files[3], data, 0o600))
	require.NoError(t, os.WriteFile(files[5], nil, 0o600))

	require.NoError(t, c.Restart(context.Background()))
	opts.Spill, err = journal.OpenQueue(dir, 0)
	require.NoError(t, err)
	s = run(t, opts)
	s.flush()
	require.EqualValues(t, 2, s.Stats().Unreadable)
	require.InDelta(t, 180, count(t, connect(t, c.URL()), "select count(*) from byeguard.cdrs"), 1)
	aside, err := filepath.Glob(filepath.Join(dir, "*.damaged"))
	require.NoError(t, err)
	require.Len(t, aside, 2)
}
