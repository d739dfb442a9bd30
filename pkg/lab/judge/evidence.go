package judge

import "time"

// Evidence is everything that is judged.
type Evidence struct {
	Calls   []Call
	Records []Record // all rows of byeguard.cdrs
	// Violations are breaches of SIP that an agent saw, as text.
	Violations []string
	// Held are the Call-IDs of the dialogs that Kamailio has as confirmed.
	Held []string
	// Incidents are those that byeguard has open at the end, as text.
	Incidents []string
	// Step is byeguard's cseq_step: its BYEs go at least so far above the last
	// CSeq, while Kamailio counts on by one.
	Step uint32
}

// Call is one call as both of its ends know it.
type Call struct {
	ID   string
	Stay bool // it was to stay up; else Kamailio was told to end it
	// Ordered is when somebody first told Kamailio to end it; zero = nobody did.
	Ordered        time.Time
	Caller, Callee End
	// Untold says that nobody could tell byeguard of the call: no record of it is
	// no fault then.
	Untold bool
	// Proof is what a staying call's callee answered to the caller's re-INVITE
	// at the end of the run, 0 = nothing.
	Proof int
}

// End is what one agent recorded of its leg.
type End struct {
	Up              bool
	Began           time.Time // the INVITE was sent or received
	Answered, Ended time.Time
	Byes            []Bye // received, in order
	// SentBye is when it sent a BYE itself; zero = it did not.
	SentBye time.Time
	// Upset are requests of the other end that this one refused with 500, for
	// somebody had used up their CSeq in the other's name, as text.
	Upset []string
}

// Bye is one BYE that an agent received, retransmissions counted once.
type Bye struct {
	At time.Time
	// Ended says that the agent ended its call because of it: it was right, and
	// the call was up.
	Ended bool
	// Ahead is how far its CSeq is above the last one that the other end, in
	// whose name it comes, has used itself.
	Ahead int64
}

// Record is a row of byeguard.cdrs, as far as it is judged.
type Record struct {
	CallID      string
	Final       bool
	Disposition string
	ReleasedBy  string
	Repaired    bool
	RepairedLeg string
	Duration    time.Duration // negative = NULL
}
