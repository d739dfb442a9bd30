package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of CPU times in /proc/PID/stat, 1/USER_HZ (proc(5)); it
// is 100 on every architecture that Linux runs on today.
const clockTick = time.Second / 100

// usage is one process' place in the tree and what it used.
type usage struct {
	parent int
	cpu    time.Duration
}

// CPUTime returns what a process, its living descendants and the children that
// they have reaped have used of CPU: Kamailio's by [Kamailio.Pid], PostgreSQL's
// by [PostgresPid]. Living processes count by the nanosecond, reaped ones by
// 10 ms.
func CPUTime(pid int) (time.Duration, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, fmt.Errorf("read processes: %w", err)
	}
	all := make(map[int]usage)
	for _, e := range entries {
		if id, err := strconv.Atoi(e.Name()); err == nil {
			if u, ok := readUsage(id); ok {
				all[id] = u
			}
		}
	}
	if _, ok := all[pid]; !ok {
		return 0, fmt.Errorf("read CPU time of process %d: it does not run", pid)
	}
	var sum time.Duration
	for id := range all {
		// The chain of parents is short and ends at 0.
		for at := id; at != 0; at = all[at].parent {
			if at == pid {
				sum += all[id].cpu
				break
			}
		}
	}
	return sum, nil
}

// readUsage is not ok for a process that has ended.
func readUsage(pid int) (usage, bool) {
	dir := "/proc/" + strconv.Itoa(pid)
	raw, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return usage{}, false
	}
	// The name, in parentheses, may hold anything; fields 3, 4 ... follow.
	text := string(raw)
	f := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(f) < 15 {
		return usage{}, false
	}
	number := func(i int) int64 {
		n, err := strconv.ParseInt(f[i], 10, 64)
		if err != nil {
			return 0
		}
		return n
	}
	u := usage{parent: int(number(1))}
	u.cpu = time.Duration(number(13)+number(14)) * clockTick // cutime, cstime
	own, ok := exactTime(dir)
	if !ok {
		own = time.Duration(number(11)+number(12)) * clockTick // utime, stime
	}
	u.cpu += own
	return u, true
}

// exactTime sums the threads' time on a CPU in ns (Documentation/scheduler/
// sched-stats). Kernels without it have no such file.
func exactTime(dir string) (time.Duration, bool) {
	files, err := filepath.Glob(dir + "/task/*/schedstat")
	if err != nil || len(files) == 0 {
		return 0, false
	}
	var sum int64
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // a thread that has ended
		}
		first, _, _ := strings.Cut(string(raw), " ")
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, false
		}
		sum += n
	}
	return time.Duration(sum), sum > 0
}
