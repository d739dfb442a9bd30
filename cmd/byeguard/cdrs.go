package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/table"
)

func newCDRsCommand(open opener) *cobra.Command { return cdrsCommand(systemConsole(), open) }

func cdrsCommand(con console, open opener) *cobra.Command {
	l := &lister[store.CDR]{
		what: "CDRs", columns: cdrColumns,
		states: []string{string(billing.StateOpen), string(billing.StateFinal)},
		list:   (*store.Store).ListCDRs,
		cursor: func(c *store.CDR) store.Cursor { return store.Cursor{At: c.Started, ID: c.Key} },
	}
	var repaired bool
	list := l.command(con, open, "List the records of calls, those that started last first",
		func(c *store.CDR) bool { return !repaired || c.Repaired })
	list.Example = `  byeguard cdrs list --since 2h --repaired
  byeguard cdrs list --since 2026-11-01 --until 2026-11-30 --limit 0 --output csv > november.csv`
	list.Flags().BoolVar(&repaired, "repaired", false, "only calls with a side that byeguard had to close")
	return group("cdrs", "The records that calls are billed from", list)
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
