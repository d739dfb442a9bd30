package kamailiocfg_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// cpu is the processor time that the proxy and all of its processes have used, in
// ticks of 10 ms (proc(5), stat: utime and stime).
func (p *proxy) cpu() time.Duration {
	var sum time.Duration
	for _, d := range p.cpuOf() {
		sum += d
	}
	return sum
}

// cpuOf is the same by process.
func (p *proxy) cpuOf() map[int]time.Duration {
	p.t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(p.t, err)
	used := map[int]time.Duration{}
	for _, file := range stats {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // gone meanwhile
		}
		f := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
		if pgrp, _ := strconv.Atoi(f[2]); pgrp != p.cmd.Process.Pid {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		for _, n := range f[11:13] {
			ticks, _ := strconv.Atoi(n)
			used[pid] += time.Duration(ticks) * 10 * time.Millisecond
		}
	}
	return used
}

// BenchmarkEventCost is what one event costs Kamailio, all processes together:
// the lab's loop alone, an event with no reader, and one built, relayed, dispatched
// and acknowledged.
func BenchmarkEventCost(b *testing.B) {
	const events, batch = 200000, 1000
	for _, c := range []struct {
		name, kind string
		reader     bool
	}{{"loop", "none", false}, {"closed", "bye_in", false}, {"open", "bye_in", true}} {
		b.Run(c.name, func(b *testing.B) {
			for range b.N {
				p := startProxy(b, "-A", "LAB", "-A", "BYEGUARD_CREDIT=100000")
				p.noisy = true
				var r *readerProcess
				if c.reader {
					r = startReader(b, p.evapi, 16)
				}
				before := p.cpu()
				for range events / batch {
					p.emit(batch, "X-Lab-Kind: "+c.kind, "Reason: Q.850;cause=16;text=\"NORMAL_CLEARING\"")
				}
				b.ReportMetric(float64((p.cpu()-before).Nanoseconds())/1000/events, "cpu-µs/event")
				b.Log(p.cpuOf())
				if r != nil {
					require.Greater(b, r.finish().Frames, events*99/100)
				}
			}
		})
	}
}

// BenchmarkCallCost is what one plain call (INVITE, 180, 200, ACK, BYE, 200) costs
// Kamailio with the gate closed and with a healthy reader.
func BenchmarkCallCost(b *testing.B) {
	const calls = 3000
	for _, c := range []struct {
		name   string
		reader bool
		args   []string
	}{{"closed", false, nil}, {"open", true, nil}} {
		b.Run(c.name, func(b *testing.B) {
			for range b.N {
				p := startProxy(b, append([]string{"-A", "LAB"}, c.args...)...)
				p.noisy = true
				var r *readerProcess
				if c.reader {
					r = startReader(b, p.evapi, 16)
				}
				caller := newPhone(b)
				before := p.cpu()
				for range calls {
					k := newTalk(p)
					k.caller.conn.Close()
					k.caller = caller
					k.establish()
					k.bye()
				}
				b.ReportMetric(float64((p.cpu()-before).Nanoseconds())/1000/calls, "cpu-µs/call")
				b.Log(p.cpuOf())
				if r != nil {
					rep := r.finish()
					b.ReportMetric(float64(rep.Frames)/calls, "events/call")
				}
			}
		})
	}
}
