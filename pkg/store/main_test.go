package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/cluster"
)

var (
	shared    *cluster.Cluster
	databases atomic.Int64
)

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "byeguard-store-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if shared, err = startCluster(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer shared.Stop(context.Background()) //nolint:errcheck // a throw-away server
	return m.Run()
}

func startCluster(dir string) (*cluster.Cluster, error) {
	if err := os.Chmod(dir, 0o711); err != nil { // the server runs as another user
		return nil, err
	}
	return cluster.Start(context.Background(), cluster.Options{
		Dir: filepath.Join(dir, "pg"), Throwaway: true,
		// synchronous_commit: what is committed survives the death of the server.
		Settings: map[string]string{"shared_buffers": "64MB", "max_connections": "200", "synchronous_commit": "on"},
	})
}

// emptyDatabase is a database of the test's own.
func emptyDatabase(tb testing.TB) string {
	tb.Helper()
	name := "store_" + strconv.FormatInt(databases.Add(1), 10)
	admin := connect(tb, shared.URL())
	_, err := admin.Exec("create database " + name)
	require.NoError(tb, err)
	return shared.URLFor(name)
}
