package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/watchdog"
)

func newServeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Guard the calls of one or more Kamailio nodes",
		Long: `Guard the calls of one or more Kamailio nodes until SIGTERM.

A small parent process watches the one that reads Kamailio's events and kills
it within a second should it stall, since a reader that stalls could hold up
the proxy. Without a database_url a private PostgreSQL cluster is started in
--data-dir from the server binaries of this machine.`,
		Example: `  byeguard serve -c /etc/byeguard/byeguard.yaml
  byeguard serve --node kam1=127.0.0.1:8448,http://127.0.0.1:8080/RPC --mode observe`,
		Args: words(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			if err := cfg.Validate(); err != nil {
				return err
			}
			beats, child := watchdog.Child()
			if alone, _ := cmd.Flags().GetBool("no-watchdog"); child || alone {
				return serve(cmd.Context(), &cfg, beats)
			}
			return supervise(cmd.Context(), &cfg)
		},
	}
	f := cmd.Flags()
	f.StringArray("node", nil, "a node: NAME=EVAPI,JSONRPC or NAME=udp:LISTEN/FROM,JSONRPC (repeat for more)")
	f.String("mode", "", "compensate, or observe: detect and record, send nothing (default compensate)")
	f.Duration("grace", 0, "how long the proxy's second BYE may take (default 250ms)")
	f.Uint32("cseq-step", 0, "how far above the highest CSeq seen a BYE goes (default 100)")
	f.Duration("stuck-after", 0, "when a dialog that the proxy holds with one leg closed becomes an incident (default 1m)")
	f.Float64("bye-rate", 0, "BYEs a second and node (default 200)")
	f.Float64("probe-rate", 0, "OPTIONS a second and node, to ask end points of odd calls (default 5; 0: ask nobody)")
	f.Duration("probe-again", 0, "time between the two 481 to OPTIONS that close a leg (default 10s)")
	f.Duration("probe-slow", 0, "how slowly end points are asked where no BYE hangs on it (default 10m)")
	f.Duration("max-age", 0, "from when on a call that is up is odd (default 24h; 0: never)")
	f.Duration("zombie-after", 0, "from when on a leg that answers no OPTIONS is an incident (default 1h)")
	f.String("zombie", "", "report zombies, or end those of which one end is gone: report or end (default report)")
	f.Float64("mass-action-rate", 0, "BYEs a second and node that may rest on inference before they are stopped (default 5)")
	f.Float64("mass-action-share", 0, "the same within a minute, as a share of live calls (default 0.01)")
	f.Duration("clock-skew", 0, "how far clocks may differ before an incident (default 2s)")
	f.String("http", "", "address of the page, the API, /healthz and /metrics (default 127.0.0.1:9430; empty: none)")
	f.String("journal-dir", "", "directory of the journal (default journal in --data-dir)")
	f.Int("journal-max", 0, "most MiB on disk of the journal, and of what waits for PostgreSQL (default 16384)")
	f.Bool("auto-migrate", true, "bring the database schema up to date at start")
	f.Bool("mask-numbers", false, "commands hide numbers behind asterisks")
	f.String("long-call-every", "", "a partial record of calls that are still up, so often (default 0: none)")
	f.String("retention-events", "", "drop evidence that is older, as 30d (default 0: never)")
	f.String("retention-cdrs", "", "drop CDRs that are older, as 400d (default 0: never)")
	f.String("retention-incidents", "", "drop settled incidents and commands that are older (default 0: never)")
	f.String("retention-evidence", "", "but keep evidence and CDRs of calls with incidents so long (default 0: no longer than others)")
	f.Bool("no-watchdog", false, "run without the watching parent process")
	return cmd
}

// serve is the daemon itself.
func serve(ctx context.Context, cfg *app.Config, beats *watchdog.Beats) error {
	log, quiet, err := newQuietLogger(cfg)
	if err != nil {
		return err
	}
	if quiet != nil {
		defer quiet.Flush()
	}
	a, err := app.New(*cfg, log, beats)
	if err != nil {
		return err
	}
	a.Version = version
	if quiet != nil {
		a.Quieted = quiet.Suppressed
	}
	return a.Run(ctx)
}

// supervise is the parent: it watches the daemon and does nothing else.
func supervise(ctx context.Context, cfg *app.Config) error {
	log, err := newLogger(cfg)
	if err != nil {
		return err
	}
	code, err := watchdog.Run(ctx, watchdog.Options{Log: log, Stop: time.Minute})
	if err != nil || code == exitOK {
		return err
	}
	return statusError(code)
}
