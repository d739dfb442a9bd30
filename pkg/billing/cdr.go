// Package billing turns what is known of a call into the record that people
// bill from. It reckons with the proxy's clock alone and never guesses: a time
// that was not seen is absent, not zero.
package billing

import (
	"time"

	"github.com/byeguard/byeguard/pkg/call"
)

// State of a CDR.
type State string

// States of a CDR: open from answer on, final when both legs are accounted for.
const (
	StateOpen  State = "open"
	StateFinal State = "final"
)

// Disposition says what became of the call attempt.
type Disposition string

// Dispositions. Partial: byeguard saw only the end of the call.
const (
	DispositionAnswered Disposition = "answered"
	DispositionFailed   Disposition = "failed"
	DispositionPartial  Disposition = "partial"
)

// CDR is one call's record. There is one a call (Key); the store keeps the
// highest Version and never turns a final one back.
type CDR struct {
	Key         call.Key
	Version     uint64
	State       State
	Disposition Disposition
	Node        string
	CallID      string
	CallerTag   string
	CalleeTag   string
	CallerURI   string
	CalleeURI   string
	CallerAddr  string // "ip:port" that the caller's messages come from; "" = not seen
	CalleeAddr  string // the same of the callee: the carrier's gateway

	Started  time.Time     // setup, else answer, else the first event; never changes
	Setup    time.Time     // INVITE; zero = not seen
	Answer   time.Time     // 200 OK; zero = never answered, or not seen
	Confirm  time.Time     // ACK
	End      time.Time     // the first BYE seen or built, or the failure; zero = still up
	Duration time.Duration // Answer to End; 0 while open or when either is not known

	CallerEnd   time.Time     // when the caller's leg ended
	CallerHow   call.LegState // and how it is known
	CalleeEnd   time.Time
	CalleeHow   call.LegState
	Released    call.Releaser
	Code        int           // final SIP code of the INVITE
	Cause       string        // Reason header of the BYE, or the failure's reason phrase
	Overrun     time.Duration // how long the callee's leg ran on after End; an upper bound where CalleeHow is "gone"
	Repaired    bool          // byeguard's BYE was answered 2xx: that leg was really up
	RepairedLeg call.Side
	RepairWhy   call.Reason
	Attempts    int // BYEs that byeguard sent
}

// FromCall returns the record of a call as it stands; ok is false while the
// call has none: nothing but strays was seen of it.
func FromCall(c *call.Call) (cdr CDR, ok bool) {
	if c.State == call.StateNew {
		return CDR{}, false
	}
	caller, callee := c.Leg(call.Caller), c.Leg(call.Callee)
	cdr = CDR{
		Key: c.Key, Version: c.Version, State: StateOpen, Disposition: DispositionAnswered,
		Node: c.Node, CallID: c.CallID,
		CallerTag: caller.Tag, CalleeTag: callee.Tag, CallerURI: caller.URI, CalleeURI: callee.URI,
		CallerAddr: caller.Source, CalleeAddr: callee.Source,
		Setup: at(c.SetupAt), Answer: at(c.AnswerAt), Confirm: at(c.ConfirmAt), End: at(c.EndAt),
		CallerEnd: at(caller.EndAt), CallerHow: caller.Status(),
		CalleeEnd: at(callee.EndAt), CalleeHow: callee.Status(),
		Released: c.Released, Code: int(c.Code), Cause: c.Cause,
		Repaired: c.Repaired != call.ReasonNone, RepairWhy: c.Repaired,
		Attempts: caller.Sent() + callee.Sent(),
	}
	cdr.Started = at(c.StartedAt())
	if c.State.Final() {
		cdr.State = StateFinal
	}
	switch {
	case c.State == call.StateFailed:
		cdr.Disposition = DispositionFailed
	case c.AnswerAt == 0 && !c.Known:
		cdr.Disposition = DispositionPartial
	}
	if c.AnswerAt != 0 && c.EndAt > c.AnswerAt {
		cdr.Duration = time.Duration(c.EndAt-c.AnswerAt) * time.Microsecond
	}
	if callee.EndAt > c.EndAt && c.EndAt != 0 {
		cdr.Overrun = time.Duration(callee.EndAt-c.EndAt) * time.Microsecond
	}
	if cdr.Repaired {
		cdr.RepairedLeg = c.RepairedLeg()
	}
	return cdr, true
}

func at(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
