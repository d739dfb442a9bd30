package lab

import (
	"sync"
	"syscall"
	"time"
)

// group is a program of the laboratory's, in a process group of its own, that may
// be ended and started again. Its methods are safe for concurrent use.
type group struct {
	mu      sync.Mutex
	proc    *process // nil: never started
	janitor *janitor
}

// Pid is the process that leads the group; 0 when it does not run.
func (g *group) Pid() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.proc == nil || !g.proc.alive() {
		return 0
	}
	return g.proc.pid()
}

// Done is closed when the process that runs now has ended; nil: none was started.
func (g *group) Done() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.proc == nil {
		return nil
	}
	return g.proc.done
}

// Signal sends a signal to all processes of the group (SIGSTOP, say).
func (g *group) Signal(sig syscall.Signal) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.proc == nil {
		return nil
	}
	return g.proc.group(sig)
}

// Kill ends all of them with SIGKILL, as a crash does, and waits for that.
func (g *group) Kill() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.proc == nil {
		return nil
	}
	if err := g.proc.group(syscall.SIGKILL); err != nil {
		return err
	}
	<-g.proc.done
	return nil
}

// end asks the leader to end, and after limit ends whatever is left of the group.
func (g *group) end(limit time.Duration) error {
	g.mu.Lock()
	proc := g.proc
	g.mu.Unlock()
	if proc != nil && proc.alive() {
		_ = proc.group(syscall.SIGCONT)
		_ = syscall.Kill(proc.pid(), syscall.SIGTERM)
		timer := time.NewTimer(limit)
		defer timer.Stop()
		select {
		case <-proc.done:
		case <-timer.C:
		}
	}
	return g.Kill()
}
