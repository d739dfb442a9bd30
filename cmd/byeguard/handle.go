package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/byeguard/byeguard/pkg/alert"
	"github.com/byeguard/byeguard/pkg/store"
)

// handleCommand is `incidents ack`, or `incidents resolve`.
type handleCommand struct {
	state        store.IncidentState
	verb, done   string
	all          bool
	by, note     string
	kind, node   string
	callID       string
	since, until string
	con          console
	open         opener
}

func newIncidentsAck(con console, open opener) *cobra.Command {
	c := &handleCommand{
		state: store.IncidentAcknowledged, verb: "ack", done: "acknowledged", con: con, open: open,
	}
	return c.command("Say that somebody looks into an incident", `Say that somebody looks into incidents. They stay in the list as acknowledged, with
who and when, until byeguard or a person resolves them. No alert is sent for it.`,
		`  byeguard incidents ack 17 18 --note "asked the carrier"
  byeguard incidents ack --all --kind one_sided_bye --node kam1 --since 2h`)
}

func newIncidentsResolve(con console, open opener) *cobra.Command {
	c := &handleCommand{
		state: store.IncidentResolved, verb: "resolve", done: "resolved", con: con, open: open,
	}
	return c.command("Close an incident by hand", `Close incidents that were settled outside of byeguard, with who and when. Routes
that were told of them are told that they are over. It changes no call and no record.`,
		`  byeguard incidents resolve 17 --note "carrier confirms the end at 14:02"`)
}

func (c *handleCommand) command(short, long, example string) *cobra.Command {
	cmd := &cobra.Command{
		Use: c.verb + " NUMBER...", Short: short, Long: long, Example: example,
		Args: words(cobra.ArbitraryArgs),
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd, args) },
	}
	f := cmd.Flags()
	f.StringVar(&c.note, "note", "", "words to keep with it")
	f.StringVar(&c.by, "by", "", "who does it (default: the user of this session)")
	f.BoolVar(&c.all, "all", false, "all that are not resolved, as the flags below choose")
	f.StringVar(&c.kind, "kind", "", "with --all: only this kind, as one_sided_bye")
	f.StringVar(&c.node, "node", "", "with --all: only of this node")
	f.StringVar(&c.callID, "call-id", "", "with --all: only of this Call-ID")
	f.StringVar(&c.since, "since", "", "with --all: opened from this time on, as 2h or 2026-11-23")
	f.StringVar(&c.until, "until", "", "with --all: opened before this time")
	return cmd
}

func (c *handleCommand) run(cmd *cobra.Command, args []string) error {
	h := store.Handling{State: c.state, By: c.by, Note: c.note}
	if h.By == "" {
		h.By = whoami()
	}
	if c.all == (len(args) > 0) {
		return usageError{errors.New("give numbers of incidents, or --all: `byeguard incidents list` has them")}
	}
	if !c.all && (c.kind != "" || c.node != "" || c.callID != "" || c.since != "" || c.until != "") {
		return usageError{errors.New("--kind, --node, --call-id, --since and --until choose with --all")}
	}
	var ids []int64
	for _, a := range args {
		id, err := strconv.ParseInt(a, 10, 64)
		if err != nil {
			return usageError{fmt.Errorf("%q is no number of an incident: `byeguard incidents list` has them", a)}
		}
		ids = append(ids, id)
	}
	list := listFlags{since: c.since, until: c.until, node: c.node, callID: c.callID, output: "table"}
	filter, _, err := list.parse(&c.con, nil)
	if err != nil {
		return usageError{err}
	}
	if known := alert.Kinds(); c.kind != "" && alert.KindWords(c.kind) == c.kind {
		return usageError{fmt.Errorf("--kind %q is unknown: use one of %s", c.kind, strings.Join(known, ", "))}
	}
	s, err := c.open(cmd.Context())
	if err != nil {
		return err
	}
	if c.all {
		err = c.runAll(cmd, s, filter, h)
	} else {
		err = c.runSome(cmd.Context(), cmd, s, ids, h)
	}
	return errors.Join(err, s.Close())
}

func (c *handleCommand) runAll(cmd *cobra.Command, s *store.Store, f store.Filter, h store.Handling) error {
	n, err := s.HandleAllIncidents(cmd.Context(), f, c.kind, h)
	if err == nil {
		fmt.Fprintf(cmd.OutOrStdout(), "%d incidents %s\n", n, c.done)
	}
	return err
}

func (c *handleCommand) runSome(ctx context.Context, cmd *cobra.Command, s *store.Store, ids []int64, h store.Handling) error {
	_, list, err := s.HandleIncidents(ctx, ids, h)
	if err != nil {
		return err
	}
	found := map[int64]bool{}
	for i := range list {
		in := &list[i]
		found[in.ID] = true
		words := string(in.State)
		switch {
		case in.State == store.IncidentResolved && in.ResolvedBy == "":
			words += " by byeguard itself"
		case in.State == store.IncidentResolved:
			words += " by " + sip(in.ResolvedBy)
		case in.State == store.IncidentAcknowledged:
			words += " by " + sip(in.AckedBy)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "incident %d: %s\n", in.ID, words)
	}
	var missing []string
	for _, id := range ids {
		if !found[id] {
			missing = append(missing, strconv.FormatInt(id, 10))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("no incident %s: `byeguard incidents list` has them", strings.Join(missing, ", "))
	}
	return nil
}
