package lab

import (
	"fmt"
	"time"
)

// State is how far a call is, as its own end sees it.
type State string

// States of a call.
const (
	StateCalling  State = "calling"  // INVITE sent or received
	StateRinging  State = "ringing"  // 18x sent or received
	StateAnswered State = "answered" // 2xx sent, no ACK yet
	StateUp       State = "up"       // 2xx and ACK
	StateEnded    State = "ended"    // a BYE was sent, or received and accepted
	StateFailed   State = "failed"   // refused, cancelled or timed out
)

// Live says that the end holds a call that was answered and not ended.
func (s State) Live() bool { return s == StateAnswered || s == StateUp }

// Bye is one BYE of a call and what became of it. Retransmissions are Copies
// of it.
type Bye struct {
	Sent     bool      // by this end; else received
	At       time.Time // of the first copy
	Copies   int
	CSeq     uint32
	Peer     string // host:port it came from or went to
	URI      string // Request-URI
	Reason   string // Reason header
	Code     int    // reply; 0 = none (yet). 408 for a sent one that timed out
	ReplyAt  time.Time
	Late     bool   // received after the call had ended: answered 481, no violation
	Violated string // why it was refused, "" = it was right
	Raw      string // the message
}

// Options is one OPTIONS that came in within a call.
type Options struct {
	At   time.Time
	CSeq uint32
	Code int // what it was answered, 0 = nothing
}

// Violation kinds.
const (
	ViolationTags    = "tags"        // not exactly the dialog's tags, one each
	ViolationURI     = "request-uri" // not the current target
	ViolationRoute   = "route"       // a Route left over
	ViolationCSeq    = "cseq"        // not above the last one
	ViolationUnknown = "unknown"     // a dialog that never was
	ViolationMerged  = "merged"      // the same INVITE by two ways
	ViolationNoAck   = "no-ack"      // no ACK for 32 s
	ViolationReply   = "reply"       // a response with wrong tags
)

// Violation is a breach of the protocol that an agent saw.
type Violation struct {
	Kind   string
	At     time.Time
	CallID string
	Method string
	CSeq   uint32 // of the message
	Last   uint32 // the highest CSeq from the peer before it
	From   string // host:port
	Detail string
}

// String is for people.
func (v Violation) String() string {
	return fmt.Sprintf("%s: %s from %s, call %s: %s", v.Kind, v.Method, v.From, v.CallID, v.Detail)
}

// Record is everything that one end knows of a call, at one moment.
type Record struct {
	CallID, LocalTag, RemoteTag string

	Caller   bool // this end placed the call
	State    State
	Code     int    // final response to the INVITE, 0 = none
	EndedBy  string // "local", "remote", "vanished" or ""
	Contact  string // the Contact URI that this end gave last
	Target   string // the peer's
	RouteSet []string

	LocalCSeq, RemoteCSeq uint32 // highest so far

	Invited, Ringing, Answered, Acked, Ended time.Time

	Byes       []Bye
	Violations []Violation
	Requests   []string // method of each other in-dialog request that was accepted
	Options    []Options
}

// ByesReceived are the BYEs that came in, wrong ones too.
func (r Record) ByesReceived() []Bye { return r.byes(false) }

// ByesSent are the BYEs that went out.
func (r Record) ByesSent() []Bye { return r.byes(true) }

func (r Record) byes(sent bool) []Bye {
	var out []Bye
	for _, b := range r.Byes {
		if b.Sent == sent {
			out = append(out, b)
		}
	}
	return out
}
