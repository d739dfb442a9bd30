package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// MemoryGroup is a memory cgroup (version 1 or 2) with some swap, in which a
// program can be swapped out. It needs root.
type MemoryGroup struct {
	dir  string
	swap string // a swap file of ours; "" = the machine has its own
	v2   bool
}

// ErrNoSwap says that nothing can be swapped out on this machine.
var ErrNoSwap = errors.New("cannot swap out")

// NewMemoryGroup makes a group, and swap of so many bytes where the machine has
// none at all. The caller ends it with Close, after the programs in it.
func NewMemoryGroup(swap int64) (*MemoryGroup, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("%w: needs root", ErrNoSwap)
	}
	g := &MemoryGroup{dir: "/sys/fs/cgroup/memory"}
	if controllers, err := os.ReadFile("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		g.v2 = strings.Contains(string(controllers), "memory")
		g.dir = "/sys/fs/cgroup"
	}
	g.dir = filepath.Join(g.dir, "byeguard-lab-"+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		return nil, fmt.Errorf("%w: make a memory cgroup: %w", ErrNoSwap, err)
	}
	if _, err := os.Stat(filepath.Join(g.dir, g.file("memory.limit_in_bytes", "memory.high"))); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: no memory controller: %w", ErrNoSwap, err), g.Close())
	}
	if err := g.makeSwap(swap); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: make a swap file: %w", ErrNoSwap, err), g.Close())
	}
	return g, nil
}

// makeSwap turns a file into swap (mkswap(8)) unless the machine has some.
func (g *MemoryGroup) makeSwap(size int64) error {
	if raw, err := os.ReadFile("/proc/swaps"); err != nil || strings.Count(string(raw), "\n") > 1 {
		return err
	}
	f, err := os.CreateTemp("", "byeguard-lab-swap-") // mode 0600
	if err != nil {
		return err
	}
	g.swap = f.Name()
	defer f.Close()
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, size); err != nil {
		return err
	}
	for _, args := range [][]string{{"mkswap", g.swap}, {"swapon", g.swap}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", args[0], err, out)
		}
	}
	return nil
}

func (g *MemoryGroup) file(v1, v2 string) string {
	if g.v2 {
		return v2
	}
	return v1
}

// Wrap is the command that runs a program in the group.
func (g *MemoryGroup) Wrap() []string {
	return []string{"/bin/sh", "-c", `echo $$ >"$0/cgroup.procs" && exec "$@"`, g.dir}
}

// Squeeze leaves the group so many bytes of memory. What is above it is swapped
// out, now and from now on. A limit that the kernel cannot reach is halfway
// reached: see Swapped.
func (g *MemoryGroup) Squeeze(bytes int64) error {
	path := filepath.Join(g.dir, g.file("memory.limit_in_bytes", "memory.high"))
	err := os.WriteFile(path, []byte(strconv.FormatInt(bytes, 10)), 0o644)
	// EBUSY: some is in use at this moment, and stays.
	if err != nil && !errors.Is(err, syscall.EBUSY) {
		return fmt.Errorf("squeeze %s: %w", g.dir, err)
	}
	return nil
}

// Used and Swapped are how many bytes the group has in memory and in swap.
func (g *MemoryGroup) Used() int64 {
	return g.number(g.file("memory.usage_in_bytes", "memory.current"))
}

// Swapped is how many bytes of the group are in swap.
func (g *MemoryGroup) Swapped() int64 {
	if g.v2 {
		return g.number("memory.swap.current")
	}
	return g.number("memory.memsw.usage_in_bytes") - g.Used()
}

func (g *MemoryGroup) number(name string) int64 {
	raw, err := os.ReadFile(filepath.Join(g.dir, name))
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Close removes the group and the swap file.
func (g *MemoryGroup) Close() error {
	var errs []error
	if g.swap != "" {
		if raw, err := os.ReadFile("/proc/swaps"); err == nil && strings.Contains(string(raw), g.swap) {
			if out, err := exec.Command("swapoff", g.swap).CombinedOutput(); err != nil {
				errs = append(errs, fmt.Errorf("swapoff: %w: %s", err, out))
			}
		}
		errs = append(errs, os.Remove(g.swap))
	}
	return errors.Join(append(errs, g.remove())...)
}

// remove removes the group. A process that was killed belongs to it until whoever
// inherited it, init say, has asked for its status.
func (g *MemoryGroup) remove() error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); ; <-tick.C {
		err := os.Remove(g.dir)
		if !errors.Is(err, syscall.EBUSY) || time.Now().After(end) {
			return err
		}
	}
}
