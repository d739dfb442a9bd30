package watchdog

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is one running child.
type process struct {
	cmd     *exec.Cmd
	beats   *os.File // the parent's end of the heartbeat pipe
	started time.Time
	ended   chan struct{} // closed when the child was waited for
	status  syscall.WaitStatus
}

// spawn starts the child. restarts and previous are told to it.
func spawn(o Options, restarts int, previous string) (*process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make heartbeat pipe: %w", err)
	}
	cmd := exec.Command(o.Path, o.Args...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{w} // becomes file descriptor 3
	cmd.Env = append(o.Env[:len(o.Env):len(o.Env)], formatMarker(3, restarts, previous))
	cmd.SysProcAttr = dieWithParent()
	p := &process{cmd: cmd, beats: r, ended: make(chan struct{})}

	failed := make(chan error, 1)
	go p.live(failed)
	err = <-failed
	_ = w.Close()
	if err != nil {
		_ = r.Close()
		return nil, fmt.Errorf("start %s: %w", o.Path, err)
	}
	return p, nil
}

// live starts the child and waits for its end, on one operating system thread:
// the parent-death signal comes when the thread that made the child ends
// (prctl(2), PR_SET_PDEATHSIG), and Go ends idle threads as it likes.
func (p *process) live(failed chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p.started = time.Now()
	if err := p.cmd.Start(); err != nil {
		failed <- err
		return
	}
	failed <- nil
	// The error only repeats the status, which is all that is asked for.
	_ = p.cmd.Wait()
	p.status, _ = p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	close(p.ended)
}

// signal passes a signal on. A child that has just ended needs none.
func (p *process) signal(s os.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %v to child %d: %w", s, p.cmd.Process.Pid, err)
	}
	return nil
}
