package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// superuser is the cluster's only role. The socket's directory is the lock.
const superuser = "byeguard"

// maxSocketPath is what Linux allows in sun_path, without the final zero.
const maxSocketPath = 107

// ErrInUse says that another process holds the cluster's directory.
var ErrInUse = errors.New("private postgresql cluster is in use")

// ErrNotRunning says that no server runs on the directory.
var ErrNotRunning = errors.New("private postgresql cluster is not running")

// Cluster is a running private PostgreSQL cluster. Its methods are safe for
// concurrent use; whoever started it calls Stop.
type Cluster struct {
	opts    Options
	account account
	lock    *os.File

	mu     sync.Mutex
	server *postmaster // nil when stopped
}

// Start makes the cluster if it is new, starts its server or takes over one
// that runs, and creates the database. Only one process may hold a cluster:
// the second gets ErrInUse.
func Start(ctx context.Context, opts Options) (*Cluster, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Cluster{opts: opts}
	if c.account, err = findAccount(opts.User); err != nil {
		return nil, err
	}
	if err := c.prepare(); err != nil {
		return nil, err
	}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(err, c.Stop(context.Background()))
	}
	return c, nil
}

// prepare makes directories, takes the lock and finds the binaries.
func (c *Cluster) prepare() (err error) {
	if err := c.account.own(c.opts.Dir); err != nil {
		return err
	}
	if err := c.account.reach(c.opts.Dir); err != nil {
		return err
	}
	if err := c.account.own(c.SocketDir()); err != nil {
		return err
	}
	major, err := madeBy(c.dataDir())
	if err != nil {
		return err
	}
	if c.opts.BinDir == "" {
		if c.opts.BinDir, err = FindBinDir(major); err != nil {
			return err
		}
	}
	if !executable(filepath.Join(c.opts.BinDir, "initdb")) || !executable(filepath.Join(c.opts.BinDir, "postgres")) {
		return fmt.Errorf("%w in %s", ErrNoServer, c.opts.BinDir)
	}
	return c.takeLock()
}

// takeLock keeps a second process away; the kernel frees it when we die.
func (c *Cluster) takeLock() error {
	f, err := os.OpenFile(filepath.Join(c.opts.Dir, "lock"), os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return fmt.Errorf("lock private postgresql cluster: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("%w: another byeguard holds %s; stop it or choose another data_dir", ErrInUse, c.opts.Dir)
		}
		return fmt.Errorf("lock private postgresql cluster: %w", err)
	}
	c.lock = f
	return nil
}

func (c *Cluster) unlock() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lock == nil {
		return nil
	}
	err := c.lock.Close()
	c.lock = nil
	return err
}

func (c *Cluster) dataDir() string { return filepath.Join(c.opts.Dir, "data") }

// LogPath is the file with the server's own log.
func (c *Cluster) LogPath() string { return filepath.Join(c.opts.Dir, "postgres.log") }

// SocketDir is the directory of the server's Unix socket: Dir/run, or one in
// the directory for temporary files when that path is too long for a socket.
func (c *Cluster) SocketDir() string { return socketDir(c.opts.Dir, c.port()) }

func socketDir(dir, port string) string {
	short := filepath.Join(dir, "run")
	if len(short)+len("/.s.PGSQL.")+len(port) <= maxSocketPath {
		return short
	}
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join("/tmp", "byeguard-"+hex.EncodeToString(sum[:8]))
}

func (c *Cluster) port() string {
	if p := c.opts.Settings["port"]; p != "" {
		return p
	}
	return "5432"
}

// URL is the address of the cluster's database, for lib/pq and psql.
func (c *Cluster) URL() string { return c.URLFor(c.opts.Database) }

// URLFor is the address of another database in the cluster.
func (c *Cluster) URLFor(database string) string {
	return socketURL(c.SocketDir(), c.port(), database)
}

func socketURL(dir, port, database string) string {
	q := url.Values{"host": {dir}, "port": {port}, "sslmode": {"disable"}}
	u := url.URL{Scheme: "postgres", User: url.User(superuser), Path: "/" + database, RawQuery: q.Encode()}
	return u.String()
}

// Pid is the process id of the server, 0 when it is stopped.
func (c *Cluster) Pid() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil {
		return 0
	}
	return c.server.pid
}

// Done is closed when the server is gone, for whatever reason.
func (c *Cluster) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil {
		gone := make(chan struct{})
		close(gone)
		return gone
	}
	return c.server.done
}

// Locate returns the address of database ("" = byeguard) in the cluster that
// runs in dir, for commands that only look while another process serves. It
// returns ErrNotRunning when none does.
func Locate(dir, database string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find directory %s: %w", dir, err)
	}
	if database == "" {
		database = "byeguard"
	}
	data := filepath.Join(dir, "data")
	st, err := readPidFile(data)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	if err != nil || st.socket == "" || syscall.Kill(st.pid, 0) == syscall.ESRCH {
		return "", fmt.Errorf("%w in %s; start byeguard serve", ErrNotRunning, dir)
	}
	return socketURL(st.socket, st.port, database), nil
}
