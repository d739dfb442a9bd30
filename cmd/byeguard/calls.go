package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/table"
)

func newCallsCommand(open opener, settings billingOpener) *cobra.Command {
	return callsCommand(systemConsole(), open, settings)
}

func callsCommand(con console, open opener, settings billingOpener) *cobra.Command {
	return group("calls", "What happened in a call, and what byeguard did", newCallsShow(con, open, settings), newCallsEvidence(con, open, settings))
}

func newCallsShow(con console, open opener, settings billingOpener) *cobra.Command {
	sh := shower[store.Story]{
		get:     (*store.Store).CallStory,
		missing: "no call %s: `byeguard cdrs list` and `byeguard dialogs list` have them",
		mask:    maskStory,
		print: func(cmd *cobra.Command, all []store.Story, format table.Format) error {
			return showStories(cmd, &con, all, format)
		},
	}
	return sh.command(&cobra.Command{
		Use:   "show CALL-ID",
		Short: "Tell a call's whole story (CALL-ID may also be byeguard's key of it)",
		Long: `Tell a call's whole story: each message and who sent it to whom, each decision
of byeguard and its reason, incidents, and the record that is billed from.

Times are seconds since the first event, by the proxy's clock.`,
	}, open, settings)
}

func showStories(cmd *cobra.Command, con *console, stories []store.Story, format table.Format) error {
	if format == table.JSON {
		all, err := storiesObject(stories)
		if err != nil {
			return err
		}
		return table.WriteJSON(cmd.OutOrStdout(), all)
	}
	clock := con.clock()
	for i := range stories {
		if i > 0 {
			fmt.Fprintln(cmd.OutOrStdout())
		}
		if err := writeStory(cmd.OutOrStdout(), &stories[i], &clock, con.width(cmd.OutOrStdout())); err != nil {
			return err
		}
	}
	return nil
}

// storyObject is a story in JSON.
type storyObject struct {
	Key       string            `json:"key"`
	CDR       json.RawMessage   `json:"cdr"`    // null: none
	Dialog    json.RawMessage   `json:"dialog"` // null: the call is over
	Events    []json.RawMessage `json:"events"`
	Incidents []json.RawMessage `json:"incidents"`
	Commands  []json.RawMessage `json:"commands"`
}

func storiesObject(stories []store.Story) ([]storyObject, error) {
	all := make([]storyObject, len(stories))
	for i := range stories {
		s, o := &stories[i], &all[i]
		o.Key = s.Key
		var err error
		var errs []error
		if s.CDR != nil {
			o.CDR, err = table.Object(cdrColumns, s.CDR)
			errs = append(errs, err)
		}
		if s.Dialog != nil {
			o.Dialog, err = table.Object(dialogColumns, s.Dialog)
			errs = append(errs, err)
		}
		o.Events, err = objects(eventColumns, s.Events)
		errs = append(errs, err)
		o.Incidents, err = objects(incidentColumns, s.Incidents)
		errs = append(errs, err)
		o.Commands, err = objects(commandColumns, s.Commands)
		if err = errors.Join(append(errs, err)...); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func objects[T any](columns []table.Column[T], rows []T) ([]json.RawMessage, error) {
	all := make([]json.RawMessage, len(rows))
	for i := range rows {
		var err error
		if all[i], err = table.Object(columns, &rows[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

type event = store.Event

var eventColumns = []table.Column[event]{
	{Key: "at", Value: func(e *event) any { return e.At }},
	{Key: "at_us", Value: func(e *event) any { return e.At.UnixMicro() }},
	{Key: "lag_us", Value: func(e *event) any { return e.LagUS }},
	{Key: "node", Value: func(e *event) any { return sip(e.Node) }},
	{Key: "boot", Value: func(e *event) any { return known(e.Boot) }},
	{Key: "seq", Value: func(e *event) any { return known(e.Seq) }},
	{Key: "kind", Value: func(e *event) any { return e.Kind }},
	{Key: "src", Value: func(e *event) any { return known(e.Src) }},
	{Key: "dst", Value: func(e *event) any { return known(e.Dst) }},
	{Key: "method", Value: func(e *event) any { return known(sip(e.Method)) }},
	{Key: "cseq", Value: func(e *event) any { return known(e.CSeq) }},
	{Key: "code", Value: func(e *event) any { return known(e.Code) }},
	{Key: "reason", Value: func(e *event) any { return known(e.Reason) }},
	// Its texts are valid UTF-8 already: the store escapes them as package table does.
	{Key: "detail", Value: func(e *event) any { return e.Detail }},
}

type command = store.Command

var commandColumns = []table.Column[command]{
	{Key: "id", Value: func(c *command) any { return sip(c.ID) }},
	{Key: "created", Value: func(c *command) any { return c.Created }},
	{Key: "done", Value: func(c *command) any { return when(c.Done) }},
	{Key: "state", Value: func(c *command) any { return string(c.State) }},
	{Key: "node", Value: func(c *command) any { return sip(c.Node) }},
	{Key: "leg", Value: func(c *command) any { return c.Leg }},
	{Key: "attempt", Value: func(c *command) any { return c.Attempt }},
	{Key: "cseq", Value: func(c *command) any { return c.CSeq }},
	{Key: "code", Value: func(c *command) any {
		if c.Code == nil {
			return nil
		}
		return *c.Code
	}},
	{Key: "reason", Value: func(c *command) any { return c.Reason }},
}

// known is nil for the zero value.
func known[T comparable](v T) any {
	if v == *new(T) {
		return nil
	}
	return v
}
