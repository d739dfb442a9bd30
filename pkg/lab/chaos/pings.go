package chaos

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/byeguard/byeguard/pkg/lab"
	"github.com/byeguard/byeguard/pkg/lab/judge"
)

// PingStats are the answer times of one proxy.
type PingStats struct {
	Sent, Lost, Late         int
	Median, P99, P999, Worst time.Duration
}

// pinger sends an OPTIONS to the guarded proxy, and at the same moment one to
// its twin without byeguard.
type pinger struct {
	guarded, twin string
	workers       *workers

	mu      sync.Mutex
	down    bool // we stopped the guarded proxy ourselves
	downEnd time.Time
	pings   []judge.Ping // late ones, or all while the twin's neighbours are not known
	twins   []twinPing
	took    [2][]time.Duration
	lost    [2]int
	late    [2]int
	skipped int // while the proxy was down
}

type twinPing struct {
	at   time.Time
	took time.Duration
}

const (
	pingEvery = 20 * ms
	pingLimit = 2 * time.Second
	// lookAfter is when an answer is so overdue that the workers are looked at.
	lookAfter = judge.LatePing / 2
	// around is how far from a late answer its twins are looked at.
	around = 150 * ms
)

// run pings until ctx ends, and waits for the last answers.
func (p *pinger) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		wg.Go(func() { p.ping(p.guarded, true) })
		wg.Go(func() { p.ping(p.twin, false) })
	}
}

func (p *pinger) ping(addr string, guarded bool) {
	ping := judge.Ping{At: time.Now()}
	done := make(chan struct{})
	look := time.AfterFunc(lookAfter, func() {
		defer close(done)
		if guarded {
			ping.Waiting, ping.Looked = p.workers.waiting()
		}
	})
	var err error
	if ping.Took, err = lab.Ping(context.Background(), addr, pingLimit); err != nil {
		ping.Took = -1
	}
	if look.Stop() {
		// The answer came before anybody had to look. If it came late
		// nevertheless, it was this process that did not run.
		ping.Looked = true
	} else {
		<-done
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !guarded:
		p.twins = append(p.twins, twinPing{ping.At, ping.Took})
		p.count(1, ping.Took)
	case p.down || ping.At.Before(p.downEnd):
		p.skipped++
	default:
		p.count(0, ping.Took)
		if ping.Late() {
			p.pings = append(p.pings, ping)
		}
	}
}

func (p *pinger) count(which int, took time.Duration) {
	switch {
	case took < 0:
		p.lost[which]++
	case took > judge.LatePing:
		p.late[which]++
		fallthrough
	default:
		p.took[which] = append(p.took[which], took)
	}
}

// setDown says whether we have stopped the guarded proxy ourselves. What was
// sent meanwhile, or is still under way, is not counted.
func (p *pinger) setDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
	p.downEnd = time.Now().Add(time.Second)
	if down {
		// Those under way may get no answer any more.
		since := time.Now().Add(-pingLimit)
		p.pings = slices.DeleteFunc(p.pings, func(x judge.Ping) bool { return x.At.After(since) && x.Took < 0 })
	}
}

// result returns the late ones, each with its twin, and how all went.
func (p *pinger) result() (late []judge.Ping, guarded, twin PingStats) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, ping := range p.pings {
		for _, t := range p.twins {
			if t.at.Sub(ping.At).Abs() > around {
				continue
			}
			if t.took < 0 || ping.Twin >= 0 && t.took > ping.Twin {
				ping.Twin = t.took
			}
		}
		late = append(late, ping)
	}
	return late, p.stats(0), p.stats(1)
}

func (p *pinger) stats(which int) PingStats {
	all := slices.Clone(p.took[which])
	s := PingStats{Sent: len(all) + p.lost[which], Lost: p.lost[which], Late: p.late[which]}
	if len(all) == 0 {
		return s
	}
	slices.Sort(all)
	at := func(q float64) time.Duration { return all[int(q*float64(len(all)-1))] }
	s.Median, s.P99, s.P999, s.Worst = at(.5), at(.99), at(.999), at(1)
	return s
}

// workers are the guarded proxy's SIP workers for UDP, as the kernel shows them.
type workers struct {
	mu   sync.Mutex
	pids []int
}

// find asks Kamailio for its processes.
func (w *workers) find(ctx context.Context, rpc *lab.RPC) error {
	var list []any // pid, name, pid, name ...
	if err := rpc.Call(ctx, &list, "core.ps"); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pids = nil
	for i := 0; i+1 < len(list); i += 2 {
		pid, ok1 := list[i].(float64)
		name, ok2 := list[i+1].(string)
		if ok1 && ok2 && strings.Contains(name, "udp receiver") {
			w.pids = append(w.pids, int(pid))
		}
	}
	return nil
}

// waiting says whether the proxy waits for byeguard: no worker is idle, and one at
// least is blocked in write(2), which is how a worker waits for evapi's dispatcher,
// and for nothing else. ok says that the kernel let us look.
func (w *workers) waiting() (waiting, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, pid := range w.pids {
		// proc_pid_syscall(5): the number of the call it is blocked in, or
		// "running".
		raw, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "syscall"))
		if err != nil {
			return false, false
		}
		switch number, _, _ := strings.Cut(strings.TrimSpace(string(raw)), " "); number {
		case strconv.Itoa(unix.SYS_RECVFROM), strconv.Itoa(unix.SYS_RECVMSG):
			return false, true
		case strconv.Itoa(unix.SYS_WRITE):
			waiting = true
		}
	}
	return waiting, len(w.pids) > 0
}
