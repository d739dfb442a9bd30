package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/byeguard/byeguard/pkg/alert"
	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/table"
)

var alertStates = []string{string(store.AlertGathering), string(store.AlertSending), string(store.AlertSent), string(store.AlertDead)}

func newAlertsCommand(open, write opener, config func() (app.Config, error)) *cobra.Command {
	return alertsCommand(systemConsole(), open, write, config)
}

func alertsCommand(con console, open, write opener, config func() (app.Config, error)) *cobra.Command {
	var route string
	l := &lister[store.Alert]{
		what: "alerts", columns: alertColumns, states: alertStates,
		list:   (*store.Store).ListAlerts,
		cursor: func(a *store.Alert) store.Cursor { return store.Cursor{At: a.Created, ID: a.ID} },
		narrow: func(f *store.Filter) error { f.Node, f.CallID = route, ""; return nil },
	}
	list := l.command(con, open, "List what was sent, waits or was given up, the newest first")
	list.Example = `  byeguard alerts list --state dead
  byeguard alerts list --route billing --since 1d -o json`
	list.Flags().StringVar(&route, "route", "", "only alerts of this route")
	for _, name := range [...]string{"node", "call-id"} {
		_ = list.Flags().MarkHidden(name) // it is there: all lists have it
	}
	return group("alerts", "What is told of incidents, and to whom", list, newAlertsRetry(write), newAlertsTest(con, config))
}

var alertColumns = []table.Column[store.Alert]{
	{Key: "created", Title: "Made ({zone})", Value: func(a *store.Alert) any { return a.Created }},
	{Key: "route", Title: "Route", Value: func(a *store.Alert) any { return a.Route }},
	{Key: "state", Title: "State", Value: func(a *store.Alert) any { return string(a.State) }},
	{Key: "severity", Title: "Severity", Value: func(a *store.Alert) any { return a.Severity }},
	{Key: "incidents", Title: "Incidents", Right: true, Value: func(a *store.Alert) any { return a.Incidents }},
	{Key: "title", Title: "What", Elastic: true, Value: func(a *store.Alert) any { return sip(a.Title) }},
	{Key: "tries", Title: "Tries", Right: true, Value: func(a *store.Alert) any { return a.Tries }},
	{Key: "last_error", Title: "Last error", Elastic: true, Value: func(a *store.Alert) any { return sip(a.LastError) }},
	{Key: "id", Title: "Id", Value: func(a *store.Alert) any { return a.ID }},
	{Key: "due", Value: func(a *store.Alert) any { return a.Due }},
	{Key: "sent", Value: func(a *store.Alert) any { return when(a.Sent) }},
}

func newAlertsRetry(write opener) *cobra.Command {
	var all bool
	var route string
	cmd := &cobra.Command{
		Use:   "retry ID...",
		Short: "Send again what was given up",
		Long: `Have alerts sent again that were given up (state dead), for another day. The
byeguard that runs sends them; they keep their ids, so a receiver that had taken
one knows it.`,
		Example: `  byeguard alerts retry 5f2c7a8e61d94f0c8f0e0f3b8d7c6a51
  byeguard alerts retry --all --route billing`,
		Args: words(cobra.ArbitraryArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) || route != "" && !all {
				return usageError{errors.New("give ids, or --all, with --route if you like: `byeguard alerts list --state dead` has them")}
			}
			slices.Sort(args)
			args = slices.Compact(args)
			s, err := write(cmd.Context())
			if err != nil {
				return err
			}
			n, err := s.RetryAlerts(cmd.Context(), args, route)
			if err = errors.Join(err, s.Close()); err != nil {
				if errors.Is(err, store.ErrNotFound) {
					return fmt.Errorf("%w: nothing is sent; `byeguard alerts list --state dead` has them", err)
				}
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d alerts are sent again\n", n)
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all that were given up")
	cmd.Flags().StringVar(&route, "route", "", "with --all: of this route only")
	return cmd
}

func newAlertsTest(con console, config func() (app.Config, error)) *cobra.Command {
	return &cobra.Command{
		Use:   "test ROUTE",
		Short: "Send a test to a route's receiver, now",
		Long: `Send a test to the receiver of a route of the configuration, from here and at
once, past quiet hours and digests, and say what it answered. No database is needed.`,
		Example: `  byeguard alerts test billing -c /etc/byeguard/byeguard.yaml`,
		Args:    words(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := config()
			if err != nil {
				return err
			}
			return testRoute(cmd.Context(), cmd, &con, &cfg, args[0])
		},
	}
}

func testRoute(ctx context.Context, cmd *cobra.Command, con *console, cfg *app.Config, name string) error {
	rates, err := billing.LoadRates(cfg.Rates)
	if err != nil {
		return err
	}
	var names []string
	for i := range cfg.Alerts.Routes {
		names = append(names, cfg.Alerts.Routes[i].Name)
	}
	at := slices.Index(names, name)
	switch {
	case len(names) == 0:
		return errors.New("the configuration has no routes: give it with -c, and see docs/alerts.md")
	case at < 0:
		return usageError{fmt.Errorf("no route %q: the configuration has %s", name, strings.Join(names, ", "))}
	}
	if err := cfg.Alerts.Validate(nil, rates.Carriers()); err != nil {
		return err
	}
	r := &cfg.Alerts.Routes[at]
	var random [16]byte
	_, _ = rand.Read(random[:]) // it does not fail (crypto/rand)
	now := con.now()
	if err := alert.Send(ctx, r, alert.TestMessage(r, hex.EncodeToString(random[:]), cfg.Alerts.Link, now), now); err != nil {
		return fmt.Errorf("route %s: %w", name, err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "route %s (%s): the receiver took the test\n", name, r.Type)
	return nil
}
