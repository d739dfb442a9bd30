package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/table"
)

func newCDRsCommand(open opener, rates billingOpener) *cobra.Command {
	return cdrsCommand(systemConsole(), open, rates)
}

func cdrsCommand(con console, open opener, settings billingOpener) *cobra.Command {
	return group("cdrs", "The records that calls are billed from",
		newCDRsList(con, open, settings), newCDRsShow(con, open, settings), newCDRsExport(con, open, settings))
}

func newCDRsList(con console, open opener, settings billingOpener) *cobra.Command {
	var more moreCDRFlags
	var b billingSettings
	l := &lister[ratedCDR]{
		what: "CDRs", columns: ratedColumns, states: cdrStates,
		list: func(s *store.Store, ctx context.Context, f store.Filter) ([]ratedCDR, error) {
			list, err := s.ListCDRs(ctx, f)
			return b.rate(list), err
		},
		cursor: func(c *ratedCDR) store.Cursor { return store.Cursor{At: c.Started, ID: c.Key} },
		narrow: func(f *store.Filter) (err error) {
			if f.CDRs, err = more.filter(); err != nil {
				return usageError{err}
			}
			if b, err = settings(); err != nil {
				return err
			}
			b.mask = b.mask || more.mask
			f.CDRs.LateAfter = b.rates.LateAfter
			return b.knows(more.carrier)
		},
		keep: func(c *ratedCDR) bool { return more.carrier == "" || c.rec.Rating.Carrier == more.carrier },
	}
	list := l.command(con, open, "List the records of calls, those that started last first")
	list.Example = `  byeguard cdrs list --since 2h --repaired
  byeguard cdrs list --number +4930123456 --released-by proxy
  byeguard cdrs list --since 2026-11-01 --until 2026-11-30 --limit 0 --output csv > november.csv`
	more.add(list)
	return list
}

type cdr = store.CDR

var cdrColumns = []table.Column[cdr]{
	{Key: "started", Title: "Started ({zone})", Value: func(c *cdr) any { return c.Started }},
	{Key: "duration_ms", Title: "Duration", Right: true, Value: func(c *cdr) any {
		if c.DurationMS == nil {
			return nil
		}
		return time.Duration(*c.DurationMS) * time.Millisecond
	}},
	{Key: "caller_uri", Title: "Caller", Elastic: true, Value: func(c *cdr) any { return sip(c.CallerURI) },
		Words: func(c *cdr, _ *table.Clock) string { return party(c.CallerURI) }},
	{Key: "callee_uri", Title: "Callee", Elastic: true, Value: func(c *cdr) any { return sip(c.CalleeURI) },
		Words: func(c *cdr, _ *table.Clock) string { return party(c.CalleeURI) }},
	{Key: "disposition", Title: "Outcome", Value: func(c *cdr) any { return c.Disposition },
		Words: func(c *cdr, _ *table.Clock) string { return outcome(c) }},
	{Key: "released_by", Title: "Ended by", Value: func(c *cdr) any { return c.ReleasedBy },
		Words: func(c *cdr, _ *table.Clock) string { return endedBy(c) }},
	{Key: "repaired_leg", Title: "Repair", Value: func(c *cdr) any { return c.RepairedLeg },
		Words: func(c *cdr, _ *table.Clock) string { return repair(c) }},
	{Key: "node", Title: "Node", Elastic: true, Value: func(c *cdr) any { return sip(c.Node) }},
	{Key: "call_id", Title: "Call-ID", Value: func(c *cdr) any { return sip(c.CallID) }},
	{Key: "state", Value: func(c *cdr) any { return c.State }},
	{Key: "setup", Value: func(c *cdr) any { return when(c.Setup) }},
	{Key: "answered", Value: func(c *cdr) any { return when(c.Answered) }},
	{Key: "confirmed", Value: func(c *cdr) any { return when(c.Confirmed) }},
	{Key: "ended", Value: func(c *cdr) any { return when(c.Ended) }},
	{Key: "code", Value: func(c *cdr) any { return c.Code }, Words: func(c *cdr, _ *table.Clock) string { return codeWords(c.Code) }},
	{Key: "cause", Value: func(c *cdr) any { return sip(c.Cause) }},
	{Key: "caller_end", Value: func(c *cdr) any { return when(c.CallerEnd) }},
	{Key: "caller_how", Value: func(c *cdr) any { return c.CallerHow },
		Words: func(c *cdr, _ *table.Clock) string { return sideWords(c, c.CallerHow) }},
	{Key: "callee_end", Value: func(c *cdr) any { return when(c.CalleeEnd) }},
	{Key: "callee_how", Value: func(c *cdr) any { return c.CalleeHow },
		Words: func(c *cdr, _ *table.Clock) string { return sideWords(c, c.CalleeHow) }},
	{Key: "overrun_ms", Value: func(c *cdr) any { return time.Duration(c.OverrunMS) * time.Millisecond },
		Words: func(c *cdr, clock *table.Clock) string {
			if c.OverrunMS == 0 {
				return ""
			}
			return clock.Span(time.Duration(c.OverrunMS)*time.Millisecond) + " (the callee's side ended so much later)"
		}},
	{Key: "repaired", Value: func(c *cdr) any { return c.Repaired }, Words: silent[cdr]},
	{Key: "repair_why", Value: func(c *cdr) any { return c.RepairWhy },
		Words: func(c *cdr, _ *table.Clock) string { return reasonWords(c.RepairWhy) }},
	{Key: "attempts", Value: func(c *cdr) any { return c.Attempts }, Words: func(c *cdr, _ *table.Clock) string { return countWords(c.Attempts) }},
	{Key: "not_seen", Value: func(c *cdr) any { return known(c.NotSeen) },
		Words: func(c *cdr, _ *table.Clock) string { return notSeenWords(c.NotSeen) }},
	{Key: "caller_tag", Value: func(c *cdr) any { return sip(c.CallerTag) }},
	{Key: "callee_tag", Value: func(c *cdr) any { return sip(c.CalleeTag) }},
	{Key: "key", Value: func(c *cdr) any { return c.Key }},
	{Key: "revision", Value: func(c *cdr) any { return c.Revision }},
	{Key: "version", Value: func(c *cdr) any { return c.Version }, Words: silent[cdr]},
	{Key: "updated", Value: func(c *cdr) any { return c.Updated }},
}

// silent leaves a column to programs.
func silent[T any](*T, *table.Clock) string { return "" }

// sideWords says how a side ended; one that never was up did not.
func sideWords(c *cdr, how string) string {
	if c.Disposition == string(billing.DispositionFailed) {
		return ""
	}
	return legWords(how)
}

func outcome(c *cdr) string {
	switch {
	case c.State == string(billing.StateOpen) && c.Ended == nil:
		return "in progress"
	case c.State == string(billing.StateOpen):
		return "ending"
	case c.Disposition == string(billing.DispositionFailed):
		return fmt.Sprintf("not answered (%d)", c.Code)
	case c.Disposition == string(billing.DispositionPartial):
		return "only its end was seen"
	}
	return c.Disposition
}

func endedBy(c *cdr) string {
	switch {
	case c.Ended == nil, c.Disposition == string(billing.DispositionFailed):
		return ""
	case c.ReleasedBy == string(call.ReleasedUnknown):
		return "not known"
	}
	return c.ReleasedBy
}

func repair(c *cdr) string {
	switch {
	case c.Repaired:
		return c.RepairedLeg + " repaired"
	case c.CalleeHow == string(call.LegUnconfirmed):
		return "callee not confirmed"
	case c.CallerHow == string(call.LegUnconfirmed):
		return "caller not confirmed"
	}
	return ""
}
