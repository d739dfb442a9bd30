package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/table"
)

func newRetentionCommand(options func(context.Context) (store.Options, error)) *cobra.Command {
	return retentionCommand(systemConsole(), options)
}

func retentionCommand(con console, options func(context.Context) (store.Options, error)) *cobra.Command {
	var dry bool
	var output string
	run := &cobra.Command{
		Use:   "run",
		Short: "Drop now what the retention_ keys of the configuration no longer allow",
		Long: `Drop what the retention_ keys of the configuration no longer allow, as serve does
every hour: evidence and records a day at a time, settled incidents, and finished
commands. A day with records that are still open stays.`,
		Example: `  byeguard retention run --dry-run -c /etc/byeguard/byeguard.yaml`,
		Args:    words(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			format, err := table.ParseFormat(output)
			if err != nil {
				return usageError{err}
			}
			opts, err := options(cmd.Context())
			if err != nil {
				return err
			}
			if opts.Keep == (store.Keep{}) {
				return errors.New("nothing has an age to be dropped at: set retention_events, retention_cdrs or retention_incidents in the configuration")
			}
			s, err := store.Open(cmd.Context(), opts)
			if err != nil {
				return err
			}
			list, err := s.Retain(cmd.Context(), opts.Keep, con.now(), dry)
			if err = errors.Join(err, s.Close()); err != nil {
				return err
			}
			w := table.NewWriter(cmd.OutOrStdout(), droppedColumns, table.Options{Format: format, Clock: con.clock(), Width: con.width(cmd.OutOrStdout())})
			for i := range list {
				if err := w.Add(&list[i]); err != nil {
					return err
				}
			}
			if len(list) == 0 && format == table.Text {
				fmt.Fprintln(cmd.ErrOrStderr(), "nothing is too old")
			}
			return w.Close()
		},
	}
	run.Flags().BoolVar(&dry, "dry-run", false, "only say what would be dropped")
	run.Flags().StringVarP(&output, "output", "o", "table", "table, json (one array) or csv")
	return group("retention", "How long records and evidence are kept", run)
}

var droppedColumns = []table.Column[store.Dropped]{
	{Key: "what", Title: "What", Value: func(d *store.Dropped) any { return d.What }},
	{Key: "until", Title: "Older than ({zone})", Value: func(d *store.Dropped) any { return d.Until }},
	{Key: "rows", Title: "Rows", Right: true, Value: func(d *store.Dropped) any { return d.Rows }},
	{Key: "bytes", Title: "Bytes", Right: true, Value: func(d *store.Dropped) any { return known(d.Bytes) }},
	{Key: "kept", Title: "Kept for incidents", Right: true, Value: func(d *store.Dropped) any { return d.Kept }},
	{Key: "stays", Title: "Stays, because", Value: func(d *store.Dropped) any { return d.Why }},
}
