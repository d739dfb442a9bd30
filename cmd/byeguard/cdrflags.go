package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/table"
)

// billingOpener reads what rates and masks, anew for each command.
type billingOpener func() (billingSettings, error)

// billingSettings are the keys of the configuration that billing commands need.
type billingSettings struct {
	rates *billing.Rates
	mask  bool
}

// cdrStates are what --state of CDRs takes.
var cdrStates = []string{
	string(billing.RecordOpen), string(billing.RecordFinal), string(billing.RecordLate), string(billing.RecordCorrected),
}

var releasers = []string{
	string(call.ReleasedCaller), string(call.ReleasedCallee), string(call.ReleasedProxy),
	string(call.ReleasedByeguard), string(call.ReleasedUnknown),
}

// moreCDRFlags are the flags that choose CDRs beyond those of all lists.
type moreCDRFlags struct {
	number, carrier, released string
	repaired, notRepaired     bool
	mask                      bool
}

func (f *moreCDRFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.number, "number", "", "only calls from or to this number, or one that holds these digits")
	fs.StringVar(&f.carrier, "carrier", "", "only calls of this carrier of the rates file")
	fs.StringVar(&f.released, "released-by", "", strings.Join(releasers, ", "))
	fs.BoolVar(&f.repaired, "repaired", false, "only calls with a side that byeguard had to close")
	fs.BoolVar(&f.notRepaired, "not-repaired", false, "only the others")
	fs.BoolVar(&f.mask, "mask-numbers", false, "hide numbers behind asterisks (default: as mask_numbers says)")
}

func (f *moreCDRFlags) filter() (c store.CDRFilter, err error) {
	c.ReleasedBy = f.released
	switch {
	case f.released != "" && !slices.Contains(releasers, f.released):
		return c, fmt.Errorf("--released-by %q is unknown: use %s", f.released, strings.Join(releasers, ", "))
	case f.repaired && f.notRepaired:
		return c, fmt.Errorf("--repaired and --not-repaired exclude each other")
	case f.repaired || f.notRepaired:
		c.Repaired = &f.repaired
	}
	if f.number != "" {
		// How a number is written depends on who dials it: the digits after + or 00 count.
		n := billing.Number("tel:" + f.number)
		c.Number = strings.TrimPrefix(strings.TrimLeft(n, "+"), "00")
		if c.Number == "" {
			return c, fmt.Errorf("--number %q has no digits", f.number)
		}
	}
	return c, nil
}

// cdrFlags choose CDRs where there is no list.
type cdrFlags struct {
	moreCDRFlags
	since, until, node, state, callID string
}

func (f *cdrFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.since, "since", "", "calls from this time on: 2026-11-23, 2026-11-23T16:00:00Z, or 90m, 2h, 3d ago")
	fs.StringVar(&f.until, "until", "", "calls before this time; a date means the end of its day")
	fs.StringVar(&f.node, "node", "", "only calls of this node")
	fs.StringVar(&f.state, "state", "", strings.Join(cdrStates, ", "))
	fs.StringVar(&f.callID, "call-id", "", "only calls of this Call-ID")
	f.moreCDRFlags.add(cmd)
}

func (f *cdrFlags) filter(con *console) (filter store.Filter, err error) {
	list := listFlags{since: f.since, until: f.until, node: f.node, state: f.state, callID: f.callID}
	if filter, _, err = list.parse(con, cdrStates); err != nil {
		return filter, err
	}
	filter.CallID = table.Unprintable(f.callID)
	filter.CDRs, err = f.moreCDRFlags.filter()
	return filter, err
}
