package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/table"
)

func newDialogsCommand(open opener, settings billingOpener) *cobra.Command {
	return dialogsCommand(systemConsole(), open, settings)
}

func dialogsCommand(con console, open opener, settings billingOpener) *cobra.Command {
	var mask bool
	var wanted func() (bool, error)
	l := &lister[store.Dialog]{
		what: "live calls", columns: dialogColumns,
		states: []string{call.StateUp.String(), call.StateEnding.String()},
		list: func(s *store.Store, ctx context.Context, f store.Filter) ([]store.Dialog, error) {
			list, err := s.ListDialogs(ctx, f)
			for i := range list {
				if mask {
					maskDialog(&list[i])
				}
			}
			return list, err
		},
		narrow: func(*store.Filter) (err error) {
			mask, err = wanted()
			return err
		},
		cursor: func(d *store.Dialog) store.Cursor { return store.Cursor{At: d.Started, ID: d.Key} },
	}
	list := l.command(con, open, "List the live calls, those that started last first")
	wanted = addMaskFlag(list, settings)
	return group("dialogs", "Calls that are up or not accounted for yet", list, newDialogsShow(con, open, settings))
}

func newDialogsShow(con console, open opener, settings billingOpener) *cobra.Command {
	sh := shower[store.Dialog]{
		get:     (*store.Store).GetDialog,
		missing: "no live call %s: it may be over, see `byeguard calls show`",
		mask:    maskDialog,
		print: func(cmd *cobra.Command, all []store.Dialog, format table.Format) error {
			return showDialogs(cmd, &con, all, format)
		},
	}
	return sh.command(&cobra.Command{
		Use:   "show CALL-ID",
		Short: "Show a live call (CALL-ID may also be byeguard's key of it)",
	}, open, settings)
}

func showDialogs(cmd *cobra.Command, con *console, all []store.Dialog, format table.Format) error {
	if format == table.JSON {
		w := table.NewWriter(cmd.OutOrStdout(), dialogColumns, table.Options{Format: format})
		for i := range all {
			if err := w.Add(&all[i]); err != nil {
				return err
			}
		}
		return w.Close()
	}
	clock := con.clock()
	for i := range all {
		if i > 0 {
			fmt.Fprintln(cmd.OutOrStdout())
		}
		if err := table.Details(cmd.OutOrStdout(), dialogColumns, &all[i], &clock); err != nil {
			return err
		}
	}
	return nil
}

type dialog = store.Dialog

var dialogColumns = []table.Column[dialog]{
	{Key: "started", Title: "Started ({zone})", Value: func(d *dialog) any { return d.Started }},
	{Key: "answered", Title: "Lasts", Right: true, Value: func(d *dialog) any { return when(d.Answered) }, Words: lasts},
	{Key: "caller_uri", Title: "Caller", Elastic: true, Value: func(d *dialog) any { return sip(d.CallerURI) },
		Words: func(d *dialog, _ *table.Clock) string { return party(d.CallerURI) }},
	{Key: "callee_uri", Title: "Callee", Elastic: true, Value: func(d *dialog) any { return sip(d.CalleeURI) },
		Words: func(d *dialog, _ *table.Clock) string { return party(d.CalleeURI) }},
	{Key: "state", Title: "State", Value: func(d *dialog) any { return d.State },
		Words: func(d *dialog, _ *table.Clock) string { return stateWords(d.State) }},
	{Key: "caller_state", Title: "Caller's side", Value: func(d *dialog) any { return d.CallerState },
		Words: func(d *dialog, _ *table.Clock) string { return legWords(d.CallerState) }},
	{Key: "callee_state", Title: "Callee's side", Value: func(d *dialog) any { return d.CalleeState },
		Words: func(d *dialog, _ *table.Clock) string { return legWords(d.CalleeState) }},
	{Key: "open_incidents", Title: "Incidents", Right: true, Value: func(d *dialog) any { return d.OpenIncidents },
		Words: func(d *dialog, _ *table.Clock) string { return countWords(d.OpenIncidents) }},
	{Key: "node", Title: "Node", Elastic: true, Value: func(d *dialog) any { return sip(d.Node) }},
	{Key: "call_id", Title: "Call-ID", Value: func(d *dialog) any { return sip(d.CallID) }},
	{Key: "setup", Value: func(d *dialog) any { return when(d.Setup) }},
	{Key: "not_seen", Value: func(d *dialog) any { return known(d.NotSeen) }},
	{Key: "ended", Value: func(d *dialog) any { return when(d.Ended) }},
	{Key: "caller_contact", Value: func(d *dialog) any { return sip(d.CallerContact) }},
	{Key: "callee_contact", Value: func(d *dialog) any { return sip(d.CalleeContact) }},
	{Key: "caller_tag", Value: func(d *dialog) any { return sip(d.CallerTag) }},
	{Key: "callee_tag", Value: func(d *dialog) any { return sip(d.CalleeTag) }},
	{Key: "proxy_dialogs", Value: func(d *dialog) any {
		all := make([]string, len(d.ProxyDialogs))
		for i, p := range d.ProxyDialogs {
			all[i] = sip(p)
		}
		return all
	}},
	{Key: "key", Value: func(d *dialog) any { return d.Key }},
	{Key: "version", Value: func(d *dialog) any { return d.Version }, Words: silent[dialog]},
	{Key: "updated", Value: func(d *dialog) any { return d.Updated }},
}

func lasts(d *dialog, clock *table.Clock) string {
	switch {
	case d.Answered == nil:
		return ""
	case d.Ended != nil:
		return clock.Span(max(d.Ended.Sub(*d.Answered), 0))
	}
	return clock.Since(*d.Answered)
}
