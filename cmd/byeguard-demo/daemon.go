package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/byeguard/byeguard/pkg/cluster"
	"github.com/byeguard/byeguard/pkg/lab"
)

// daemon is the real `byeguard serve`, as a process of its own, without a
// configuration: its PostgreSQL is the private one in its data directory.
type daemon struct {
	*lab.Byeguard
	program, dir string
}

// database is where the judge looks; valid while the daemon runs.
func (d *daemon) database() (string, error) {
	return cluster.Locate(filepath.Join(d.DataDir(), "postgres"), "")
}

var errDaemonEnded = errors.New("byeguard serve ended by itself")

// startLimit bounds initdb, migrations and connecting, on a slow machine.
const startLimit = 90 * time.Second

// startDaemon starts byeguard beside a Kamailio and waits until it reads the
// events. The caller ends it with stop.
func startDaemon(ctx context.Context, program, dir string, kam *lab.Kamailio) (*daemon, error) {
	// Another process may take the port before byeguard does.
	for try := 1; ; try++ {
		b, err := lab.NewByeguard(lab.ByeguardOptions{Program: program, Dir: dir, Nodes: []string{"lab=" + kam.EvapiAddr + "," + kam.RPCURL}})
		if err != nil {
			return nil, err
		}
		d := &daemon{Byeguard: b, program: program, dir: dir}
		if err = d.start(ctx); err == nil {
			return d, nil
		}
		clash := strings.Contains(d.Log(), "address already in use")
		err = errors.Join(err, d.stop())
		if !clash || try == 3 || ctx.Err() != nil {
			return nil, fmt.Errorf("%w\nbyeguard's log ends:\n%s", err, lastLines(d.Log(), 20))
		}
	}
}

func (d *daemon) start(ctx context.Context) error {
	if err := d.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("byeguard is not ready after %v", startLimit))
	defer cancel()
	return d.AwaitReady(ctx)
}

// stop ends byeguard, which ends its PostgreSQL. It may be called twice.
func (d *daemon) stop() error { return errors.Join(d.Close(), d.stopDatabase()) }

// stopDatabase ends a PostgreSQL that outlived byeguard, as it does by design
// when byeguard is killed.
func (d *daemon) stopDatabase() error {
	if _, err := d.database(); err != nil {
		return nil // it does not run
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := cluster.Start(ctx, cluster.Options{Dir: filepath.Join(d.DataDir(), "postgres")})
	if err != nil {
		return fmt.Errorf("stop byeguard's PostgreSQL in %s: %w", d.DataDir(), err)
	}
	return c.Stop(ctx)
}

// cli runs a byeguard command as a user would and returns what it prints.
func (d *daemon) cli(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, d.program, args...)
	cmd.Dir, cmd.Env = d.dir, append(cleanEnv(), "BYEGUARD_DATA_DIR="+d.DataDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("byeguard %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// cleanEnv is our environment without what would configure byeguard.
func cleanEnv() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "BYEGUARD_") {
			env = append(env, e)
		}
	}
	return env
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
