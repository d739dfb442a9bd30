package app

import (
	"sync"
	"time"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/store"
)

// recent counts what happened within the last minute.
type recent struct {
	mu    sync.Mutex
	count [60]int
	at    int64 // second of the newest
}

func (r *recent) forward(now time.Time) {
	sec := now.Unix()
	if sec-r.at >= int64(len(r.count)) {
		r.count, r.at = [60]int{}, sec
	}
	for ; r.at < sec; r.at++ {
		r.count[(r.at+1)%int64(len(r.count))] = 0
	}
}

func (r *recent) add(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forward(now)
	r.count[r.at%int64(len(r.count))]++
}

func (r *recent) sum(now time.Time) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forward(now)
	for _, c := range r.count {
		n += c
	}
	return n
}

// minute counts incidents of one side that was not told of the end.
func (a *App) minute(r *store.Raised) {
	if r.Incident.Kind == call.IncidentOneSided && !r.Incident.Resolved {
		a.oneSided.add(a.now())
	}
}
