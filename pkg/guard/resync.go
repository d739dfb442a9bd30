package guard

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/byeguard/byeguard/pkg/call"
)

// Lister lists all dialogs that one run of a proxy holds. What it hands to each
// is true by itself; what it did not hand over counts as absent only if it
// returns no error. Between questions it calls pause with what the last one took.
type Lister interface {
	Snapshot(ctx context.Context, boot int64,
		pause func(ctx context.Context, took time.Duration) error, each func([]call.Event)) error
}

// ResyncOptions say how a node's dialogs are looked through.
type ResyncOptions struct {
	Delay      time.Duration // from the first cause to the first question, so that several causes make one; default 500 ms
	Jitter     time.Duration // at most so much more, for the nodes of a site; default 500 ms
	SecondLook time.Duration // what is missing is looked for again so much later; default 1 s
	Every      time.Duration // from the end of one to the next: four times what it took, a second at the least, and at most this; default 10 s
	Retry      time.Duration // wait after a failure, doubled each time; default 2 s
	MaxRetry   time.Duration // up to this; default 1 min
	Share      float64       // of one worker's time of the proxy; default 0.25
}

func (o *ResyncOptions) defaults() {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.Delay, 500 * time.Millisecond}, {&o.Jitter, 500 * time.Millisecond}, {&o.SecondLook, time.Second},
		{&o.Every, 10 * time.Second}, {&o.Retry, 2 * time.Second}, {&o.MaxRetry, time.Minute},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if o.Share <= 0 || o.Share > 1 {
		o.Share = 0.25
	}
}

// Resynced tells how a resynchronisation went.
type Resynced struct {
	Node      string
	Boot      int64
	Listed    int // live dialogs that the proxy showed
	Vanished  int // dialogs that it does not hold any more, looked for twice
	Forgotten int // dialogs that it lost by a restart
	Took      time.Duration
	Err       error // nothing was concluded from what was not seen; it is tried again
	More      bool  // there was cause for another one meanwhile: it follows
}

// resyncer keeps one node's calls in line with its proxy: one look at a time.
type resyncer struct {
	node   string
	g      *Guard
	lister Lister
	holder Holder

	mu     sync.Mutex
	due    bool
	boot   int64 // of the newest cause
	anew   bool  // the proxy was restarted since the last look that went through
	open   bool  // there was a cause that no look has gone through for
	blind  bool  // so it was when the proxy was restarted: ends of calls may have been missed
	signal chan struct{}
}

// errFull is a lane that cannot take what a snapshot shows.
var errFull = errors.New("byeguard is too busy to take it")

// Resync has the node looked through: events of it were, or may have been,
// missed. boot is the run of the proxy that it is in now; restarted says that it was
// restarted, which boot, being a time in seconds, need not show. It never blocks;
// causes that come close together make one resynchronisation.
func (g *Guard) Resync(node string, boot int64, restarted bool) {
	r := g.resyncers[node]
	if r == nil {
		return
	}
	r.mu.Lock()
	r.blind = r.blind || restarted && !r.anew && r.open
	r.due, r.open, r.boot, r.anew = true, true, boot, r.anew || restarted
	r.mu.Unlock()
	select {
	case r.signal <- struct{}{}:
	default: // it is awake already
	}
}

func (r *resyncer) run(ctx context.Context) {
	o := &r.g.opts.Resync
	for {
		select {
		case <-r.signal:
		case <-ctx.Done():
			return
		}
		if wait(ctx, o.Delay+jitter(o.Jitter)) != nil {
			return
		}
		for retry := o.Retry; r.take(); retry = min(2*retry, o.MaxRetry) {
			report := r.once(ctx)
			if ctx.Err() != nil {
				return
			}
			r.mu.Lock()
			report.More = r.due
			r.open = r.open && (r.due || report.Err != nil)
			r.due = r.due || report.Err != nil
			r.mu.Unlock()
			if r.g.opts.Resynced != nil {
				r.g.opts.Resynced(report)
			}
			if report.Err == nil {
				if wait(ctx, min(o.Every, max(time.Second, 4*report.Took))) != nil {
					return
				}
				retry = o.Retry / 2
				continue
			}
			if !r.rest(ctx, retry+jitter(retry)) {
				retry = o.Retry / 2 // something happened: it may work now
			}
			if ctx.Err() != nil || wait(ctx, o.Delay) != nil {
				return
			}
		}
	}
}

// rest waits after a failure; false means that it was woken.
func (r *resyncer) rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.signal:
	case <-ctx.Done():
	}
	return false
}

func (r *resyncer) take() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	due := r.due
	r.due = false
	return due
}

// once looks through the node once.
func (r *resyncer) once(ctx context.Context) Resynced {
	r.mu.Lock()
	report, anew, blind := Resynced{Node: r.node, Boot: r.boot}, r.anew, r.blind
	r.anew, r.blind = false, false
	r.mu.Unlock()
	began := time.Now()
	report.Err = r.look(ctx, &report, anew, blind)
	if report.Err != nil && anew {
		r.mu.Lock()
		r.anew, r.blind = true, r.blind || blind
		r.mu.Unlock()
	}
	report.Took = time.Since(began)
	return report
}

func (r *resyncer) look(ctx context.Context, report *Resynced, anew, blind bool) error {
	shadow, err := r.shadow(ctx)
	if err != nil {
		return err
	}
	live, full := make(map[call.DialogID]string), false
	err = r.lister.Snapshot(ctx, report.Boot, r.pause, func(events []call.Event) {
		full = !r.feed(r.listed(events, report.Boot, live)) || full
	})
	if err == nil && full {
		err = fmt.Errorf("take over dialogs: %w", errFull)
	}
	if err != nil {
		return err
	}
	report.Listed = len(live)
	missing, forgotten := call.Diff(shadow, report.Boot, live)
	if anew { // nobody can say whether the proxy let go of them or forgot them
		missing, forgotten = nil, append(forgotten, missing...)
	}
	if err := r.forget(ctx, forgotten, blind, report); err != nil {
		return err
	}
	// What a proxy told of a call while it was asked about wins over the answer,
	// so what is still up after that is asked about again.
	for range 3 {
		if len(missing) == 0 {
			return nil
		}
		if err := wait(ctx, r.g.opts.Resync.SecondLook); err != nil {
			return err
		}
		gone, err := r.ask(ctx, missing)
		if err != nil {
			return err
		}
		if shadow, err = r.shadow(ctx); err != nil {
			return err
		}
		missing = both(gone, shadow)
		report.Vanished += len(gone) - len(missing)
	}
	return nil
}

// listed makes events of what a part of the snapshot shows: live dialogs only.
func (r *resyncer) listed(events []call.Event, boot int64, live map[call.DialogID]string) []call.Event {
	seen := r.g.opts.Clock().UnixMicro()
	up := events[:0]
	for i := range events {
		ev := &events[i]
		if ev.State != call.DialogConfirmedNA && ev.State != call.DialogConfirmed {
			continue
		}
		live[ev.Dialog] = ev.CallID
		ev.Node, ev.Boot, ev.Seen = r.node, boot, seen
		up = append(up, *ev)
	}
	return up
}

// ask looks for dialogs one by one and tells of those that are gone; it returns
// them. An answer that is none ends it.
func (r *resyncer) ask(ctx context.Context, missing []call.Question) (gone []call.Question, err error) {
	for _, q := range missing {
		since, began := r.g.opts.Clock().UnixMicro(), time.Now()
		held, err := r.holder.Holds(ctx, q)
		if err != nil {
			return gone, err
		}
		if held == call.HeldNo {
			ev := r.event(call.KindVanished, q, q.Boot)
			ev.Dialog, ev.Since = q.Dialog, since
			if !r.feed([]call.Event{ev}) {
				return gone, fmt.Errorf("mark vanished calls: %w", errFull)
			}
			gone = append(gone, q)
		}
		if err := r.pause(ctx, time.Since(began)); err != nil {
			return gone, err
		}
	}
	return gone, nil
}

// forget marks the calls whose dialogs the proxy lost by a restart, not more at
// a time than a lane takes in its stride.
func (r *resyncer) forget(ctx context.Context, forgotten []call.Question, blind bool, report *Resynced) error {
	const most = 1000
	for len(forgotten) > 0 {
		var events []call.Event
		for _, q := range forgotten[:min(most, len(forgotten))] {
			ev := r.event(call.KindRestarted, q, report.Boot)
			ev.Dialog = q.Dialog
			if blind {
				ev.Since = ev.Seen
			}
			events = append(events, ev)
		}
		if !r.feed(events) {
			return fmt.Errorf("mark calls after a restart: %w", errFull)
		}
		if err := r.each(ctx, func(*lane) {}); err != nil {
			return err
		}
		forgotten = forgotten[len(events):]
		report.Forgotten += len(events)
	}
	return nil
}

func (r *resyncer) event(kind call.Kind, q call.Question, boot int64) call.Event {
	return call.Event{
		Kind: kind, Node: r.node, Boot: boot, CallID: q.CallID, FromTag: q.FromTag, ToTag: q.ToTag,
		Seen: r.g.opts.Clock().UnixMicro(),
	}
}

func (r *resyncer) feed(events []call.Event) bool { return len(events) == 0 || r.g.Feed(events) }

// pause leaves the proxy's worker to others for the rest of its time.
func (r *resyncer) pause(ctx context.Context, took time.Duration) error {
	return wait(ctx, max(time.Millisecond, time.Duration(float64(took)*(1/r.g.opts.Resync.Share-1))))
}

// shadow asks all lanes which dialogs of the node they take for held.
func (r *resyncer) shadow(ctx context.Context) ([]call.Question, error) {
	var all []call.Question
	err := r.each(ctx, func(l *lane) { all = l.shadow(r.node, all) })
	return all, err
}

// each has every lane do something, one after the other, after what was fed
// before.
func (r *resyncer) each(ctx context.Context, do func(*lane)) error {
	for _, l := range r.g.lanes {
		done := make(chan struct{})
		l.order(func() { do(l); close(done) })
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// both returns the questions of a whose dialogs are in b too.
func both(a, b []call.Question) []call.Question {
	in := make(map[call.DialogID]string, len(b))
	for _, q := range b {
		in[q.Dialog] = q.CallID
	}
	var left []call.Question
	for _, q := range a {
		if id, ok := in[q.Dialog]; ok && id == q.CallID {
			left = append(left, q)
		}
	}
	return left
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func jitter(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	return rand.N(most)
}
