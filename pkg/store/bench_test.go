package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
)

// BenchmarkCalls writes whole calls as a daemon at 200 calls a second does: the
// starts of 100 calls in one flush, their ends in a later one. It reports CPU
// time (user and system) a call: of PostgreSQL with all its processes, and of
// this process, which is the store alone while the timer runs.
func BenchmarkCalls(b *testing.B) {
	url := database(b)
	opts := options(b, url)
	opts.FlushEvery = time.Hour
	s := run(b, opts)
	const group = 100 // 200 calls/s × 500 ms
	const apart = 10  // flushes between a call's start and its end
	now := time.Now()
	var up [][]*testCall
	var own time.Duration
	write := func(updates []call.Update) {
		before := ownCPU(b)
		s.Put(updates)
		s.flush()
		own += ownCPU(b) - before
	}
	s.flush()
	server := serverCPU(b)
	b.ResetTimer()
	for i := 0; i < b.N || len(up) > 0; i += group {
		b.StopTimer()
		var begin, end []call.Update
		if i < b.N {
			var calls []*testCall
			for j := range min(group, b.N-i) {
				c := newCall(fmt.Sprintf("%d-%08x@198.51.100.17", i+j, i*7+j), now.Add(time.Duration(i+j)*5*time.Millisecond))
				calls = append(calls, c)
				begin = append(begin, c.start().confirm().rest()...)
			}
			up = append(up, calls)
		}
		if i >= apart*group || i >= b.N {
			for _, c := range up[0] {
				c.at += 30 * second
				end = append(end, c.hangup().rest()...)
				if !c.c.State.Final() {
					b.Fatal("the call is not done:", c.c.State)
				}
			}
			up = up[1:]
		}
		b.StartTimer()
		write(append(begin, end...))
	}
	b.StopTimer()
	n := float64(b.N)
	b.ReportMetric(float64((serverCPU(b)-server).Microseconds())/n, "postgres-µs/call")
	b.ReportMetric(float64(own.Microseconds())/n, "store-µs/call")
	b.ReportMetric(float64(s.Stats().Evidence)/n, "evidence/call")
}

// BenchmarkPut is what the caller of Put pays, a whole call an operation.
func BenchmarkPut(b *testing.B) {
	opts := options(b, database(b))
	opts.FlushEvery, opts.FlushCalls, opts.MaxEvidence = time.Hour, 1<<30, 10_000
	s := run(b, opts)
	var calls [1000][]call.Update
	for i := range calls {
		c := newCall("call-"+strconv.Itoa(i), time.Now())
		calls[i] = c.start().confirm().hangup().rest()
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Put(calls[i%len(calls)])
	}
}

// serverCPU is the CPU time of the laboratory's PostgreSQL, ended backends
// included.
func serverCPU(b *testing.B) time.Duration {
	b.Helper()
	pid := shared.Pid()
	total := procCPU(b, pid, true)
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(b, err)
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has just ended
		}
		if f := fields(string(text)); f[1] == strconv.Itoa(pid) {
			child, err := strconv.Atoi(strings.Split(path, "/")[2])
			require.NoError(b, err)
			total += procCPU(b, child, false)
		}
	}
	return total
}

// procCPU is user and system time of a process; with waited, that of its ended
// children too (proc(5): utime, stime, cutime, cstime; 100 ticks a second).
func procCPU(b *testing.B, pid int, waited bool) (d time.Duration) {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if os.IsNotExist(err) {
		return 0
	}
	require.NoError(b, err)
	f := fields(string(text))
	last := 13
	if waited {
		last = 15
	}
	for _, ticks := range f[11:last] {
		n, err := strconv.Atoi(ticks)
		require.NoError(b, err)
		d += time.Duration(n) * 10 * time.Millisecond
	}
	return d
}

// fields returns those after the program's name.
func fields(stat string) []string {
	return strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
}

func ownCPU(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
