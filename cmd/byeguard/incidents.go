package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/table"
)

func newIncidentsCommand(open, write opener, settings billingOpener) *cobra.Command {
	return incidentsCommand(systemConsole(), open, write, settings)
}

// incidentsCommand reads by open, and changes by write.
func incidentsCommand(con console, open, write opener, settings billingOpener) *cobra.Command {
	l := &lister[store.Incident]{
		what: "incidents", columns: incidentColumns,
		states: incidentStates,
		list:   (*store.Store).ListIncidents,
		cursor: func(i *store.Incident) store.Cursor {
			return store.Cursor{At: i.Opened, ID: strconv.FormatInt(i.ID, 10)}
		},
	}
	return group("incidents", "What a person should look at",
		l.command(con, open, "List the incidents, those that opened last first"),
		newIncidentsShow(con, open), newIncidentsAck(con, write), newIncidentsResolve(con, write),
		newIncidentsExport(con, open, settings))
}

func newIncidentsShow(con console, open opener) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "show NUMBER",
		Short: "Show an incident",
		Args:  words(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			format, err := showFormat(output)
			if err != nil {
				return err
			}
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return usageError{fmt.Errorf("%q is no number of an incident: `byeguard incidents list` has them", args[0])}
			}
			s, err := open(cmd.Context())
			if err != nil {
				return err
			}
			in, err := s.GetIncident(cmd.Context(), id)
			if err = errors.Join(err, s.Close()); err != nil {
				if errors.Is(err, store.ErrNotFound) {
					return fmt.Errorf("no incident %d: `byeguard incidents list` has them", id)
				}
				return err
			}
			if format == table.JSON {
				object, err := table.Object(incidentColumns, &in)
				if err != nil {
					return err
				}
				return table.WriteJSON(cmd.OutOrStdout(), object)
			}
			clock := con.clock()
			if err := table.Details(cmd.OutOrStdout(), incidentColumns, &in, &clock); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "\nThe call's story: byeguard calls show %s\n", in.Key)
			return nil
		},
	}
	addShowFlags(cmd, &output)
	return cmd
}

type incident = store.Incident

var incidentColumns = []table.Column[incident]{
	{Key: "id", Title: "No.", Right: true, Value: func(i *incident) any { return i.ID }},
	{Key: "opened", Title: "Opened ({zone})", Value: func(i *incident) any { return i.Opened }},
	{Key: "severity", Title: "Severity", Value: func(i *incident) any { return i.Severity }},
	{Key: "state", Title: "State", Value: func(i *incident) any { return string(i.State) }},
	{Key: "kind", Title: "What", Elastic: true, Value: func(i *incident) any { return i.Kind },
		Words: func(i *incident, _ *table.Clock) string { return kindWords(i.Kind) }},
	{Key: "leg", Title: "Side", Value: func(i *incident) any { return i.Leg }},
	{Key: "detail", Title: "Detail", Elastic: true, Value: func(i *incident) any { return sip(i.Detail) }},
	{Key: "node", Title: "Node", Elastic: true, Value: func(i *incident) any { return sip(i.Node) }},
	{Key: "call_id", Title: "Call-ID", Value: func(i *incident) any { return sip(i.CallID) }},
	{Key: "reason", Value: func(i *incident) any { return i.Reason },
		Words: func(i *incident, _ *table.Clock) string { return reasonWords(i.Reason) }},
	{Key: "key", Value: func(i *incident) any { return i.Key }},
	{Key: "updated", Value: func(i *incident) any { return i.Updated }},
	{Key: "resolved", Value: func(i *incident) any { return when(i.Resolved) }},
	{Key: "resolved_by", Value: func(i *incident) any { return sip(i.ResolvedBy) }},
	{Key: "acked", Value: func(i *incident) any { return when(i.Acked) }},
	{Key: "acked_by", Value: func(i *incident) any { return sip(i.AckedBy) }},
	{Key: "note", Value: func(i *incident) any { return sip(i.Note) }},
}

// incidentStates are what --state of incidents takes.
var incidentStates = []string{string(store.IncidentOpen), string(store.IncidentAcknowledged), string(store.IncidentResolved)}
