package watchdog

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// marker is the environment variable by which the parent tells the child that it
// is one. It has no BYEGUARD_ prefix, for those are configuration.
const marker = "_BYEGUARD_HEARTBEAT"

// exitOrphan is the exit status of a child whose parent went away.
const exitOrphan = 1

// Beats is the child's side of the heartbeat. A nil Beats does nothing, and so
// do the sources that it makes.
type Beats struct {
	fd       int
	restarts int
	previous string
	ready    atomic.Bool
	main     *Source

	mu      sync.Mutex
	sources []*Source
}

var child = sync.OnceValue(adopt)

// Child returns the heartbeat of this process and true when it was started by
// [Run], else nil and false. The first call starts to report, so it belongs at
// the top of main; further calls return the same. It also makes a panic end the
// process by SIGABRT, so that the parent can tell a crash from an exit.
func Child() (*Beats, bool) {
	b := child()
	return b, b != nil
}

// adopt takes over the pipe that the parent passed.
func adopt() *Beats {
	value, ok := os.LookupEnv(marker)
	if !ok {
		return nil
	}
	// What this process starts is no child of the watchdog's, and must not hold
	// the pipe open.
	_ = os.Unsetenv(marker)
	b, err := parseMarker(value)
	if err != nil {
		return nil
	}
	var stat syscall.Stat_t
	if err := syscall.Fstat(b.fd, &stat); err != nil || stat.Mode&syscall.S_IFMT != syscall.S_IFIFO {
		return nil
	}
	syscall.CloseOnExec(b.fd)
	if err := syscall.SetNonblock(b.fd, true); err != nil {
		return nil
	}
	debug.SetTraceback("crash")
	b.main = b.NewSource("main")
	go b.reportForever()
	return b
}

// formatMarker writes the marker's value: file descriptor, number of restarts so
// far, why the last child died.
func formatMarker(fd, restarts int, previous string) string {
	return fmt.Sprintf("%s=%d,%d,%s", marker, fd, restarts, previous)
}

func parseMarker(value string) (*Beats, error) {
	parts := strings.SplitN(value, ",", 3)
	if len(parts) != 3 {
		return nil, fmt.Errorf("parse %s: want three fields, got %q", marker, value)
	}
	fd, err := strconv.Atoi(parts[0])
	if err != nil {
		return nil, fmt.Errorf("parse file descriptor of %s: %w", marker, err)
	}
	restarts, err := strconv.Atoi(parts[1])
	if err != nil {
		return nil, fmt.Errorf("parse restarts of %s: %w", marker, err)
	}
	return &Beats{fd: fd, restarts: restarts, previous: parts[2]}, nil
}

// NewSource registers a source under a name that stands in the parent's log when
// the source stalls. It is disabled until [Source.Enable].
func (b *Beats) NewSource(name string) *Source {
	if b == nil {
		return nil
	}
	s := &Source{beats: b, name: name}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sources = append(b.sources, s)
	return s
}

// Ready ends the start-up time: from now on the parent kills this process when
// it is silent, or one of its enabled sources is. A process that never becomes
// ready within Options.Startup is killed.
func (b *Beats) Ready() {
	if b != nil && b.ready.CompareAndSwap(false, true) {
		// At once: a process that stalls before its next report is watched already.
		b.send(report{ready: true})
	}
}

// Beat is the beat of the process's main source, which the first call enables:
// enough for a program with a single loop.
func (b *Beats) Beat() {
	if b == nil {
		return
	}
	if !b.main.enabled.Load() {
		b.main.Enable()
	}
	b.main.Beat()
}

// Restarts returns how often the parent has restarted the child so far, and why
// it did the last time ("" if never): worth an incident, for the events of the
// time between were not read.
func (b *Beats) Restarts() (int, string) {
	if b == nil {
		return 0, ""
	}
	return b.restarts, b.previous
}

func (b *Beats) forget(s *Source) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sources = slices.DeleteFunc(b.sources, func(other *Source) bool { return other == s })
}

// reportForever tells the parent every interval how things are. It ends the
// process when the parent is gone: a reader that nobody watches may freeze the
// proxy.
func (b *Beats) reportForever() {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	last := time.Now()
	for now := range ticker.C {
		b.send(b.look(now.Sub(last)))
		last = now
	}
}

// send writes one report. It never blocks: when the parent is stopped and the
// pipe is full (EAGAIN), the report is not needed.
func (b *Beats) send(r report) {
	var buf [reportSize]byte
	r.encode(&buf)
	_, err := syscall.Write(b.fd, buf[:])
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.EBADF) {
		fmt.Fprintln(os.Stderr, "byeguard: the watchdog's parent process is gone, ending")
		os.Exit(exitOrphan) //nolint:forbidigo // nobody is left to return to, and a reader must not live on
	}
}

// look asks all sources, passed being the time since it was done last. A tick
// that came late (the process was stopped, the machine slept) does not age the
// sources by more than two intervals: they could not run either. If only this
// process was stopped, the parent has noticed the silence by itself.
func (b *Beats) look(passed time.Duration) report {
	step := min(passed, 2*interval)
	r := report{ready: b.ready.Load()}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.sources {
		if age := s.silence(step); age > r.age {
			r.age, r.source = age, s.name
		}
	}
	return r
}
