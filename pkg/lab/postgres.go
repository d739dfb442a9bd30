package lab

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/lib/pq"

	"github.com/byeguard/byeguard/pkg/cluster"
)

// Database is one empty database in the throw-away cluster of this process.
type Database struct {
	// URL is for lib/pq, by Unix socket.
	URL string
	// KamailioURL is for Kamailio's db_postgres module, by loopback TCP.
	KamailioURL string

	name  string
	admin string
}

// shared is the throw-away cluster: one a process, made on first use, gone
// with the process.
var shared struct {
	sync.Mutex
	cluster *cluster.Cluster
	janitor *janitor // never dismissed
	port    int
	err     error
}

var databases atomic.Int64

// Postgres returns the address of a new empty database that lasts until the
// end of the test.
func Postgres(tb TB) string {
	tb.Helper()
	return MustDatabase(tb).URL
}

// MustDatabase is NewDatabase for tests.
func MustDatabase(tb TB) *Database {
	tb.Helper()
	ctx, cancel := startContext()
	defer cancel()
	db, err := NewDatabase(ctx)
	if err != nil {
		tb.Fatalf("make database: %v", err)
	}
	tb.Cleanup(func() {
		if err := db.Drop(context.Background()); err != nil {
			tb.Logf("drop database: %v", err)
		}
	})
	return db
}

// NewDatabase makes an empty database. The cluster behind it has no durability
// (fsync off) and dies with the process.
func NewDatabase(ctx context.Context) (*Database, error) {
	c, port, err := sharedCluster(ctx)
	if err != nil {
		return nil, err
	}
	name := "lab_" + strconv.FormatInt(databases.Add(1), 10)
	if err := adminExec(ctx, c.URL(), "CREATE DATABASE "+pq.QuoteIdentifier(name)); err != nil {
		return nil, fmt.Errorf("create database %s: %w", name, err)
	}
	return &Database{
		URL:         c.URLFor(name),
		KamailioURL: fmt.Sprintf("postgres://byeguard@127.0.0.1:%d/%s", port, name),
		name:        name,
		admin:       c.URL(),
	}, nil
}

// Drop removes the database and cuts its sessions.
func (d *Database) Drop(ctx context.Context) error {
	return adminExec(ctx, d.admin, "DROP DATABASE IF EXISTS "+pq.QuoteIdentifier(d.name)+" WITH (FORCE)")
}

// PostgresPid is the process id of the shared cluster's server, 0 before its
// first use: for measuring its CPU time.
func PostgresPid() int {
	shared.Lock()
	defer shared.Unlock()
	if shared.cluster == nil {
		return 0
	}
	return shared.cluster.Pid()
}

func adminExec(ctx context.Context, url, query string) error {
	db, err := sql.Open("postgres", url)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, query)
	return errors.Join(err, db.Close())
}

func sharedCluster(ctx context.Context) (*cluster.Cluster, int, error) {
	shared.Lock()
	defer shared.Unlock()
	if shared.cluster != nil || shared.err != nil {
		return shared.cluster, shared.port, shared.err
	}
	shared.cluster, shared.port, shared.err = startCluster(ctx)
	return shared.cluster, shared.port, shared.err
}

// startCluster is called once, with shared locked.
func startCluster(ctx context.Context) (*cluster.Cluster, int, error) {
	dir, err := tempDir("", "pg")
	if err != nil {
		return nil, 0, err
	}
	port, err := FreePort("127.0.0.1")
	if err != nil {
		return nil, 0, err
	}
	c, err := cluster.Start(ctx, cluster.Options{
		Dir:       dir,
		Throwaway: true,
		// Kamailio's db_postgres wants TCP. Any local user may come in; there
		// is nothing to be had but test data.
		HBA: []string{"host all all 127.0.0.1/32 trust"}, //nolint:dupword // any database, any user
		Settings: map[string]string{
			"listen_addresses":   "127.0.0.1",
			"port":               strconv.Itoa(port),
			"max_connections":    "300",
			"shared_buffers":     "64MB",
			"max_wal_size":       "512MB",
			"autovacuum_naptime": "10s",
		},
		Spawn: func(cmd *exec.Cmd) error { return spawn(cmd, syscall.SIGQUIT) },
	})
	if err != nil {
		return nil, 0, err
	}
	// The server leads a session of its own, so a group too.
	if shared.janitor, err = hireJanitor(c.Pid(), dir); err != nil {
		return nil, 0, errors.Join(err, c.Stop(ctx))
	}
	return c, port, nil
}
