package watchdog

import "time"

// backoff is the pause before each restart: none before the first in a row,
// then base, doubled each time up to limit.
type backoff struct {
	base, limit, healthy time.Duration
	next                 time.Duration
}

// pause returns the pause before the next restart, of a child that lived for
// the given time.
func (b *backoff) pause(lived time.Duration) time.Duration {
	if lived >= b.healthy {
		b.next = 0
	}
	d := b.next
	b.next = min(max(2*b.next, b.base), b.limit)
	return d
}
