package lab

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
)

// starter runs functions on one OS thread that lives as long as the process.
// The kernel sends a child its parent-death signal when the *thread* that
// started it ends (prctl(2), PR_SET_PDEATHSIG), and Go ends threads freely.
var starter = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

// spawn starts cmd so that it gets sig when this process dies.
func spawn(cmd *exec.Cmd, sig syscall.Signal) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = sig
	result := make(chan error, 1)
	starter() <- func() { result <- cmd.Start() }
	return <-result
}

// janitor is a small shell process that outlives this one by a moment: it
// waits for the end of a pipe that only we hold, then kills a process group
// and removes a directory.
type janitor struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

const janitorScript = `cat >/dev/null
if [ "$1" -gt 1 ]; then sleep 0.3; kill -KILL -- "-$1" 2>/dev/null; sleep 0.2; fi
for try in 1 2 3 4 5 6 7 8 9 10; do
	rm -rf -- "$2" 2>/dev/null && break
	sleep 0.3
done`

// hireJanitor cleans up after the process group pgid (0 = none) and dir when
// this process dies without doing it. Keep it until it is dismissed: when it
// is forgotten, its pipe is collected as garbage, and it goes to work.
func hireJanitor(pgid int, dir string) (*janitor, error) {
	cmd := exec.Command("/bin/sh", "-c", janitorScript, "janitor", strconv.Itoa(pgid), dir)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is not for it
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("hire janitor: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("hire janitor: %w", err)
	}
	return &janitor{cmd: cmd, pipe: pipe}, nil
}

// dismiss ends the janitor without its doing anything; nil is allowed.
func (j *janitor) dismiss() {
	if j == nil {
		return
	}
	// Its cat is in the same group.
	_ = syscall.Kill(-j.cmd.Process.Pid, syscall.SIGKILL)
	_ = j.cmd.Wait()
	_ = j.pipe.Close()
}

// process is a child in a process group of its own.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of Wait; valid after done
}

// run starts cmd as the leader of a new process group that dies with us.
func run(cmd *exec.Cmd, onDeath syscall.Signal) (*process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	if err := spawn(cmd, onDeath); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// group signals the whole process group.
func (p *process) group(sig syscall.Signal) error {
	err := syscall.Kill(-p.pid(), sig)
	if err == syscall.ESRCH {
		return nil
	}
	if err != nil {
		return fmt.Errorf("signal process group %d: %w", p.pid(), err)
	}
	return nil
}

// tempDir makes a directory for one thing of the laboratory below base ("" =
// the usual place).
func tempDir(base, what string) (string, error) {
	dir, err := os.MkdirTemp(base, "byeguard-lab-"+what+"-")
	if err != nil {
		return "", fmt.Errorf("make directory for %s: %w", what, err)
	}
	return dir, nil
}
