package call

import "time"

// Policy holds the times and steps that decisions depend on.
type Policy struct {
	Grace     time.Duration   // how long a second BYE of the proxy may take; default 250 ms
	NoReply   time.Duration   // when a BYE without final reply counts as unanswered; default 34 s (timer F is 32 s, RFC 3261 17.1.2.2)
	Retry     []time.Duration // waits after the first, second … failed BYE; default 1, 5, 30, 120 s
	CSeqStep  uint32          // how far above the highest CSeq seen a BYE goes; default 100
	Settle    time.Duration   // how long stray events wait for their call's start; default 1 s
	Refused   time.Duration   // row 5: when a refused BYE becomes an incident; default 5 s
	Stuck     time.Duration   // row 8: when a held dialog with a closed leg becomes an incident; default 60 s
	Linger    time.Duration   // how long a done call is kept for late events; default 40 s
	LingerBad time.Duration   // the same where a leg was given up; default 1 h

	// Observe: detect and record, owe nobody a BYE.
	Observe bool

	// SameTarget says whether two URIs or Contact bodies name the same target.
	// Required: pkg/indialog has it.
	SameTarget func(a, b string) bool
}

// DefaultPolicy returns the documented defaults, without SameTarget.
func DefaultPolicy() Policy {
	return Policy{
		Grace: 250 * time.Millisecond, NoReply: 34 * time.Second,
		Retry:    []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 120 * time.Second},
		CSeqStep: 100, Settle: time.Second, Refused: 5 * time.Second, Stuck: time.Minute,
		Linger: 40 * time.Second, LingerBad: time.Hour,
	}
}

// us is a duration in the unit of Seen and At.
func us(d time.Duration) int64 { return d.Microseconds() }
