package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/table"
)

// staleAfter is when a byeguard that said nothing counts as gone.
const staleAfter = 5 * time.Second

// statusRow is one node as one byeguard sees it.
type statusRow struct {
	app.Status
	Node app.NodeStatus
	Age  time.Duration // of what it said
}

func (r *statusRow) stale() bool { return r.Age > staleAfter }

var statusColumns = []table.Column[statusRow]{
	{Key: "node", Title: "Node", Value: func(r *statusRow) any { return r.Node.Name }},
	{Key: "byeguard", Title: "Byeguard", Value: func(r *statusRow) any { return r.Instance }},
	{Key: "alive", Title: "Alive", Value: func(r *statusRow) any { return !r.stale() }, Words: func(r *statusRow, c *table.Clock) string {
		if r.stale() {
			return "silent for " + c.Span(r.Age)
		}
		return "yes"
	}},
	{Key: "role", Title: "Role", Value: func(r *statusRow) any { return r.Node.Role }},
	{Key: "connected", Title: "Connected", Value: func(r *statusRow) any { return r.Node.Connected }, Words: func(r *statusRow, _ *table.Clock) string {
		if r.Node.Connected {
			return "yes"
		}
		return "no: " + r.Node.Problem
	}, Elastic: true},
	{Key: "mode", Title: "Mode", Value: func(r *statusRow) any { return r.Mode }},
	{Key: "sending", Title: "Sending", Value: func(r *statusRow) any { return r.Node.Sending }, Elastic: true},
	{Key: "live_calls", Title: "Calls", Right: true, Value: func(r *statusRow) any { return r.Live }},
	{Key: "backlog", Title: "Backlog", Right: true, Value: func(r *statusRow) any { return r.Node.Backlog }},
	{Key: "waiting_calls", Title: "Held back", Right: true, Value: func(r *statusRow) any { return r.Waiting }},
	{Key: "skew_ms", Title: "Clock", Right: true, Value: func(r *statusRow) any { return millis(r.Node.SkewMS) },
		Words: func(r *statusRow, _ *table.Clock) string { return skewWords(r.Node.SkewMS) }},
	{Key: "database", Title: "Database", Value: func(r *statusRow) any { return r.Database }, Elastic: true},
	{Key: "database_skew_ms", Title: "DB clock", Right: true, Value: func(r *statusRow) any { return millis(r.SkewMS) },
		Words: func(r *statusRow, _ *table.Clock) string { return skewWords(r.SkewMS) }},
	{Key: "journal", Title: "Journal", Value: func(r *statusRow) any { return r.Journal }, Elastic: true},
	{Key: "version", Title: "Version", Value: func(r *statusRow) any { return r.Version }},
	{Key: "problem", Value: func(r *statusRow) any { return r.Node.Problem }},
	{Key: "ready", Value: func(r *statusRow) any { return r.Ready }},
	{Key: "in_flight", Value: func(r *statusRow) any { return r.Node.InFlight }},
	{Key: "database_away_since", Value: func(r *statusRow) any {
		if r.Away == nil {
			return nil
		}
		return *r.Away
	}},
	{Key: "waiting_batches", Value: func(r *statusRow) any { return r.OnDisk }},
	{Key: "waiting_bytes", Value: func(r *statusRow) any { return r.DiskUse }},
	{Key: "unsaved_calls", Value: func(r *statusRow) any { return r.Unsaved }},
	{Key: "host", Value: func(r *statusRow) any { return r.Host }},
	{Key: "pid", Value: func(r *statusRow) any { return r.PID }},
	{Key: "started", Value: func(r *statusRow) any { return r.Started }},
	{Key: "age", Value: func(r *statusRow) any { return r.Age }},
}

func millis(ms *int64) any {
	if ms == nil {
		return nil
	}
	return *ms
}

// skewWords says how far a clock is ahead of byeguard's.
func skewWords(ms *int64) string {
	if ms == nil {
		return "?"
	}
	return fmt.Sprintf("%+.3f s", float64(*ms)/1000)
}

func newStatusCommand() *cobra.Command { return statusCommand(systemConsole()) }

func statusCommand(con console) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the byeguards, their nodes, and who may send",
		Long: `Show every byeguard of the database and each of its nodes: whether it is
connected, acts or stands by, and whether it sends. "Clock" is how far the
Kamailio's clock is ahead of byeguard's, "DB clock" PostgreSQL's.

While PostgreSQL is away the byeguard of this machine is asked over HTTP.`,
		Args: words(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			format, err := table.ParseFormat(output)
			if err != nil {
				return usageError{err}
			}
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			rows, holds, err := readStatus(cmd.Context(), &cfg, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			w := table.NewWriter(out, statusColumns, table.Options{Format: format, Clock: con.clock(), Width: con.width(out)})
			for i := range rows {
				if err := w.Add(&rows[i]); err != nil {
					return err
				}
			}
			if err := w.Close(); err != nil || format != table.Text {
				return err
			}
			if len(rows) == 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), "no byeguard has been heard of")
			}
			clock := con.clock()
			for _, line := range holds {
				fmt.Fprintln(out, line(&clock))
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table, json (one array) or csv")
	return cmd
}

// readStatus asks PostgreSQL, or the daemon of this machine while that is away.
func readStatus(ctx context.Context, cfg *app.Config, warn io.Writer) ([]statusRow, []func(*table.Clock) string, error) {
	rows, holds, err := statusFromDatabase(ctx, cfg)
	if err == nil {
		return rows, holds, nil
	}
	st, httpErr := statusFromDaemon(ctx, cfg.HTTP)
	if httpErr != nil {
		return nil, nil, fmt.Errorf("%w; and the byeguard of this machine does not answer on http %q: %w", err, cfg.HTTP, httpErr)
	}
	fmt.Fprintf(warn, "byeguard: %v; this is what the byeguard of this machine says\n", err)
	return rowsOf(&st, 0), holdLines(&st), nil
}

func statusFromDatabase(ctx context.Context, cfg *app.Config) ([]statusRow, []func(*table.Clock) string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	opts := store.DefaultOptions()
	opts.ReadOnly = true
	var err error
	if opts.URL, err = app.FindDatabase(cfg); err != nil {
		return nil, nil, err
	}
	s, err := store.Open(ctx, opts)
	if err != nil {
		return nil, nil, err
	}
	defer s.Close() //nolint:errcheck // it was only read
	all, err := s.Instances(ctx)
	if err != nil {
		return nil, nil, err
	}
	var rows []statusRow
	for i := range all {
		var st app.Status
		if err := json.Unmarshal(all[i].Status, &st); err != nil {
			return nil, nil, fmt.Errorf("status of byeguard %s is of another version: %w", all[i].ID, err)
		}
		rows = append(rows, rowsOf(&st, time.Duration(all[i].Age*float64(time.Second)))...)
	}
	held := app.Status{}
	if held.Switches, err = s.Switches(ctx); err != nil {
		return nil, nil, err
	}
	return rows, holdLines(&held), nil
}

func rowsOf(st *app.Status, age time.Duration) []statusRow {
	var rows []statusRow
	for i := range st.Nodes {
		rows = append(rows, statusRow{Status: *st, Node: st.Nodes[i], Age: age})
	}
	return rows
}

// holdLines says what holds sending back, and how to go on.
func holdLines(st *app.Status) []func(*table.Clock) string {
	var lines []func(*table.Clock) string
	for _, s := range st.Switches {
		lines = append(lines, func(c *table.Clock) string {
			return fmt.Sprintf("held back since %s: %s", c.Time(s.At), switchWords(&s))
		})
	}
	if len(lines) > 0 {
		lines = append(lines, func(*table.Clock) string { return "`byeguard resume` lets sending go on" })
	}
	return lines
}

func statusFromDaemon(ctx context.Context, addr string) (app.Status, error) {
	var st app.Status
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/status", http.NoBody)
	if err != nil {
		return st, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return st, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return st, fmt.Errorf("http status %d", resp.StatusCode)
	}
	return st, json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&st)
}
