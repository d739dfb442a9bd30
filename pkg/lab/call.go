package lab

import (
	"context"
	"fmt"
	"time"
)

// Call is one end's view of one dialog. Its methods are safe for concurrent
// use.
type Call struct {
	ua      *UA
	rec     Record
	bye     ByePolicy
	options OptionsPolicy
	sock    *socket // where it listens now

	localAddr, remoteAddr string // From and To values of its own requests, without tag
	accept                []string
	moveNext              bool

	// The INVITE of a placed call.
	inviteKey  string
	inviteCSeq uint32
	invite     *Message
	noAck      bool
	ackAfter   time.Duration
	ackRaw     []byte // of the 2xx's ACK, for its retransmissions
	ackFlow    flow
	forks      []*Call

	// The INVITE of a received call, and what was answered.
	inviteBranch string
	inviteFlow   flow
	answerRaw    []byte
	answerTimer  *time.Timer
	toHeaders    []string

	served  []*served // in-dialog requests that were answered, newest last
	waiters chan struct{}
}

// served is a server transaction: retransmissions get the same reply.
type served struct {
	branch, method string
	cseq           uint32
	raw            []byte // nil = no reply (yet)
	code           int    // of the reply
	bye            int    // index into rec.Byes, -1 = none
	timer          *time.Timer
	acked          bool
}

// maxServed is how many transactions of a call are remembered.
const maxServed = 8

// changed wakes the waiters. The caller holds the agent's mu.
func (c *Call) changed() {
	if c.waiters != nil {
		close(c.waiters)
		c.waiters = nil
	}
}

// Record returns a copy of what this end knows.
func (c *Call) Record() Record {
	c.ua.mu.Lock()
	defer c.ua.mu.Unlock()
	return c.copyRecord()
}

func (c *Call) copyRecord() Record {
	r := c.rec
	r.RouteSet = append([]string(nil), r.RouteSet...)
	r.Byes = append([]Bye(nil), r.Byes...)
	r.Violations = append([]Violation(nil), r.Violations...)
	r.Requests = append([]string(nil), r.Requests...)
	r.Options = append([]Options(nil), r.Options...)
	return r
}

// CallID returns the Call-ID.
func (c *Call) CallID() string { return c.rec.CallID } // never changes

// State returns how far the call is.
func (c *Call) State() State {
	c.ua.mu.Lock()
	defer c.ua.mu.Unlock()
	return c.rec.State
}

// ByesReceived returns the BYEs that came in, wrong and late ones too.
func (c *Call) ByesReceived() []Bye { return c.Record().ByesReceived() }

// Violations returns the breaches seen in this call.
func (c *Call) Violations() []Violation { return c.Record().Violations }

// Forks returns the further dialogs that answered the same INVITE with other
// To tags, in the order of their 2xx.
func (c *Call) Forks() []*Call {
	c.ua.mu.Lock()
	defer c.ua.mu.Unlock()
	return append([]*Call(nil), c.forks...)
}

// SetBye changes what this end does with BYEs.
func (c *Call) SetBye(p ByePolicy) {
	c.ua.mu.Lock()
	defer c.ua.mu.Unlock()
	c.bye = p
}

// SetOptions changes what this end does with OPTIONS.
func (c *Call) SetOptions(p OptionsPolicy) {
	c.ua.mu.Lock()
	defer c.ua.mu.Unlock()
	c.options = p
}

// Vanish ends the call at this end without telling anybody: a phone that lost
// power and came back, or whose BYE got lost on the way.
func (c *Call) Vanish() {
	c.ua.mu.Lock()
	defer c.ua.mu.Unlock()
	c.end("vanished", time.Now())
}

// Wait waits until the record satisfies want.
func (c *Call) Wait(ctx context.Context, want func(Record) bool) error {
	for {
		c.ua.mu.Lock()
		if want(c.rec) {
			c.ua.mu.Unlock()
			return nil
		}
		state, closed := c.rec.State, c.ua.closed
		if c.waiters == nil {
			c.waiters = make(chan struct{})
		}
		waiters := c.waiters
		c.ua.mu.Unlock()
		if closed {
			return fmt.Errorf("wait for call %s at %s (%s): user agent closed", c.rec.CallID, c.ua.opts.Name, state)
		}
		select {
		case <-waiters:
		case <-ctx.Done():
			return fmt.Errorf("wait for call %s at %s (%s): %w", c.rec.CallID, c.ua.opts.Name, state, ctx.Err())
		}
	}
}

// WaitUp waits until the call is answered and acknowledged; it fails at once
// when the call failed or ended.
func (c *Call) WaitUp(ctx context.Context) error {
	if err := c.Wait(ctx, func(r Record) bool {
		return r.State == StateUp || r.State == StateEnded || r.State == StateFailed
	}); err != nil {
		return err
	}
	if r := c.Record(); r.State == StateFailed || r.Acked.IsZero() {
		return fmt.Errorf("wait for call %s at %s: %s with %d", r.CallID, c.ua.opts.Name, r.State, r.Code)
	}
	return nil
}

// WaitEnded waits until a BYE ended the call at this end.
func (c *Call) WaitEnded(ctx context.Context) error {
	return c.Wait(ctx, func(r Record) bool { return r.State == StateEnded })
}

// end marks the call as over. The caller holds mu.
func (c *Call) end(by string, at time.Time) {
	if c.rec.State == StateEnded {
		return
	}
	c.rec.State, c.rec.EndedBy, c.rec.Ended = StateEnded, by, at
	c.stopAnswer()
	c.changed()
}

func (c *Call) stopAnswer() {
	if c.answerTimer != nil {
		c.answerTimer.Stop()
		c.answerTimer = nil
	}
}
