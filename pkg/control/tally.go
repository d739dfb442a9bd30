package control

import (
	"fmt"
	"time"
)

// minute is the time in which the share of live calls counts.
const minute = time.Minute

// pardon is how long what waited may go out after a resume without counting.
const pardon = time.Hour

// tally counts the BYEs on inference of one node.
type tally struct {
	sent    []time.Time // of the last minute, oldest first; at most a few more than the limits allow
	waiting int         // commands that a stop keeps back
	free    int         // commands that a person let go although they would be too many
	freed   time.Time   // and when; zero = not yet looked at
}

// wait notes that a command was kept back by the stop.
func (t *tally) wait() { t.waiting++ }

// forgive lets what waits go, and begins to count anew.
func (t *tally) forgive() {
	t.free, t.waiting, t.sent, t.freed = t.waiting, 0, nil, time.Time{}
}

// add counts one more. If that is too many it is not counted, and what is wrong
// is said in one sentence.
func (t *tally) add(now time.Time, o *Options) string {
	if t.free > 0 {
		if t.freed.IsZero() {
			t.freed = now
		}
		if now.Sub(t.freed) < pardon {
			t.free--
			return ""
		}
		t.free = 0
	}
	for len(t.sent) > 0 && now.Sub(t.sent[0]) >= minute {
		t.sent = t.sent[1:]
	}
	second := 1
	for i := len(t.sent) - 1; i >= 0 && now.Sub(t.sent[i]) < time.Second; i-- {
		second++
	}
	if float64(second) > max(o.Rate, 1) {
		return fmt.Sprintf("more than %g BYEs a second rest on inference", o.Rate)
	}
	inMinute := len(t.sent) + 1
	if live := o.Live(); inMinute > o.Floor && float64(inMinute) > o.Share*float64(live) {
		return fmt.Sprintf("%d BYEs within a minute rest on inference, with %d live calls", inMinute, live)
	}
	t.sent = append(t.sent, now)
	return ""
}
