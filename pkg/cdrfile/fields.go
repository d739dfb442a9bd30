package cdrfile

import (
	"encoding/hex"

	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/call"
)

// Kind is what a field holds.
type Kind uint8

// Kinds of fields.
const (
	Text  Kind = iota + 1 // UTF-8; "" where there is nothing to say
	Int                   // a whole number, or nothing
	Time                  // a moment to the microsecond, in UTC, or nothing
	Bool                  // true or false
	Money                 // a decimal number of billing.MoneyDecimals decimals, or nothing
)

// Field is one column of the files.
type Field struct {
	Name string
	Kind Kind
	text func(*billing.Record) string        // Text: raw bytes
	num  func(*billing.Record) (int64, bool) // all others: a Time in Unix µs, a Bool as 0 or 1; false = nothing
}

// Fields are all columns in their order. Version [billing.SchemaVersion] of the
// schema is this list; new ones go to its end.
func Fields() []Field { return fields }

var fields = []Field{
	number("schema", func(*billing.Record) int64 { return billing.SchemaVersion }),
	number("seq", func(r *billing.Record) int64 { return r.Seq }),
	text("record_id", func(r *billing.Record) string { return hex.EncodeToString(r.Key[:]) }),
	number("revision", func(r *billing.Record) int64 { return int64(r.Revision) }),
	text("revision_reason", func(r *billing.Record) string { return r.Why }),
	text("state", func(r *billing.Record) string { return string(r.State) }),
	some("part", func(r *billing.Record) (int64, bool) { return int64(r.Part), r.Part > 0 }),
	text("cause_for_rec_closing", func(r *billing.Record) string { return string(r.ClosingCause) }),
	text("disposition", func(r *billing.Record) string { return r.Disposition }),
	text("node", func(r *billing.Record) string { return r.Node }),
	text("call_id", func(r *billing.Record) string { return r.CallID }),
	text("caller_number", func(r *billing.Record) string { return r.CallerNumber }),
	text("callee_number", func(r *billing.Record) string { return r.CalleeNumber }),
	text("caller_uri", func(r *billing.Record) string { return r.CallerURI }),
	text("callee_uri", func(r *billing.Record) string { return r.CalleeURI }),
	text("caller_tag", func(r *billing.Record) string { return r.CallerTag }),
	text("callee_tag", func(r *billing.Record) string { return r.CalleeTag }),
	text("caller_address", func(r *billing.Record) string { return r.CallerAddr }),
	text("callee_address", func(r *billing.Record) string { return r.CalleeAddr }),
	moment("opened", func(r *billing.Record) int64 { return r.Started }),
	moment("setup", func(r *billing.Record) int64 { return r.Setup }),
	moment("answered", func(r *billing.Record) int64 { return r.Answered }),
	moment("confirmed", func(r *billing.Record) int64 { return r.Confirmed }),
	moment("ended", func(r *billing.Record) int64 { return r.Ended }),
	moment("caller_end", func(r *billing.Record) int64 { return r.CallerEnd }),
	moment("callee_end", func(r *billing.Record) int64 { return r.CalleeEnd }),
	text("caller_how", func(r *billing.Record) string { return r.CallerHow }),
	text("callee_how", func(r *billing.Record) string { return r.CalleeHow }),
	moment("closed", func(r *billing.Record) int64 {
		if r.Part > 0 {
			return r.Until
		}
		return r.Closed
	}),
	known("answer_delay_ms", func(r *billing.Record) int64 { return r.AnswerDelay }),
	known("duration_ms", func(r *billing.Record) int64 { return r.DurationMS }),
	text("released_by", func(r *billing.Record) string { return r.Released }),
	some("sip_code", func(r *billing.Record) (int64, bool) { return int64(r.Code), r.Code != 0 }),
	some("q850_cause", func(r *billing.Record) (int64, bool) { return int64(r.Q850), r.Q850 != 0 }),
	text("cause", func(r *billing.Record) string { return r.Cause }),
	{Name: "repaired", Kind: Bool, num: func(r *billing.Record) (int64, bool) {
		if r.Repaired {
			return 1, true
		}
		return 0, true
	}},
	text("repaired_leg", func(r *billing.Record) string { return r.RepairedLeg }),
	text("repair_evidence", func(r *billing.Record) string { return r.RepairWhy }),
	number("repair_attempts", func(r *billing.Record) int64 { return int64(r.Attempts) }),
	text("not_seen", func(r *billing.Record) string { return r.NotSeen }),
	text("overrun_leg", func(r *billing.Record) string { return r.OverrunLeg.String() }),
	some("overrun_ms", func(r *billing.Record) (int64, bool) {
		return r.OverrunMS, r.OverrunLeg != call.SideNone && r.OverrunMS >= 0
	}),
	text("overrun_bound", func(r *billing.Record) string { return string(r.OverrunBound) }),
	text("carrier", func(r *billing.Record) string { return r.Rating.Carrier }),
	text("rates_version", func(r *billing.Record) string { return r.RatesVersion }),
	some("billable_s", func(r *billing.Record) (int64, bool) { return r.Rating.Billable, r.Rating.Rated }),
	text("currency", func(r *billing.Record) string { return r.Rating.Currency }),
	{Name: "cost", Kind: Money, num: func(r *billing.Record) (int64, bool) {
		return int64(r.Rating.Cost), r.Rating.Currency != ""
	}},
	{Name: "overrun_cost", Kind: Money, num: func(r *billing.Record) (int64, bool) {
		return int64(r.OverrunCost), r.OverrunRated
	}},
}

func text(name string, f func(*billing.Record) string) Field {
	return Field{Name: name, Kind: Text, text: f}
}

func number(name string, f func(*billing.Record) int64) Field {
	return Field{Name: name, Kind: Int, num: func(r *billing.Record) (int64, bool) { return f(r), true }}
}

func some(name string, f func(*billing.Record) (int64, bool)) Field {
	return Field{Name: name, Kind: Int, num: f}
}

// known is a number that is -1 where it is not known.
func known(name string, f func(*billing.Record) int64) Field {
	return some(name, func(r *billing.Record) (int64, bool) {
		n := f(r)
		return n, n >= 0
	})
}

// moment is a time that is 0 where it is not known.
func moment(name string, f func(*billing.Record) int64) Field {
	return Field{Name: name, Kind: Time, num: func(r *billing.Record) (int64, bool) {
		us := f(r)
		return us, us != 0
	}}
}

// Mask hides the numbers of a record behind asterisks; carrier and cost stay.
func Mask(r *billing.Record) {
	r.CallerNumber, r.CalleeNumber = billing.MaskNumber(r.CallerNumber), billing.MaskNumber(r.CalleeNumber)
	r.CallerURI, r.CalleeURI = billing.MaskURI(r.CallerURI), billing.MaskURI(r.CalleeURI)
}
