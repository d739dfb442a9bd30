package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/table"
)

func newMigrateCommand(options func(context.Context) (store.Options, error)) *cobra.Command {
	return migrateCommand(systemConsole(), options)
}

func migrateCommand(con console, options func(context.Context) (store.Options, error)) *cobra.Command {
	// with runs f on the database's schema.
	with := func(cmd *cobra.Command, f func(context.Context, *store.Migrator) error) error {
		ctx := cmd.Context()
		opts, err := options(ctx)
		if err != nil {
			return err
		}
		m, err := store.OpenMigrator(ctx, opts)
		if err != nil {
			return err
		}
		return errors.Join(f(ctx, m), m.Close())
	}
	up := &cobra.Command{
		Use:   "up",
		Short: "Bring the schema up to date",
		Args:  words(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return with(cmd, func(ctx context.Context, m *store.Migrator) error {
				done, err := m.Up(ctx)
				for _, d := range done {
					fmt.Fprintf(cmd.OutOrStdout(), "applied %s in %v\n", d.Name, d.Took.Round(time.Millisecond))
				}
				if err == nil && len(done) == 0 {
					fmt.Fprintln(cmd.OutOrStdout(), "nothing to do: the schema is up to date")
				}
				return err
			})
		},
	}
	return group("migrate", "Change byeguard's database schema", up, newMigrateDown(with), newMigrateStatus(con, with))
}

// onMigrator runs a function on the database's schema.
type onMigrator func(*cobra.Command, func(context.Context, *store.Migrator) error) error

func newMigrateDown(with onMigrator) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "down --yes",
		Short: "Take back the newest migration, with the data in its tables",
		Args:  words(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes {
				return usageError{errors.New("migrate down deletes the data in the tables that it takes back: add --yes if that is meant")}
			}
			return with(cmd, func(ctx context.Context, m *store.Migrator) error {
				done, err := m.Down(ctx)
				switch {
				case err != nil:
					return err
				case done == nil:
					fmt.Fprintln(cmd.OutOrStdout(), "nothing to do: no migration is applied")
				default:
					fmt.Fprintf(cmd.OutOrStdout(), "took back %s in %v\n", done.Name, done.Took.Round(time.Millisecond))
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "the data may be deleted")
	return cmd
}

var migrationColumns = []table.Column[store.Migration]{
	{Key: "version", Title: "Version", Right: true, Value: func(m *store.Migration) any { return m.Version }},
	{Key: "name", Title: "Name", Value: func(m *store.Migration) any { return m.Name }},
	{Key: "applied", Title: "Applied", Value: func(m *store.Migration) any { return m.Applied }, Words: func(m *store.Migration, _ *table.Clock) string {
		if m.Applied {
			return "yes"
		}
		return "no"
	}},
	{Key: "applied_at", Title: "At ({zone})", Value: func(m *store.Migration) any { return m.AppliedAt }},
}

func newMigrateStatus(con console, with onMigrator) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "List the migrations and whether they are applied",
		Args:  words(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			format, err := table.ParseFormat(output)
			if err != nil {
				return usageError{err}
			}
			return with(cmd, func(ctx context.Context, m *store.Migrator) error {
				all, err := m.Status(ctx)
				if err != nil {
					return err
				}
				w := table.NewWriter(cmd.OutOrStdout(), migrationColumns,
					table.Options{Format: format, Clock: con.clock(), Width: con.width(cmd.OutOrStdout())})
				for i := range all {
					if err := w.Add(&all[i]); err != nil {
						return err
					}
				}
				return w.Close()
			})
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table, json or csv")
	return cmd
}
