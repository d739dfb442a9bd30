package reconcile

import "github.com/byeguard/byeguard/pkg/billing"

// Record is a call as one side has it. Times are Unix time in µs.
type Record struct {
	ID      string // names the row on its side: for people, and for mending
	CallID  string // "" = not given
	From    string // normalised number of the caller; "" = not given
	To      string // the same of the callee
	Carrier string
	Node    string

	Start      int64 // when the call began to count, as its list means it; 0 = never did
	Alt        int64 // the other moment that Start may mean, where clocks were set back; 0 = none
	End        int64 // 0 = not known
	DurationMS int64 // -1 = not known
	Open       bool  // the call is up

	Currency string // of Cost; "" = no cost is known
	Cost     billing.Money

	// Of byeguard's own records only.
	Setup      int64 // when ringing began; 0 = not seen
	OverrunMS  int64 // how long the compared leg ran on after End; -1 = nobody knows
	Upper      bool  // OverrunMS is an upper bound
	Repaired   bool
	Unseen     bool  // only the end of the call was seen: there is no length to compare
	BillableS  int64 // seconds by the carrier's rule; -1 = no rule
	IncrementS int64 // the carrier's step, 0 = no rule
}

// order is the time by which a list is sorted: the start, or the first ringing of
// a call that was never answered.
func (r *Record) order() int64 {
	if r.Start != 0 {
		return r.Start
	}
	if r.Setup != 0 {
		return r.Setup
	}
	return r.End
}

// answered says whether the call counts at all.
func (r *Record) answered() bool { return r.Start != 0 }

// Order is the time, in µs, by which a source must be sorted.
func (r *Record) Order() int64 { return r.order() }

// Source hands on one list, sorted by [Record.Order].
type Source interface {
	// Next overwrites r with the next record; io.EOF says that there is none.
	Next(r *Record) error
}

// Keys says what a list names its calls by; each row may still lack it.
type Keys struct {
	CallID, From, To bool
}

// Finding is what there is to say of one call. Ours and Theirs are nil where
// that side has none; they are good until the callee returns.
type Finding struct {
	Class  Class
	Ours   *Record
	Theirs *Record
	Why    string // in plain words
	Others int    // how many other rows would have fitted as well
}
