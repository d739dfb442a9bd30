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

	// Asking end points by OPTIONS.
	ProbeAgain  time.Duration // at least so far apart are the two 481 that close a leg; default 10 s
	ProbeSlow   time.Duration // how slowly end points are asked where no BYE hangs on it; default 10 min
	MaxAge      time.Duration // from when on a call is a zombie; default 24 h, 0 = never
	ZombieAfter time.Duration // from when on a leg that answers no OPTIONS is one; default 1 h
	NoProbes    bool          // ask nobody
	EndZombies  bool          // a leg that is gone justifies a BYE to the other one of row 7's calls and of zombies, too

	// Observe: detect and record, owe nobody a BYE.
	Observe bool

	// SameTarget says whether two URIs or Contact bodies name the same target.
	// Required: pkg/indialog has it.
	SameTarget func(a, b string) bool
	// Direct says that a command reaches source ("ip:port"), with no proxy in
	// between. nil = nobody knows. pkg/indialog has it.
	Direct func(cmd *Command, source string) bool
	// Hidden says that a node hides topology (topos, topoh): its calls are
	// observed. nil = none does.
	Hidden func(node string) bool
}

// DefaultPolicy returns the documented defaults, without SameTarget.
func DefaultPolicy() Policy {
	return Policy{
		Grace: 250 * time.Millisecond, NoReply: 34 * time.Second,
		Retry:    []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 120 * time.Second},
		CSeqStep: 100, Settle: time.Second, Refused: 5 * time.Second, Stuck: time.Minute,
		Linger: 40 * time.Second, LingerBad: time.Hour,
		ProbeAgain: 10 * time.Second, ProbeSlow: 10 * time.Minute, MaxAge: 24 * time.Hour, ZombieAfter: time.Hour,
	}
}

// us is a duration in the unit of Seen and At.
func us(d time.Duration) int64 { return d.Microseconds() }
