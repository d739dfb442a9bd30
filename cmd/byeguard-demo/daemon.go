package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/byeguard/byeguard/pkg/cluster"
	"github.com/byeguard/byeguard/pkg/lab"
)

// daemon is the real `byeguard serve`, as a process of its own, without a
// configuration: its PostgreSQL is the private one in its data directory.
type daemon struct {
	program, dir string
	http         string // where /readyz is
	cmd          *exec.Cmd
	done         chan struct{} // closed when it has ended
}

func (d *daemon) dataDir() string { return filepath.Join(d.dir, "data") }
func (d *daemon) logPath() string { return filepath.Join(d.dir, "byeguard.log") }

// database is where the judge looks; valid while the daemon runs.
func (d *daemon) database() (string, error) {
	return cluster.Locate(filepath.Join(d.dataDir(), "postgres"), "")
}

// startDaemon starts byeguard beside a Kamailio and waits until it reads the
// events. The caller ends it with stop.
func startDaemon(ctx context.Context, program, dir string, kam *lab.Kamailio) (*daemon, error) {
	d := &daemon{program: program, dir: dir}
	// Another process may take the port before byeguard does.
	for try := 1; ; try++ {
		err := d.start(ctx, kam)
		if err == nil {
			return d, nil
		}
		clash := strings.Contains(d.log(), "address already in use")
		err = errors.Join(err, d.stop())
		if !clash || try == 3 || ctx.Err() != nil {
			return nil, fmt.Errorf("%w\nbyeguard's log ends:\n%s", err, lastLines(d.log(), 20))
		}
	}
}

func (d *daemon) start(ctx context.Context, kam *lab.Kamailio) error {
	port, err := lab.FreePort("127.0.0.1")
	if err != nil {
		return err
	}
	d.http = "127.0.0.1:" + strconv.Itoa(port)
	log, err := os.Create(d.logPath())
	if err != nil {
		return fmt.Errorf("make byeguard's log: %w", err)
	}
	defer log.Close()
	d.cmd = exec.Command(d.program, "serve", "--data-dir", d.dataDir(),
		"--node", "lab="+kam.EvapiAddr+","+kam.RPCURL, "--http", d.http)
	d.cmd.Dir, d.cmd.Env = d.dir, cleanEnv()
	d.cmd.Stdout, d.cmd.Stderr = log, log
	// A group of its own: a Ctrl-C is for the demo, which ends byeguard in
	// order. Should the demo be killed, byeguard stops by itself.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := startOnKeptThread(d.cmd); err != nil {
		return fmt.Errorf("start byeguard: %w", err)
	}
	d.done = make(chan struct{})
	go func() {
		defer close(d.done)
		_ = d.cmd.Wait() // whoever waits for done looks at ProcessState
	}()
	return d.awaitReady(ctx)
}

// startOnKeptThread starts cmd on a thread that lives as long as this process:
// the parent-death signal comes when the thread ends (prctl(2)).
func startOnKeptThread(cmd *exec.Cmd) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		result <- cmd.Start()
		select {}
	}()
	return <-result
}

// startLimit bounds initdb, migrations and connecting, on a slow machine.
const startLimit = 90 * time.Second

func (d *daemon) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("byeguard is not ready after %v", startLimit))
	defer cancel()
	return poll(ctx, 50*time.Millisecond, func() (bool, error) {
		if d.ended() {
			return false, d.exit()
		}
		return d.ready(ctx), nil
	})
}

func (d *daemon) ready(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.http+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var health struct{ Ready bool }
	return json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&health) == nil && health.Ready
}

func (d *daemon) ended() bool {
	select {
	case <-d.done:
		return true
	default:
		return false
	}
}

func (d *daemon) exit() error {
	return fmt.Errorf("byeguard serve ended: %s", d.cmd.ProcessState)
}

// stop ends byeguard, which ends its PostgreSQL. It may be called twice.
func (d *daemon) stop() error {
	if d.done == nil {
		return nil
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(time.Minute):
	}
	_ = syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL) // whatever is left of the group
	<-d.done
	return d.stopDatabase()
}

// stopDatabase ends a PostgreSQL that outlived byeguard, as it does by design
// when byeguard is killed.
func (d *daemon) stopDatabase() error {
	if _, err := d.database(); err != nil {
		return nil // it does not run
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := cluster.Start(ctx, cluster.Options{Dir: filepath.Join(d.dataDir(), "postgres")})
	if err != nil {
		return fmt.Errorf("stop byeguard's PostgreSQL in %s: %w", d.dataDir(), err)
	}
	return c.Stop(ctx)
}

// cli runs a byeguard command as a user would and returns what it prints.
func (d *daemon) cli(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, d.program, args...)
	cmd.Dir, cmd.Env = d.dir, append(cleanEnv(), "BYEGUARD_DATA_DIR="+d.dataDir())
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("byeguard %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

func (d *daemon) log() string {
	raw, err := os.ReadFile(d.logPath())
	if err != nil {
		return err.Error()
	}
	return string(raw)
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
