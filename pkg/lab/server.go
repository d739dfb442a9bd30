package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/byeguard/byeguard/pkg/cluster"
)

// Server is a PostgreSQL of its own, which may be stopped, crashed, frozen and
// started again. It has no durability against a crash of the machine (fsync
// off), but keeps what was committed over any end of its processes. Its
// methods are safe for concurrent use.
type Server struct {
	// URL is its database, by Unix socket; it stays the same over restarts.
	URL string

	dir string

	mu      sync.Mutex
	cluster *cluster.Cluster
	janitor *janitor
}

// StartServer starts a new PostgreSQL. The caller ends it with Close.
func StartServer(ctx context.Context) (*Server, error) {
	dir, err := tempDir("", "server")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir}
	if err := s.Start(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s.URL = s.cluster.URL()
	return s, nil
}

// Start starts the server again after Stop or Crash.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cluster != nil {
		return nil
	}
	c, err := cluster.Start(ctx, cluster.Options{
		Dir: s.dir, Throwaway: true,
		// synchronous_commit: what is committed survives the death of the server.
		Settings: map[string]string{
			"synchronous_commit": "on", "shared_buffers": "64MB", "max_wal_size": "512MB", "autovacuum_naptime": "10s",
		},
		Spawn: func(cmd *exec.Cmd) error { return spawn(cmd, syscall.SIGQUIT) },
	})
	if err != nil {
		return err
	}
	s.cluster = c
	s.janitor.dismiss()
	if s.janitor, err = hireJanitor(c.Pid(), s.dir); err != nil {
		return err
	}
	return nil
}

// Stop shuts the server down in order; sessions are cut.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cluster == nil {
		return nil
	}
	err := s.cluster.Stop(ctx)
	s.cluster = nil
	return err
}

// Crash ends the server without a checkpoint; its next start recovers.
func (s *Server) Crash(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cluster == nil {
		return nil
	}
	if err := syscall.Kill(s.cluster.Pid(), syscall.SIGQUIT); err != nil {
		return fmt.Errorf("crash postgresql: %w", err)
	}
	err := s.cluster.Stop(ctx)
	s.cluster = nil
	return err
}

// Freeze stops all processes of the server where they are, and Thaw lets them
// go on: to its clients that looks like a network that swallows everything.
func (s *Server) Freeze() error { return s.signal(syscall.SIGSTOP) }

// Thaw undoes Freeze.
func (s *Server) Thaw() error { return s.signal(syscall.SIGCONT) }

// signal reaches the postmaster and its children, each of which leads a group.
func (s *Server) signal(sig syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cluster == nil {
		return nil
	}
	pid := s.cluster.Pid()
	pids := append([]int{pid}, Children(pid)...)
	for _, p := range pids {
		if err := syscall.Kill(p, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("signal postgresql: %w", err)
		}
	}
	return nil
}

// Close stops the server and removes its files.
func (s *Server) Close() error {
	err := errors.Join(s.Thaw(), s.Stop(context.Background()))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.janitor.dismiss()
	s.janitor = nil
	return errors.Join(err, os.RemoveAll(s.dir))
}

// Children lists the processes whose parent is pid.
func Children(pid int) []int {
	var out []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is right
	for _, path := range stats {
		raw, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// proc_pid_stat(5): the name in brackets may hold anything.
		_, rest, _ := strings.Cut(string(raw[strings.LastIndexByte(string(raw), ')'):]), " ")
		fields := strings.Fields(rest)
		if len(fields) < 2 || fields[1] != strconv.Itoa(pid) {
			continue
		}
		if child, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			out = append(out, child)
		}
	}
	return out
}
