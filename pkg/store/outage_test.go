package store_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/cluster"
	"github.com/byeguard/byeguard/pkg/store"
)

// ownCluster is a server that the test may stop.
func ownCluster(tb testing.TB) *cluster.Cluster {
	tb.Helper()
	dir, err := os.MkdirTemp("", "byeguard-store-") // not t.TempDir: the server's user must get in
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, os.RemoveAll(dir)) })
	c, err := startCluster(dir)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, c.Stop(context.Background())) })
	require.NoError(tb, store.Migrate(tb.Context(), store.Options{URL: c.URL()}))
	return c
}

// PostgreSQL goes away and comes back: all states, records, incidents and
// commands arrive, and evidence but for what was counted as dropped.
func TestOutage(t *testing.T) {
	t.Parallel()
	c := ownCluster(t)
	opts := options(t, c.URL())
	opts.MaxEvidence, opts.FlushCalls = 2000, 100
	s := run(t, opts)
	s.Put(newCall("before", time.Now()).start().rest())
	s.flush()
	require.NoError(t, c.Kill())

	const calls = 1000
	put := 1
	for i := range calls {
		n := newCall(fmt.Sprintf("during-%d", i), time.Now())
		n.start().confirm().oneSided().tick(300 * time.Millisecond)
		if i%2 == 0 {
			n.result(200)
		}
		updates := n.rest()
		for _, u := range updates {
			put += len(u.Effects)
			if u.Event.Seq != 0 || u.Event.Kind.String() != "tick" {
				put++
			}
		}
		s.Put(updates)
	}
	require.Eventually(t, func() bool { return !s.Stats().Up && s.Stats().Retries > 1 }, 20*time.Second, time.Millisecond)
	require.NoError(t, c.Restart(t.Context()))
	s.flush()
	st := s.Stats()
	require.True(t, st.Up)
	require.Positive(t, st.Dropped)
	require.Zero(t, st.SetAside)

	db := connect(t, c.URL())
	require.Equal(t, calls+1, count(t, db, "select count(*) from byeguard.cdrs"))
	require.Equal(t, calls/2, count(t, db, "select count(*) from byeguard.cdrs where state = 'final'"))
	require.Equal(t, calls/2+1, count(t, db, "select count(*) from byeguard.dialogs"))
	require.Equal(t, calls/2, count(t, db, "select count(*) from byeguard.incidents where state = 'open'"))
	require.Equal(t, calls/2, count(t, db, "select count(*) from byeguard.incidents where state = 'resolved'"))
	require.Equal(t, calls/2, count(t, db, "select count(*) from byeguard.outbox where state = 'pending'"))
	require.Equal(t, calls/2, count(t, db, "select count(*) from byeguard.outbox where state = 'done'"))
	require.Equal(t, put, count(t, db, "select count(*) from byeguard.events")+int(st.Dropped))
}

// Sessions are killed again and again while calls come: nothing is lost, and
// nothing is stored twice, though some commits go unanswered.
func TestCutSessions(t *testing.T) {
	t.Parallel()
	c := ownCluster(t)
	s := run(t, options(t, c.URL()))
	db := connect(t, c.URL())
	const calls = 400
	for i := range calls {
		s.Put(newCall(fmt.Sprintf("cut-%d", i), time.Now()).start().confirm().rest())
		if i%20 == 10 {
			count(t, db, "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
		}
		if i%5 == 0 {
			s.flush()
		}
	}
	s.flush()
	require.Equal(t, calls, count(t, db, "select count(*) from byeguard.cdrs"))
	require.Equal(t, 2*calls, count(t, db, "select count(*) from byeguard.events"))
	require.Positive(t, s.Stats().Retries)
}

// With PostgreSQL away for good, stopping takes no longer than allowed and
// tells what was lost.
func TestDrainIsBounded(t *testing.T) {
	t.Parallel()
	c := ownCluster(t)
	opts := options(t, c.URL())
	opts.Drain = 300 * time.Millisecond
	s := run(t, opts)
	require.NoError(t, c.Kill())
	// A server process may outlive its postmaster for a moment and take what it
	// is given: the outage has begun when a write fails.
	for i := 0; s.Stats().Up; i++ {
		s.Put(newCall(fmt.Sprint("lost", i), time.Now()).start().rest())
		_ = s.Flush(shortly(t))
	}
	start := time.Now()
	require.ErrorContains(t, s.stop(), "were not written within 300ms of stopping")
	require.Less(t, time.Since(start), 5*time.Second)
	require.NoError(t, c.Restart(t.Context()))
}

// shortly is a context that ends soon.
func shortly(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// TestCutWhileMigrating: PostgreSQL goes away while the schema is looked at. That is
// no reason to give up a start: it is waited for like one that was away before.
func TestCutWhileMigrating(t *testing.T) {
	t.Parallel()
	url := database(t)
	db := connect(t, url)
	lock, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer lock.Close()
	_, err = lock.ExecContext(t.Context(), "select pg_advisory_lock($1)", int64(0x6279656775617264))
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- store.Migrate(context.WithoutCancel(t.Context()), store.Options{URL: url}) }()
	require.Eventually(t, func() bool {
		return count(t, db, `select count(pg_terminate_backend(pid)) from pg_stat_activity
			where datname = current_database() and wait_event = 'advisory'`) > 0
	}, 20*time.Second, 5*time.Millisecond)
	require.ErrorIs(t, <-done, store.ErrUnreachable)
}
