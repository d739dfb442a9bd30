package chaos

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// disk is a small file system (tmpfs) of byeguard's own, in a mount namespace
// that nobody else sees. It lasts as long as its keeper, a small process in
// that namespace, and so outlives byeguard. It needs root.
type disk struct {
	dir    string
	keeper *exec.Cmd
	pipe   io.WriteCloser
}

// errNoDisk says that there can be no file system of our own.
var errNoDisk = errors.New("a small disk needs root")

const keeperScript = `mount -t tmpfs -o "size=$2,mode=0755" tmpfs "$1" && echo ready && exec cat >/dev/null`

// makeDisk puts a file system of so many megabytes on dir.
func makeDisk(dir string, megabytes int) (*disk, error) {
	if os.Geteuid() != 0 {
		return nil, errNoDisk
	}
	d := &disk{dir: dir, keeper: exec.Command("/bin/sh", "-c", keeperScript, "keeper", dir, strconv.Itoa(megabytes)+"m")}
	// unshare(2): the child's mounts are its own, and are made private, or the
	// new one would be seen outside.
	d.keeper.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Setpgid: true}
	var err error
	if d.pipe, err = d.keeper.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := d.keeper.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := d.keeper.Start(); err != nil {
		return nil, fmt.Errorf("%w: make a mount namespace: %w", errNoDisk, err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		_ = d.pipe.Close()
		return nil, fmt.Errorf("%w: mount a tmpfs: %w", errNoDisk, errors.Join(err, d.keeper.Wait()))
	}
	return d, nil
}

// wrap is the command that runs a program where the disk is seen.
func (d *disk) wrap() []string {
	return []string{"nsenter", "--mount=/proc/" + strconv.Itoa(d.keeper.Process.Pid) + "/ns/mnt", "--"}
}

// path is the disk as it is seen from outside (proc_pid_root(5)).
func (d *disk) path() string {
	return filepath.Join("/proc", strconv.Itoa(d.keeper.Process.Pid), "root", d.dir)
}

func (d *disk) filler() string { return filepath.Join(d.path(), "filler") }

// fill leaves no room at all.
func (d *disk) fill() error {
	f, err := os.OpenFile(d.filler(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("fill the disk: %w", err)
	}
	defer f.Close()
	for _, size := range []int{1 << 20, 4096, 1} {
		block := make([]byte, size)
		for {
			if _, err = f.Write(block); err != nil {
				break
			}
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return fmt.Errorf("fill the disk: %w", err)
		}
	}
	return nil
}

// empty gives the room back.
func (d *disk) empty() error {
	if err := os.Remove(d.filler()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("empty the disk: %w", err)
	}
	return nil
}

// used is how many bytes of it are used.
func (d *disk) used() int64 {
	var s syscall.Statfs_t
	if syscall.Statfs(d.path(), &s) != nil {
		return 0
	}
	return int64(s.Blocks-s.Bfree) * s.Bsize
}

// close ends the keeper, and with it the namespace and the file system.
func (d *disk) close() {
	_ = d.pipe.Close()
	_ = d.keeper.Wait()
}
