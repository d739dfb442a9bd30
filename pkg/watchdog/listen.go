package watchdog

import (
	"errors"
	"fmt"
	"os"
	"time"
)

const (
	// wake is how often the listener looks at the clock even if nothing comes.
	wake = 100 * time.Millisecond
	// late is by how much the listener itself may be late before it takes its own
	// silence, and not the child's, for the reason that nothing came.
	late = 300 * time.Millisecond
	// linger is the shortest wait for a report. A read whose deadline has passed
	// already would not look at the pipe at all.
	linger = 5 * time.Millisecond
)

// listener judges a child by its reports.
type listener struct {
	stall   time.Duration
	startup time.Duration
	born    time.Time // start of the start-up time
	ready   bool      // start-up is over
	good    time.Time // ready: the last moment at which all sources were alive
	heard   time.Time // when the last report came
	silent  string    // its most silent source
	closed  bool      // the child closed its end
	buf     [64 * reportSize]byte
}

// listen reads reports until the child has ended ("") or must be killed (why).
func (l *listener) listen(pipe *os.File, ended <-chan struct{}) string {
	last := time.Now()
	for {
		l.read(pipe, ended, earlier(l.deadline(), last.Add(wake)))
		select {
		case <-ended:
			return ""
		default:
		}
		now := time.Now()
		if slept := now.Sub(last); slept > wake+late {
			l.forgive(now, slept)
		}
		last = now
		if now.Before(l.deadline()) {
			continue
		}
		// Reports that came while this goroutine waited for a core still count.
		l.read(pipe, ended, now)
		if time.Now().Before(l.deadline()) {
			continue
		}
		return l.charge(time.Now())
	}
}

// deadline is the moment at which the child is killed if it does not report
// before.
func (l *listener) deadline() time.Time {
	if l.ready {
		return l.good.Add(l.stall)
	}
	return l.born.Add(l.startup)
}

// read waits until the given moment for reports, and takes in what came.
func (l *listener) read(pipe *os.File, ended <-chan struct{}, until time.Time) {
	if soonest := time.Now().Add(linger); until.Before(soonest) {
		until = soonest
	}
	if l.closed {
		select {
		case <-ended:
		case <-time.After(time.Until(until)):
		}
		return
	}
	if err := pipe.SetReadDeadline(until); err != nil {
		l.closed = true
		return
	}
	n, err := pipe.Read(l.buf[:])
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		l.closed = true // io.EOF: the child has ended or is about to
	}
	now := time.Now()
	for at := 0; at+reportSize <= n; at += reportSize {
		if r, ok := decodeReport(l.buf[at : at+reportSize]); ok {
			l.take(r, now)
		}
	}
}

// take counts one report. One that lay in the pipe makes the child look younger
// than it is, never older.
func (l *listener) take(r report, now time.Time) {
	if !r.ready {
		return
	}
	l.ready = true
	l.heard = now
	l.good = now.Add(-r.age)
	l.silent = r.source
}

// forgive moves the deadlines: this process was itself stopped, or starved, or
// the machine was paused, so silence says nothing about the child.
func (l *listener) forgive(now time.Time, slept time.Duration) {
	l.good = now
	l.born = l.born.Add(slept)
}

// charge says what the child is killed for. While reports still came, the
// source that they name is to blame, else the process as a whole.
func (l *listener) charge(now time.Time) string {
	switch {
	case !l.ready:
		return fmt.Sprintf("not ready %v after its start", l.startup)
	case l.silent == "" || now.Sub(l.heard) > l.stall/2:
		return fmt.Sprintf("no heartbeat for %v", now.Sub(l.good).Round(time.Millisecond))
	default:
		return fmt.Sprintf("no heartbeat of %q for %v", l.silent, now.Sub(l.good).Round(time.Millisecond))
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
