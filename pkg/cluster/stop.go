package cluster

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// How long each way of shutting down is given (PostgreSQL documentation,
// "Shutting Down the Server").
const (
	fastWait      = 20 * time.Second // SIGINT: sessions are cut, a checkpoint is written
	immediateWait = 5 * time.Second  // SIGQUIT: the next start recovers
)

// Stop shuts the server down: fast, then immediately when that takes longer
// than 20 s or than ctx, and frees the directory. It returns nil when the
// server is gone, however it went.
func (c *Cluster) Stop(ctx context.Context) error {
	return errors.Join(c.shutdown(ctx), c.unlock())
}

func (c *Cluster) shutdown(ctx context.Context) error {
	c.mu.Lock()
	server := c.server
	c.mu.Unlock()
	if server == nil {
		return nil
	}
	if err := server.signal(syscall.SIGINT); err != nil {
		return err
	}
	if !waitDone(ctx, server, fastWait) {
		c.opts.Logger.Warn("private postgresql server did not stop in time, stopping it at once")
		if err := server.signal(syscall.SIGQUIT); err != nil {
			return err
		}
		if !waitDone(context.Background(), server, immediateWait) {
			if err := server.signal(syscall.SIGKILL); err != nil {
				return err
			}
			if !waitDone(context.Background(), server, immediateWait) {
				return fmt.Errorf("stop postgresql server %d: it does not die", server.pid)
			}
		}
	}
	c.forget(server)
	c.opts.Logger.Info("stopped private postgresql server")
	return nil
}

// Kill ends the server as a crash does (SIGKILL) and keeps the directory: for
// tests of what happens then. Restart brings it back.
func (c *Cluster) Kill() error {
	c.mu.Lock()
	server := c.server
	c.mu.Unlock()
	if server == nil {
		return nil
	}
	if err := server.signal(syscall.SIGKILL); err != nil {
		return err
	}
	if !waitDone(context.Background(), server, immediateWait) {
		return fmt.Errorf("kill postgresql server %d: it does not die", server.pid)
	}
	c.forget(server)
	return nil
}

// Restart stops the server if it runs, and starts it again on the same data.
func (c *Cluster) Restart(ctx context.Context) error {
	if err := c.shutdown(ctx); err != nil {
		return err
	}
	return c.start(ctx)
}

func (c *Cluster) forget(server *postmaster) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == server {
		c.server = nil
	}
}

// waitDone says whether the server was gone before ctx or the time was up.
func waitDone(ctx context.Context, server *postmaster, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-server.done:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	select {
	case <-server.done:
		return true
	default:
		return false
	}
}

// Abandon leaves the server running and frees the directory, as a process that
// is killed does: the next Start takes the server over.
func (c *Cluster) Abandon() error {
	c.mu.Lock()
	c.server = nil
	c.mu.Unlock()
	return c.unlock()
}
