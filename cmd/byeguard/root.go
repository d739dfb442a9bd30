package main

import (
	"context"
	"os"
	"strings"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/quietlog"
	"github.com/byeguard/byeguard/pkg/store"
)

// version is set by the linker.
var version = "development"

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "byeguard",
		Short: "No call half ended, no bill wrong",
		Long: `byeguard runs beside Kamailio. It follows every call leg by leg, finds the
calls whose BYE reached one side only, sends the missing BYE through Kamailio,
and keeps for each call the record that is billed from.

Configuration comes from a file (-c), BYEGUARD_* variables and flags, the later
winning. All keys are in docs/configuration.md.

Exit status: 0 done, 1 failed, 2 the command line is wrong.`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          words(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	f := root.PersistentFlags()
	f.StringP("config", "c", "", "configuration file (YAML)")
	f.String("database-url", "", "PostgreSQL: a postgres:// URL (default: the private cluster in --data-dir)")
	f.String("data-dir", "", "directory of the private PostgreSQL cluster (default "+app.DefaultConfig().DataDir+")")
	f.String("rates", "", "what carriers bill: a YAML file, see docs/billing.md")
	f.String("log-level", "", "error, warning, info or debug (default info)")
	f.String("log-format", "", "text or json (default text)")
	f.Int("log-burst", 0, "equal log lines within 10 s that are written one by one (default 20; 0: all)")

	open := func(ctx context.Context) (*store.Store, error) { return openReader(ctx, root) }
	write := func(ctx context.Context) (*store.Store, error) { return openWriter(ctx, root) }
	settings := func() (billingSettings, error) { return readBillingSettings(root) }
	root.AddCommand(
		newServeCommand(),
		newStatusCommand(),
		newPauseCommand(),
		newResumeCommand(),
		newMigrateCommand(func(context.Context) (store.Options, error) { return databaseOptions(root) }),
		newDialogsCommand(open, settings),
		newCallsCommand(open, settings),
		newIncidentsCommand(open, write, settings),
		newAlertsCommand(open, write, func() (app.Config, error) { return loadConfig(root) }),
		newCDRsCommand(open, settings),
		newReportCommand(open, settings),
		newReconcileCommand(open, write, settings, func() ([]app.Node, error) {
			cfg, err := loadConfig(root)
			return cfg.Nodes, err
		}),
		newWebCommand(),
		newRetentionCommand(func(context.Context) (store.Options, error) { return retentionOptions(root) }),
	)
	return root
}

// loadConfig reads the configuration as the command's flags say.
func loadConfig(cmd *cobra.Command) (app.Config, error) {
	path, err := cmd.Flags().GetString("config")
	if err != nil {
		return app.Config{}, err
	}
	flags := make(map[string]any)
	// Not Visit: a flag of the root that was parsed by a command below is known
	// there as changed only by its own mark.
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		key := strings.ReplaceAll(f.Name, "-", "_")
		switch {
		case !f.Changed:
		case f.Name == "node" && f.Value.Type() == "stringArray":
			list, _ := cmd.Flags().GetStringArray("node")
			flags["nodes"] = strings.Join(list, ";")
		case isConfigFlag(f.Name):
			flags[key] = f.Value.String()
		}
	})
	return app.LoadConfig(path, os.Environ(), flags)
}

// isConfigFlag tells flags that are keys of the configuration from the others.
func isConfigFlag(name string) bool {
	switch name {
	case "database-url", "data-dir", "log-level", "log-format", "log-burst", "mode", "grace", "cseq-step",
		"stuck-after", "bye-rate", "http", "auto-migrate", "journal-dir", "journal-max",
		"probe-rate", "probe-again", "probe-slow", "max-age", "zombie-after", "zombie",
		"mass-action-rate", "mass-action-share", "clock-skew",
		"rates", "mask-numbers", "long-call-every",
		"retention-events", "retention-cdrs", "retention-incidents", "retention-evidence":
		return true
	}
	return false
}

// databaseOptions says which database a command that does not serve works on.
func databaseOptions(root *cobra.Command) (store.Options, error) {
	opts := store.DefaultOptions()
	cfg, err := loadConfig(root)
	if err != nil {
		return opts, err
	}
	opts.URL, err = app.FindDatabase(&cfg)
	return opts, err
}

func openReader(ctx context.Context, root *cobra.Command) (*store.Store, error) {
	opts, err := databaseOptions(root)
	if err != nil {
		return nil, err
	}
	opts.ReadOnly = true
	return store.Open(ctx, opts)
}

// openWriter opens the database for a command that changes something.
func openWriter(ctx context.Context, root *cobra.Command) (*store.Store, error) {
	opts, err := databaseOptions(root)
	if err != nil {
		return nil, err
	}
	return store.Open(ctx, opts)
}

// readBillingSettings reads the rates that the configuration names.
func readBillingSettings(root *cobra.Command) (b billingSettings, err error) {
	cfg, err := loadConfig(root)
	if err != nil {
		return b, err
	}
	b.mask = cfg.MaskNumbers
	b.rates, err = billing.LoadRates(cfg.Rates)
	return b, err
}

// retentionOptions says what retention is to do, and where.
func retentionOptions(root *cobra.Command) (store.Options, error) {
	opts := store.DefaultOptions()
	cfg, err := loadConfig(root)
	if err != nil {
		return opts, err
	}
	if opts.URL, err = app.FindDatabase(&cfg); err != nil {
		return opts, err
	}
	opts.Keep, err = cfg.Keep()
	return opts, err
}

// newLogger returns the daemon's logger.
func newLogger(cfg *app.Config) (*logrus.Logger, error) {
	log, _, err := newQuietLogger(cfg)
	return log, err
}

// newQuietLogger returns it with what sums up its repeats, nil if nothing does.
func newQuietLogger(cfg *app.Config) (*logrus.Logger, *quietlog.Formatter, error) {
	log := logrus.New()
	level, err := logrus.ParseLevel(cfg.LogLevel)
	if err != nil {
		return nil, nil, err
	}
	log.SetLevel(level)
	log.SetFormatter(&logrus.TextFormatter{FullTimestamp: true})
	if cfg.LogFormat == "json" {
		log.SetFormatter(&logrus.JSONFormatter{})
	}
	if cfg.LogBurst == 0 {
		return log, nil, nil
	}
	quiet := quietlog.New(log.Formatter, quietlog.Options{Burst: cfg.LogBurst})
	log.SetFormatter(quiet)
	return log, quiet, nil
}
