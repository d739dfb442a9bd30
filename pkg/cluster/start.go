package cluster

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"

	"github.com/lib/pq"
)

// errDied says that the server ended before it answered.
var errDied = errors.New("it ended at once")

// start brings the server up, or takes over a running one, and waits until it
// answers.
func (c *Cluster) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.opts.StartTimeout)
	defer cancel()
	for {
		server, err := c.bring(ctx)
		if err != nil {
			return err
		}
		err = c.await(ctx, server)
		if err == nil {
			return c.createDatabase(ctx)
		}
		// The sessions of a server that was killed outlive it for a moment and
		// keep its memory; the next one refuses to start until they are gone.
		if !errors.Is(err, errDied) || !strings.Contains(c.logTail(), "shared memory block") {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// bring returns the server that runs on the directory, or a new one.
func (c *Cluster) bring(ctx context.Context) (*postmaster, error) {
	server, err := adopt(c.dataDir())
	if err != nil {
		return nil, err
	}
	if server != nil {
		c.opts.Logger.WithField("pid", server.pid).Info("took over the running private postgresql server")
	} else if server, err = c.launch(ctx); err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.server = server
	c.mu.Unlock()
	return server, nil
}

// launch runs initdb if needed and starts a server of our own.
func (c *Cluster) launch(ctx context.Context) (*postmaster, error) {
	major, err := madeBy(c.dataDir())
	if err != nil {
		return nil, err
	}
	if major == "" {
		if err := c.initdb(ctx); err != nil {
			return nil, err
		}
	}
	// A plain file, no pipe: the server may outlive us and must be able to log.
	log, err := c.openLog()
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(c.opts.BinDir, "postgres"), c.args()...)
	cmd.Dir = c.opts.Dir
	cmd.Env = cleanEnv()
	cmd.Stdout, cmd.Stderr = log, log
	c.account.become(cmd)
	if err := c.opts.Spawn(cmd); err != nil {
		return nil, fmt.Errorf("start postgresql server: %w", err)
	}
	c.opts.Logger.WithField("pid", cmd.Process.Pid).Info("started private postgresql server")
	return watchChild(cmd), nil
}

// args are the server's arguments. Settings are given here and not written
// into postgresql.conf, so that what Options say is what runs.
func (c *Cluster) args() []string {
	set := map[string]string{
		"listen_addresses":        "", // Unix socket only
		"unix_socket_directories": c.SocketDir(),
		"unix_socket_permissions": "0700",
		"log_min_messages":        "warning",
		"log_line_prefix":         "%m [%p] ",
		"log_timezone":            "UTC",
		"timezone":                "UTC",
	}
	if c.opts.Throwaway {
		set["fsync"], set["synchronous_commit"], set["full_page_writes"] = "off", "off", "off"
	}
	for name, value := range c.opts.Settings {
		set[name] = value
	}
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, name)
	}
	sort.Strings(names)
	args := []string{"-D", c.dataDir()}
	for _, name := range names {
		args = append(args, "-c", name+"="+set[name])
	}
	return args
}

// maxLog is the size at which the server's log is put aside on a start.
const maxLog = 16 << 20

func (c *Cluster) openLog() (*os.File, error) {
	path := c.LogPath()
	if st, err := os.Stat(path); err == nil && st.Size() > maxLog {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, fmt.Errorf("put old postgresql log aside: %w", err)
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open postgresql log: %w", err)
	}
	return f, nil
}

// await asks the server until it answers a query, dies, or time is up.
func (c *Cluster) await(ctx context.Context, server *postmaster) error {
	db, err := sql.Open("postgres", c.URLFor("postgres"))
	if err != nil {
		return fmt.Errorf("reach postgresql server: %w", err)
	}
	defer db.Close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := db.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-server.done:
			return fmt.Errorf("start postgresql server: %w; its log %s says: %s", errDied, c.LogPath(), c.logTail())
		case <-ctx.Done():
			return fmt.Errorf("reach postgresql server: %w (last error: %w); see %s", ctx.Err(), err, c.LogPath())
		case <-tick.C:
		}
	}
}

func (c *Cluster) logTail() string {
	raw, err := os.ReadFile(c.LogPath())
	if err != nil {
		return err.Error()
	}
	if len(raw) > 4096 {
		raw = raw[len(raw)-4096:]
	}
	return lastLines(string(raw), 4)
}

// createDatabase makes the database if it is missing.
func (c *Cluster) createDatabase(ctx context.Context) error {
	db, err := sql.Open("postgres", c.URLFor("postgres"))
	if err != nil {
		return fmt.Errorf("reach postgresql server: %w", err)
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, "CREATE DATABASE "+pq.QuoteIdentifier(c.opts.Database))
	var pgErr *pq.Error
	if errors.As(err, &pgErr) && pgErr.Code == "42P04" { // duplicate_database
		return nil
	}
	if err != nil {
		return fmt.Errorf("create database %s: %w", c.opts.Database, err)
	}
	return nil
}
