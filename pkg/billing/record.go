package billing

import (
	"github.com/byeguard/byeguard/pkg/call"
)

// SchemaVersion is the version of the record as it is handed over. It grows
// when a field goes, changes its meaning or its place; new fields are added at
// the end and leave it as it is.
const SchemaVersion = 1

// RecordState is how far a record is, for those who bill from it.
type RecordState string

// States of a record. Each record of a call replaces those that came before.
const (
	RecordOpen      RecordState = "open"      // the call is up; handed over as partial records only
	RecordFinal     RecordState = "final"     // complete: both legs are accounted for
	RecordLate      RecordState = "late"      // complete, but made long after the call's end
	RecordCorrected RecordState = "corrected" // replaces a final or late one
)

// Bound says how exact a time is.
type Bound string

// Bounds of an overrun.
const (
	BoundExact   Bound = "exact"   // both ends were seen
	BoundUpper   Bound = "upper"   // the leg was found to be gone (481): it ended then or before
	BoundUnknown Bound = "unknown" // nobody could confirm that the leg ended: it may run on
)

// Record is a Row and what follows from it: the record that is handed over.
type Record struct {
	Row
	State        RecordState
	ClosingCause ClosingCause
	CallerNumber string
	CalleeNumber string
	AnswerDelay  int64 // ms from setup to answer; -1 = not known
	Q850         int   // 0 = not told
	OverrunLeg   call.Side
	OverrunMS    int64 // -1 = not known
	OverrunBound Bound // "" = no leg ran on
	Rating       Rating
	RatesVersion string
	OverrunCost  Money // good if Rating.Currency is set and the overrun is the callee's
	OverrunRated bool
}

// Derive fills the record of a row, after the rates of its day. rec.Row must be
// set; all else is overwritten.
func (rec *Record) Derive(rates *Rates) {
	r := &rec.Row
	rec.State = r.recordState(rates)
	rec.ClosingCause = r.closingCause()
	rec.CallerNumber, rec.CalleeNumber = Number(r.CallerURI), Number(r.CalleeURI)
	rec.AnswerDelay = -1
	if r.Setup != 0 && r.Answered >= r.Setup {
		rec.AnswerDelay = (r.Answered - r.Setup) / 1000
	}
	rec.Q850 = Q850(r.Cause)
	rec.OverrunLeg, rec.OverrunMS, rec.OverrunBound = r.overrun()
	rec.OverrunCost, rec.OverrunRated = 0, false
	answered := r.Answered
	if r.DurationMS < 0 {
		answered = 0 // there is nothing to bill yet, or nobody knows how much
	}
	rec.Rating = rates.Rate(rec.CalleeNumber, r.CalleeAddr, answered, r.DurationMS)
	rec.RatesVersion = ""
	if rec.Rating.Carrier != "" {
		rec.RatesVersion = rates.Version
	}
	if rec.Rating.Currency != "" && rec.OverrunLeg == call.Callee && rec.OverrunMS > 0 {
		rec.OverrunCost, rec.OverrunRated = rec.Rating.Extra(r.DurationMS, rec.OverrunMS), true
	}
}

func (r *Row) recordState(rates *Rates) RecordState {
	switch {
	case r.State == string(StateOpen):
		return RecordOpen
	case r.Revision > 1:
		return RecordCorrected
	case r.Ended != 0 && r.Closed-r.Ended > rates.LateAfter.Microseconds():
		return RecordLate
	}
	return RecordFinal
}

// overrun says which leg ran on after the call's end, the longer one of two,
// and for how long. The call's end is the first BYE seen or built, a leg's own is
// when it was told and agreed: some milliseconds are what a good ending takes.
func (r *Row) overrun() (leg call.Side, ms int64, bound Bound) {
	if r.Ended == 0 || r.Disposition == string(DispositionFailed) {
		return call.SideNone, 0, ""
	}
	for _, l := range [...]struct {
		side call.Side
		end  int64
		how  string
	}{{call.Callee, r.CalleeEnd, r.CalleeHow}, {call.Caller, r.CallerEnd, r.CallerHow}} {
		if l.how == string(call.LegUnconfirmed) {
			return l.side, -1, BoundUnknown
		}
		over := (l.end - r.Ended) / 1000
		if l.end == 0 || over <= ms {
			continue
		}
		leg, ms, bound = l.side, over, BoundExact
		if l.how == string(call.LegGone) {
			bound = BoundUpper
		}
	}
	return leg, ms, bound
}
