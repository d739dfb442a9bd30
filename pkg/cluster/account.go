package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// ErrNotReachable says that the server's user may not enter the cluster's
// directory.
var ErrNotReachable = errors.New("directory cannot be entered")

// account is the operating system's user that the server runs as.
type account struct {
	name     string
	uid, gid int
	drop     bool // the caller is root and must become that user
}

// findAccount returns the caller's own account, or for root that of name.
func findAccount(name string) (account, error) {
	if os.Geteuid() != 0 {
		return account{name: strconv.Itoa(os.Geteuid()), uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return account{}, fmt.Errorf("find user %s, which is to run postgresql because root must not: %w; install the Debian package postgresql, which makes it, or run as another user", name, err)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err1, err2); err != nil {
		return account{}, fmt.Errorf("read ids of user %s: %w", name, err)
	}
	if uid == 0 {
		return account{}, fmt.Errorf("run postgresql as %s: postgresql refuses to run as root; name another user", name)
	}
	return account{name: name, uid: uid, gid: gid, drop: true}, nil
}

// become makes cmd run as the account, in a session of its own: a Ctrl-C in
// the terminal then reaches byeguard alone, which stops the server in order.
func (a account) become(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid = true
	if a.drop {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
}

// own makes the directory (parents too) and gives it to the account, closed to
// everybody else.
func (a account) own(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("create directory: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("create directory: %w", err)
	}
	st, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("look at directory: %w", err)
	}
	if !st.IsDir() {
		return fmt.Errorf("use %s: not a directory", dir)
	}
	owner := int(st.Sys().(*syscall.Stat_t).Uid)
	if a.drop {
		// Root's own or the account's: anybody else's would be a trap.
		if owner != 0 && owner != a.uid {
			return fmt.Errorf("use directory %s: it belongs to user id %d; give it to %s (chown) or choose another", dir, owner, a.name)
		}
		if err := os.Lchown(dir, a.uid, a.gid); err != nil {
			return fmt.Errorf("give directory to %s: %w", a.name, err)
		}
	} else if owner != a.uid {
		return fmt.Errorf("use directory %s: it belongs to user id %d, not to us; choose another data_dir", dir, owner)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("close directory to others: %w", err)
	}
	return nil
}

// reach checks that the account can enter dir. Below /root, say, it cannot,
// and the server would die with a message that tells little.
func (a account) reach(dir string) error {
	if !a.drop {
		return nil
	}
	cmd := exec.Command("/bin/sh", "-c", `cd -- "$1"`, "sh", dir)
	cmd.Dir = "/"
	a.become(cmd)
	if cmd.Run() == nil {
		return nil
	}
	blocked := dir
	for d := filepath.Dir(dir); ; d = filepath.Dir(d) {
		if st, err := os.Stat(d); err == nil && !a.enters(st) {
			blocked = d
		}
		if d == filepath.Dir(d) {
			break
		}
	}
	return fmt.Errorf("%w by user %s, who runs postgresql: %s is in the way; choose a data_dir outside of it (/var/lib/byeguard, say), or chmod o+x %s",
		ErrNotReachable, a.name, blocked, blocked)
}

// enters reads the mode bits; access lists are left to the kernel's own
// answer, this only names the culprit.
func (a account) enters(st os.FileInfo) bool {
	sys := st.Sys().(*syscall.Stat_t)
	switch {
	case int(sys.Uid) == a.uid:
		return st.Mode()&0o100 != 0
	case int(sys.Gid) == a.gid:
		return st.Mode()&0o010 != 0
	}
	return st.Mode()&0o001 != 0
}
