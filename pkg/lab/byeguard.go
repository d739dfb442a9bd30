package lab

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
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ByeguardOptions say which byeguard runs and how.
type ByeguardOptions struct {
	// Program is the path of the real program, needed.
	Program string
	// Dir is where its data directory and its log are made; "" = a temporary
	// directory, removed by Close.
	Dir string
	// DatabaseURL is its PostgreSQL; "" = its private one.
	DatabaseURL string
	// Nodes are the Kamailios, NAME=EVAPI,JSONRPC each.
	Nodes []string
	// Args are further arguments of `byeguard serve`.
	Args []string
	// Wrap is a command that runs the program in its own place (nsenter, say).
	Wrap []string
}

// Byeguard is the real `byeguard serve`: two processes in a group of their
// own. Its methods are safe for concurrent use.
type Byeguard struct {
	// HTTP is host:port of its health pages, the same over restarts.
	HTTP string

	opts ByeguardOptions
	own  bool // Dir is ours to remove

	group
}

// NewByeguard prepares a byeguard; Start starts it, Close removes it.
func NewByeguard(opts ByeguardOptions) (*Byeguard, error) {
	b := &Byeguard{opts: opts}
	port, err := FreePort("127.0.0.1")
	if err != nil {
		return nil, err
	}
	b.HTTP = "127.0.0.1:" + strconv.Itoa(port)
	if opts.Dir == "" {
		if b.opts.Dir, err = tempDir("", "byeguard"); err != nil {
			return nil, err
		}
		b.own = true
		// PostgreSQL runs as another user when we are root.
		if err := os.Chmod(b.opts.Dir, 0o755); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// DataDir is its data directory.
func (b *Byeguard) DataDir() string { return filepath.Join(b.opts.Dir, "data") }

// LogPath is the file with everything that it logged; it goes on over restarts.
func (b *Byeguard) LogPath() string { return filepath.Join(b.opts.Dir, "byeguard.log") }

// Start starts it, and returns at once.
func (b *Byeguard) Start() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.proc != nil && b.proc.alive() {
		return nil
	}
	log, err := os.OpenFile(b.LogPath(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("open byeguard's log: %w", err)
	}
	defer log.Close()
	args := append([]string{}, b.opts.Wrap...)
	args = append(args, b.opts.Program, "serve", "--data-dir", b.DataDir(), "--http", b.HTTP)
	if b.opts.DatabaseURL != "" {
		args = append(args, "--database-url", b.opts.DatabaseURL)
	}
	for _, n := range b.opts.Nodes {
		args = append(args, "--node", n)
	}
	args = append(args, b.opts.Args...)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = cleanEnv()
	cmd.Stdout, cmd.Stderr = log, log
	if b.proc, err = run(cmd, syscall.SIGTERM); err != nil {
		b.proc = nil
		return fmt.Errorf("start byeguard: %w", err)
	}
	if b.own {
		b.janitor.dismiss()
		if b.janitor, err = hireJanitor(b.proc.pid(), b.opts.Dir); err != nil {
			return err
		}
	}
	return nil
}

// AwaitReady waits until it says that it is ready (/readyz): connected to its
// nodes and its database.
func (b *Byeguard) AwaitReady(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !b.Ready(ctx) {
		b.mu.Lock()
		proc := b.proc
		b.mu.Unlock()
		if proc == nil {
			return errors.New("wait for byeguard: it was not started")
		}
		select {
		case <-proc.done:
			return fmt.Errorf("wait for byeguard: it ended: %w", proc.err)
		case <-ctx.Done():
			return fmt.Errorf("wait for byeguard: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
	return nil
}

// Ready asks it once.
func (b *Byeguard) Ready(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.HTTP+"/readyz", http.NoBody)
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

// SignalChild sends a signal to the process that does the work, which the
// other one watches. Without one it does nothing.
func (b *Byeguard) SignalChild(sig syscall.Signal) error {
	for _, child := range Children(b.Pid()) {
		if err := syscall.Kill(child, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("signal byeguard's child: %w", err)
		}
	}
	return nil
}

// Stop ends it in order, or after a minute by Kill.
func (b *Byeguard) Stop() error { return b.end(time.Minute) }

// Close stops it and removes the directory if it made it. A private PostgreSQL
// of its own ends with it, unless it was killed.
func (b *Byeguard) Close() error {
	err := b.Stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.janitor.dismiss()
	b.janitor = nil
	if b.own {
		err = errors.Join(err, os.RemoveAll(b.opts.Dir))
	}
	return err
}

// Log is what it logged so far.
func (b *Byeguard) Log() string {
	raw, err := os.ReadFile(b.LogPath())
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

// BuildByeguard builds the program from this module's source into dir, and
// returns its path.
func BuildByeguard(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "byeguard")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/byeguard")
	cmd.Dir = moduleRoot()
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build byeguard: %w: %s", err, out)
	}
	return path, nil
}

// cleanEnv is our environment without what would configure byeguard or its
// database client.
func cleanEnv() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "BYEGUARD_") && !strings.HasPrefix(e, "PG") {
			env = append(env, e)
		}
	}
	return env
}
