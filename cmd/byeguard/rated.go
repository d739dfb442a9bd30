package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/table"
)

// ratedCDR is a record and what follows from it.
type ratedCDR struct {
	store.CDR
	rec billing.Record
}

// rate derives the records of a list, and masks them if that is wanted.
func (b *billingSettings) rate(list []store.CDR) []ratedCDR {
	all := make([]ratedCDR, len(list))
	for i := range list {
		c := &all[i]
		c.CDR, c.rec.Row = list[i], list[i].Row()
		c.rec.Derive(b.rates)
		if b.mask {
			c.CallerURI, c.CalleeURI = maskURI(c.CallerURI), maskURI(c.CalleeURI)
			c.rec.CallerNumber, c.rec.CalleeNumber = billing.MaskNumber(c.rec.CallerNumber), billing.MaskNumber(c.rec.CalleeNumber)
		}
	}
	return all
}

func maskURI(uri string) string { return app.MaskURI(uri) }

// knows says whether the rates name a carrier; "" is none.
func (b *billingSettings) knows(carrier string) error {
	names := b.rates.Carriers()
	if carrier == "" || slices.Contains(names, carrier) {
		return nil
	}
	if len(names) == 0 {
		return usageError{fmt.Errorf("--carrier %q: no carriers are known: set rates in the configuration, see docs/billing.md", carrier)}
	}
	return usageError{fmt.Errorf("--carrier %q is not in the rates file: use %s", carrier, strings.Join(names, ", "))}
}

func (c *ratedCDR) cost() any {
	if c.rec.Rating.Currency == "" {
		return nil
	}
	return c.rec.Rating.Cost.String()
}

func span(ms *int64) any {
	if ms == nil {
		return nil
	}
	return time.Duration(*ms) * time.Millisecond
}

// ratedColumns are cdrColumns and, behind them, what is derived.
var ratedColumns = append(onRated(cdrColumns),
	table.Column[ratedCDR]{Key: "caller_number", Value: func(c *ratedCDR) any { return c.rec.CallerNumber }, Words: silent[ratedCDR]},
	table.Column[ratedCDR]{Key: "callee_number", Value: func(c *ratedCDR) any { return c.rec.CalleeNumber }, Words: silent[ratedCDR]},
	table.Column[ratedCDR]{Key: "caller_address", Value: func(c *ratedCDR) any { return c.rec.CallerAddr }},
	table.Column[ratedCDR]{Key: "callee_address", Value: func(c *ratedCDR) any { return c.rec.CalleeAddr }},
	table.Column[ratedCDR]{Key: "closed", Value: func(c *ratedCDR) any { return when(c.Closed) }},
	table.Column[ratedCDR]{Key: "cause_for_rec_closing", Value: func(c *ratedCDR) any { return string(c.rec.ClosingCause) }},
	table.Column[ratedCDR]{Key: "answer_delay_ms", Value: func(c *ratedCDR) any {
		if c.rec.AnswerDelay < 0 {
			return nil
		}
		return time.Duration(c.rec.AnswerDelay) * time.Millisecond
	}},
	table.Column[ratedCDR]{Key: "q850_cause", Value: func(c *ratedCDR) any { return known(c.rec.Q850) }},
	table.Column[ratedCDR]{Key: "overrun_leg", Value: func(c *ratedCDR) any { return c.rec.OverrunLeg.String() }, Words: silent[ratedCDR]},
	table.Column[ratedCDR]{Key: "overrun_bound", Value: func(c *ratedCDR) any { return string(c.rec.OverrunBound) },
		Words: func(c *ratedCDR, _ *table.Clock) string {
			switch c.rec.OverrunBound {
			case billing.BoundUpper:
				return "at most so long: the " + c.rec.OverrunLeg.String() + "'s side was found to be gone"
			case billing.BoundUnknown:
				return "the " + c.rec.OverrunLeg.String() + "'s side may run on"
			case billing.BoundExact:
			}
			return ""
		}},
	table.Column[ratedCDR]{Key: "revision_reason", Value: func(c *ratedCDR) any { return c.Why }},
	table.Column[ratedCDR]{Key: "parts", Value: func(c *ratedCDR) any { return c.Parts },
		Words: func(c *ratedCDR, _ *table.Clock) string { return countWords(c.Parts) }},
	table.Column[ratedCDR]{Key: "seq", Value: func(c *ratedCDR) any { return known(c.rec.Seq) }},
	table.Column[ratedCDR]{Key: "carrier", Value: func(c *ratedCDR) any { return c.rec.Rating.Carrier }},
	table.Column[ratedCDR]{Key: "rates_version", Value: func(c *ratedCDR) any { return c.rec.RatesVersion }},
	table.Column[ratedCDR]{Key: "billable_s", Value: func(c *ratedCDR) any {
		if !c.rec.Rating.Rated {
			return nil
		}
		return c.rec.Rating.Billable
	}},
	table.Column[ratedCDR]{Key: "cost", Value: func(c *ratedCDR) any { return c.cost() }},
	table.Column[ratedCDR]{Key: "currency", Value: func(c *ratedCDR) any { return c.rec.Rating.Currency }},
	table.Column[ratedCDR]{Key: "overrun_cost", Value: func(c *ratedCDR) any {
		if !c.rec.OverrunRated {
			return nil
		}
		return c.rec.OverrunCost.String()
	}},
)

// onRated makes columns of records columns of rated ones. The state is the one
// that --state takes.
func onRated(columns []table.Column[store.CDR]) []table.Column[ratedCDR] {
	all := make([]table.Column[ratedCDR], len(columns))
	for i, c := range columns {
		all[i] = table.Column[ratedCDR]{Key: c.Key, Title: c.Title, Elastic: c.Elastic, Right: c.Right,
			Value: func(r *ratedCDR) any { return c.Value(&r.CDR) }}
		if c.Words != nil {
			all[i].Words = func(r *ratedCDR, clock *table.Clock) string { return c.Words(&r.CDR, clock) }
		}
		if c.Key == "state" {
			all[i].Value = func(r *ratedCDR) any { return string(r.rec.State) }
		}
	}
	return all
}
