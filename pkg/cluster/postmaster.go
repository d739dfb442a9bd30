package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// postmaster is the server's main process, ours or one that we found.
type postmaster struct {
	pid  int
	done chan struct{} // closed when the process is gone
}

// signal sends sig; a process that is gone already is no error.
func (p *postmaster) signal(sig syscall.Signal) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := syscall.Kill(p.pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal postgresql server %d: %w", p.pid, err)
	}
	return nil
}

// watchChild follows a server that cmd started.
func watchChild(cmd *exec.Cmd) *postmaster {
	p := &postmaster{pid: cmd.Process.Pid, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // its exit status says nothing that its log does not
		close(p.done)
	}()
	return p
}

// worksIn says whether dir is the working directory of a process; of one that is
// gone, or may not be looked at, it is not.
func worksIn(pid int, dir string) bool {
	cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	return err == nil && sameDir(cwd, dir)
}

// adopt follows a server that an earlier process started. It returns nil when
// none runs on dataDir.
func adopt(dataDir string) (*postmaster, error) {
	st, err := readPidFile(dataDir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	// The number may have been given to another process since (a reboot, say).
	// A postmaster's working directory is its data directory.
	if !worksIn(st.pid, dataDir) {
		return nil, nil
	}
	fd, err := unix.PidfdOpen(st.pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("watch postgresql server %d: %w", st.pid, err)
	}
	p := &postmaster{pid: st.pid, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		defer func() { _ = unix.Close(fd) }()
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for {
			if _, err := unix.Poll(poll, -1); !errors.Is(err, unix.EINTR) {
				return
			}
		}
	}()
	return p, nil
}

func sameDir(a, b string) bool {
	sa, err1 := os.Stat(a)
	sb, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(sa, sb)
}

// pidFile is what PostgreSQL writes into postmaster.pid (miscadmin.h,
// LOCK_FILE_LINE_*): pid, data directory, start time, port, socket directory.
type pidFile struct {
	pid    int
	port   string
	socket string // the first socket directory; "" while the server starts
}

func readPidFile(dataDir string) (pidFile, error) {
	raw, err := os.ReadFile(filepath.Join(dataDir, "postmaster.pid"))
	if err != nil {
		return pidFile{}, fmt.Errorf("read pid of postgresql server: %w", err)
	}
	lines := strings.Split(string(raw), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || pid <= 0 {
		return pidFile{}, fmt.Errorf("read pid of postgresql server: %s/postmaster.pid does not begin with a number; if no postgres runs on it, remove the file", dataDir)
	}
	st := pidFile{pid: pid}
	if len(lines) > 4 {
		st.port, st.socket = strings.TrimSpace(lines[3]), strings.TrimSpace(lines[4])
	}
	return st, nil
}
