package web

import (
	"sync"
	"time"
)

// limits slow down whoever guesses passwords: after some failures in a row an
// address or a user's name has to wait, longer each time. What is kept is bounded.
type limits struct {
	mu   sync.Mutex
	tale map[string]*failures
}

type failures struct {
	n    int
	last time.Time
}

const (
	freeTries   = 5                // failures before anybody waits
	longestWait = time.Minute      // between two tries
	forgetAfter = 30 * time.Minute // of peace
	maxLimits   = 20_000
)

func newLimits() *limits { return &limits{tale: map[string]*failures{}} }

// wait says how long the next try has to wait, 0 = not at all.
func (l *limits) wait(now time.Time, keys ...string) (longest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range keys {
		if f := l.tale[k]; f != nil {
			longest = max(longest, f.last.Add(f.pause()).Sub(now))
		}
	}
	return longest
}

func (f *failures) pause() time.Duration {
	if f.n < freeTries {
		return 0
	}
	return min(time.Second<<min(f.n-freeTries, 10), longestWait)
}

func (l *limits) failed(now time.Time, keys ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.tale)+len(keys) > maxLimits {
		for k, f := range l.tale {
			if now.Sub(f.last) > forgetAfter {
				delete(l.tale, k)
			}
		}
		for k := range l.tale { // a flood of addresses: any of them may go
			if len(l.tale)+len(keys) <= maxLimits {
				break
			}
			delete(l.tale, k)
		}
	}
	for _, k := range keys {
		f := l.tale[k]
		if f == nil || now.Sub(f.last) > forgetAfter {
			f = &failures{}
			l.tale[k] = f
		}
		f.n++
		f.last = now
	}
}

func (l *limits) succeeded(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.tale, key)
}
