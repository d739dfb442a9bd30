package store_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/store"
)

func TestMigrations(t *testing.T) {
	t.Parallel()
	url := emptyDatabase(t)
	_, err := store.Open(t.Context(), store.Options{URL: url})
	require.ErrorIs(t, err, store.ErrSchemaOld)
	require.ErrorContains(t, err, "byeguard migrate up")

	m, err := store.OpenMigrator(t.Context(), store.Options{URL: url})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	status := func() (applied int) {
		all, err := m.Status(t.Context())
		require.NoError(t, err)
		require.NotEmpty(t, all)
		for _, s := range all {
			if s.Applied {
				applied++
			}
		}
		return applied
	}
	require.Zero(t, status())
	down, err := m.Down(t.Context())
	require.NoError(t, err)
	require.Nil(t, down)
	up, err := m.Up(t.Context())
	require.NoError(t, err)
	require.Equal(t, len(up), status())
	again, err := m.Up(t.Context())
	require.NoError(t, err)
	require.Empty(t, again)
	s, err := store.Open(t.Context(), store.Options{URL: url})
	require.NoError(t, err)
	require.NoError(t, s.Maintain(t.Context(), time.Now()))
	require.NoError(t, s.Close())

	for range up {
		down, err := m.Down(t.Context())
		require.NoError(t, err)
		require.NotNil(t, down)
	}
	require.Zero(t, status())
	db := connect(t, url)
	require.Equal(t, 1, count(t, db, "select count(*) from pg_tables where schemaname = 'byeguard'"), "but for goose's own")
	_, err = m.Up(t.Context())
	require.NoError(t, err)

	db.MustExec("insert into byeguard.schema_version (version_id, is_applied) values (99999, true)")
	_, err = store.Open(t.Context(), store.Options{URL: url})
	require.ErrorIs(t, err, store.ErrSchemaNew)
}

func TestMigrateTogether(t *testing.T) {
	t.Parallel()
	url := emptyDatabase(t)
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if err := store.Migrate(t.Context(), store.Options{URL: url}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s, err := store.Open(t.Context(), store.Options{URL: url})
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	url := database(t)
	_, query, _ := strings.Cut(url, "?")
	for name, tt := range map[string]struct{ url, want string }{
		"none":        {"", "no database URL"},
		"unreachable": {"postgres://me:s3cret@127.0.0.1:1/db", "cannot be reached"},
		"garbage":     {"postgres://me:s3cret@[::1/db", "cannot be parsed"},
		"bad port":    {"postgres://me:s3cret@host:port/db", "cannot be parsed"},
		"no database": {strings.Replace(url, "/store_", "/nothere_", 1), "does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := store.Open(t.Context(), store.Options{URL: tt.url})
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "s3cret")
			require.NotContains(t, err.Error(), "\n")
		})
	}
	t.Run("read-only", func(t *testing.T) {
		t.Parallel()
		if query == "" {
			url += "?"
		} else {
			url += "&"
		}
		url += "default_transaction_read_only=on"
		_, err := store.Open(t.Context(), store.Options{URL: url})
		require.ErrorIs(t, err, store.ErrReadOnly)
		s, err := store.Open(t.Context(), store.Options{URL: url, ReadOnly: true})
		require.NoError(t, err)
		_, err = s.ListCDRs(t.Context(), store.Filter{})
		require.NoError(t, err)
		require.NoError(t, s.Close())
	})
}

// A day's partition takes over what came before it was made, and old days go.
func TestPartitions(t *testing.T) {
	t.Parallel()
	url := database(t)
	db := connect(t, url)
	opts := options(t, url)
	s := run(t, opts)
	now := time.Now().UTC()
	for day := range 10 {
		c := newCall("day-"+time.Duration(day).String(), now.AddDate(0, 0, -day))
		s.Put(c.start().rest())
	}
	s.flush()
	require.Positive(t, count(t, db, "select count(*) from byeguard.events_default"))
	for day := range 10 {
		require.NoError(t, s.Maintain(t.Context(), now.AddDate(0, 0, -9+day)))
	}
	_, err := s.Retain(t.Context(), store.Keep{Events: 48 * time.Hour}, now, false)
	require.NoError(t, err)
	require.Zero(t, count(t, db, "select count(*) from byeguard.cdrs_default"))
	require.Zero(t, count(t, db, "select count(*) from byeguard.events_default"))
	require.Equal(t, 10, count(t, db, "select count(*) from byeguard.cdrs"))
	left := count(t, db, "select count(*) from byeguard.events")
	require.Positive(t, left)
	require.Less(t, left, 5)
	// The calls are still known where they are now.
	c := newCall("day-9ns", now.AddDate(0, 0, -9))
	s.Put(c.start().hangup().rest())
	s.flush()
	require.Equal(t, 10, count(t, db, "select count(*) from byeguard.cdrs"))
}

func TestFlushAfterStop(t *testing.T) {
	t.Parallel()
	s := run(t, options(t, database(t)))
	s.Put([]call.Update{})
	s.Put(nil)
	require.NoError(t, s.stop())
	require.ErrorIs(t, s.Flush(t.Context()), store.ErrStopped)
}
