package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/table"
)

func newCDRsShow(con console, open opener, settings billingOpener) *cobra.Command {
	var output string
	var mask bool
	cmd := &cobra.Command{
		Use:   "show CALL-ID",
		Short: "Show a call's record, what it said before, and what its carrier bills (CALL-ID may also be byeguard's key of it)",
		Args:  words(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := showFormat(output)
			if err != nil {
				return err
			}
			b, err := settings()
			if err != nil {
				return err
			}
			b.mask = b.mask || mask
			s, err := open(cmd.Context())
			if err != nil {
				return err
			}
			list, err := find(args[0], func(id string) ([]store.CDRHistory, error) { return s.CDRHistories(cmd.Context(), id) })
			if err = errors.Join(err, s.Close()); err != nil {
				if errors.Is(err, store.ErrNotFound) {
					return fmt.Errorf("no record of call %s: `byeguard cdrs list` has them", table.Printable(args[0]))
				}
				return err
			}
			if format == table.JSON {
				return writeHistoriesJSON(cmd.OutOrStdout(), list, &b)
			}
			clock := con.clock()
			for i := range list {
				if i > 0 {
					fmt.Fprintln(cmd.OutOrStdout())
				}
				if err := writeHistory(cmd.OutOrStdout(), &list[i], &b, &clock); err != nil {
					return err
				}
			}
			return nil
		},
	}
	addShowFlags(cmd, &output)
	cmd.Flags().BoolVar(&mask, "mask-numbers", false, "hide numbers behind asterisks (default: as mask_numbers says)")
	return cmd
}

func writeHistory(w io.Writer, h *store.CDRHistory, b *billingSettings, clock *table.Clock) error {
	now := b.rate([]store.CDR{h.CDR})
	if err := table.Details(w, ratedColumns, &now[0], clock); err != nil {
		return err
	}
	if len(h.Revisions) > 0 {
		fmt.Fprintln(w, "\nReplaced")
		replaced := table.NewWriter(w, revisionColumns, table.Options{Clock: *clock})
		for _, r := range b.rate(h.Revisions) {
			if err := replaced.Add(&r); err != nil {
				return err
			}
		}
		if err := replaced.Close(); err != nil {
			return err
		}
	}
	if len(h.Partials) == 0 {
		return nil
	}
	fmt.Fprintln(w, "\nPartial records")
	parts := table.NewWriter(w, partialColumns, table.Options{Clock: *clock})
	for i := range h.Partials {
		if err := parts.Add(&h.Partials[i]); err != nil {
			return err
		}
	}
	return parts.Close()
}

// historyObject is a CDRHistory in JSON.
type historyObject struct {
	CDR       json.RawMessage   `json:"cdr"`
	Revisions []json.RawMessage `json:"revisions"`
	Partials  []json.RawMessage `json:"partials"`
}

func writeHistoriesJSON(w io.Writer, list []store.CDRHistory, b *billingSettings) error {
	all := make([]historyObject, len(list))
	for i := range list {
		now, err := objects(ratedColumns, b.rate([]store.CDR{list[i].CDR}))
		if err != nil {
			return err
		}
		all[i].CDR = now[0]
		if all[i].Revisions, err = objects(ratedColumns, b.rate(list[i].Revisions)); err != nil {
			return err
		}
		if all[i].Partials, err = objects(partialColumns, list[i].Partials); err != nil {
			return err
		}
	}
	return table.WriteJSON(w, all)
}

var revisionColumns = []table.Column[ratedCDR]{
	{Key: "revision", Title: "Revision", Right: true, Value: func(c *ratedCDR) any { return c.Revision }},
	{Key: "revision_reason", Title: "Because", Value: func(c *ratedCDR) any { return c.Why }},
	{Key: "duration_ms", Title: "Duration", Right: true, Value: func(c *ratedCDR) any { return span(c.DurationMS) }},
	{Key: "caller_how", Title: "Caller's side", Value: func(c *ratedCDR) any { return c.CallerHow },
		Words: func(c *ratedCDR, _ *table.Clock) string { return sideWords(&c.CDR, c.CallerHow) }},
	{Key: "callee_how", Title: "Callee's side", Value: func(c *ratedCDR) any { return c.CalleeHow },
		Words: func(c *ratedCDR, _ *table.Clock) string { return sideWords(&c.CDR, c.CalleeHow) }},
	{Key: "cost", Title: "Cost", Right: true, Value: func(c *ratedCDR) any { return c.cost() }},
	{Key: "seq", Title: "Handed over as", Right: true, Value: func(c *ratedCDR) any { return c.rec.Seq }},
}

var partialColumns = []table.Column[store.CDRPartial]{
	{Key: "part", Title: "Part", Right: true, Value: func(p *store.CDRPartial) any { return p.Part }},
	{Key: "until", Title: "Until ({zone})", Value: func(p *store.CDRPartial) any { return p.Until }},
	{Key: "made", Value: func(p *store.CDRPartial) any { return p.Made }},
	{Key: "seq", Title: "Handed over as", Right: true, Value: func(p *store.CDRPartial) any { return p.Seq }},
}
