package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/byeguard/byeguard/pkg/accdb"
	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/billing/reconcile"
	"github.com/byeguard/byeguard/pkg/carriercsv"
	"github.com/byeguard/byeguard/pkg/store"
)

// exitDiffers says that a reconciliation found discrepancies.
const exitDiffers = 3

// accURLVariable names the accounting database, so that its password need not
// stand in a command line.
const accURLVariable = "BYEGUARD_ACC_URL"

func newReconcileCommand(open, write opener, settings billingOpener, nodes func() ([]app.Node, error)) *cobra.Command {
	return reconcileCommand(systemConsole(), open, write, settings, nodes)
}

func reconcileCommand(con console, open, write opener, settings billingOpener, nodes func() ([]app.Node, error)) *cobra.Command {
	cmd := group("reconcile", "Compare byeguard's records with Kamailio's accounting, a carrier's list, or the live proxy",
		newReconcileAcc(con, open, write, settings), newReconcileCSV(con, open, write, settings), newReconcileLive(con, open, write, settings, nodes),
		newReconcileUndo())
	cmd.Long = `Compare byeguard's records call by call with somebody else's, and say what
differs and why. docs/reconcile.md explains each class, with an example and what
to do about it.

What is found becomes an incident a class (cdr_missing, records_differ), so that
alerts tell of it; --no-incidents leaves that out. The same comparison made again
brings its incidents up to date, and resolves what is not found any more.

Exit status: 0 all agree, 3 there are discrepancies, 1 failed, 2 the command line
is wrong.`
	return cmd
}

// reconcileFlags are those of all comparisons.
type reconcileFlags struct {
	since, until, node, carrier string
	output, out                 string
	tolerance, start            []string
	window                      time.Duration
	clean                       []string
	all, mask, quiet            bool

	write opener
	with  string // the other side, for incidents
}

func (f *reconcileFlags) add(cmd *cobra.Command) {
	d := reconcile.DefaultOptions()
	clean := make([]string, 0, 3)
	for _, c := range app.DefaultClean() {
		clean = append(clean, string(c))
	}
	fs := cmd.Flags()
	fs.StringVar(&f.since, "since", "", "calls from this time on: 2026-11-23, 2026-11-23T16:00:00Z, or 90m, 2h, 3d ago")
	fs.StringVar(&f.until, "until", "", "calls before this time; a date means the end of its day")
	fs.StringVar(&f.node, "node", "", "only calls of this node")
	fs.StringVar(&f.carrier, "carrier", "", "only calls of this carrier of the rates file")
	fs.StringArrayVar(&f.tolerance, "tolerance", []string{d.Duration.String()}, "by how much lengths may differ, for one carrier as acme=2s (repeatable)")
	fs.StringArrayVar(&f.start, "start-tolerance", []string{d.Start.String()}, "by how much starts may differ, for one carrier as acme=5s (repeatable)")
	fs.DurationVar(&f.window, "window", d.Window, "how far apart the two starts of a call are looked for at first")
	fs.StringSliceVar(&f.clean, "clean", clean, "classes that are no discrepancy")
	fs.BoolVar(&f.all, "all", false, "show calls without a discrepancy too")
	fs.StringVarP(&f.output, "output", "o", "table", "table, json, csv or parquet")
	fs.StringVar(&f.out, "out", "", "file to write (default: standard output)")
	fs.BoolVar(&f.quiet, "no-incidents", false, "open no incidents of what is found, so that no alert tells of it")
	fs.BoolVar(&f.mask, "mask-numbers", false, "hide numbers behind asterisks (default: as mask_numbers says)")
}

// options reads the flags.
func (f *reconcileFlags) options(con *console, settings billingOpener) (*app.ReconcileOptions, *billingSettings, error) {
	o := &app.ReconcileOptions{Node: f.node, Carrier: f.carrier, Core: reconcile.DefaultOptions(), All: f.all}
	list := listFlags{since: f.since, until: f.until, node: f.node}
	filter, _, err := list.parse(con, nil)
	if err != nil {
		return nil, nil, usageError{err}
	}
	o.Since, o.Until, o.Core.Window = filter.Since, filter.Until, f.window
	if err := f.tolerances(&o.Core); err != nil {
		return nil, nil, usageError{err}
	}
	for _, c := range f.clean {
		class := reconcile.Class(strings.TrimSpace(c))
		if c != "" && !class.Known() {
			return nil, nil, usageError{fmt.Errorf("--clean %q is no class: use of %v", c, reconcile.Classes())}
		}
		o.Clean = append(o.Clean, class)
	}
	if !slices.Contains([]string{"table", "json", "csv", "parquet"}, f.output) {
		return nil, nil, usageError{fmt.Errorf("output %q is unknown: use table, json, csv or parquet", f.output)}
	}
	if f.output == "parquet" && f.out == "" {
		return nil, nil, usageError{errors.New("--output parquet needs --out: it is no text")}
	}
	b, err := settings()
	if err != nil {
		return nil, nil, err
	}
	if err := b.knows(f.carrier); err != nil {
		return nil, nil, err
	}
	o.Rates, b.mask = b.rates, b.mask || f.mask
	return o, &b, nil
}

// tolerances reads --tolerance and --start-tolerance: a time for all, or
// NAME=TIME for one carrier.
func (f *reconcileFlags) tolerances(o *reconcile.Options) error {
	read := func(flag string, list []string, set func(*reconcile.Tolerance, time.Duration)) error {
		for _, s := range list {
			name, text, named := strings.Cut(s, "=")
			if !named {
				text = s
			}
			d, err := time.ParseDuration(text)
			if err != nil {
				return fmt.Errorf("--%s %q: use a time as 500ms, or one of a carrier as acme=2s", flag, s)
			}
			if !named {
				set(&o.Tolerance, d)
				continue
			}
			t, have := o.Carriers[name]
			if !have {
				t = o.Tolerance
			}
			set(&t, d)
			if o.Carriers == nil {
				o.Carriers = map[string]reconcile.Tolerance{}
			}
			o.Carriers[name] = t
		}
		return nil
	}
	// What is for all must be known before what is for one.
	plain := func(list []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return strings.Contains(s, "=") })
	}
	length := func(t *reconcile.Tolerance, d time.Duration) { t.Duration = d }
	start := func(t *reconcile.Tolerance, d time.Duration) { t.Start = d }
	for _, r := range []struct {
		flag string
		list []string
		set  func(*reconcile.Tolerance, time.Duration)
	}{{"tolerance", plain(f.tolerance), length}, {"start-tolerance", plain(f.start), start},
		{"tolerance", f.tolerance, length}, {"start-tolerance", f.start, start}} {
		if err := read(r.flag, r.list, r.set); err != nil {
			return err
		}
	}
	return o.Validate()
}

// accFlags name an accounting database.
type accFlags struct{ url, mapping string }

func (f *accFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.url, "acc-url", "", "its database: postgres://… or mysql://… (default: $"+accURLVariable+")")
	cmd.Flags().StringVar(&f.mapping, "map", "", "mapping of table and columns: a YAML file (default: acc_cdrs as Kamailio makes it, times in UTC)")
}

func (f *accFlags) open(ctx context.Context) (*accdb.DB, error) {
	if f.url == "" {
		f.url = os.Getenv(accURLVariable)
	}
	if f.url == "" {
		return nil, usageError{errors.New("no accounting database: set --acc-url, or " + accURLVariable + " where its password must not be seen")}
	}
	m, err := accdb.LoadMap(f.mapping)
	if err != nil {
		return nil, err
	}
	return accdb.Open(ctx, f.url, m)
}

func newReconcileAcc(con console, open, write opener, settings billingOpener) *cobra.Command {
	f := reconcileFlags{write: write}
	var acc accFlags
	var fix, dry bool
	cmd := &cobra.Command{
		Use:   "acc",
		Short: "Compare with Kamailio's acc_cdrs or acc, in PostgreSQL, MySQL or MariaDB",
		Long: `Compare with what Kamailio's acc module wrote: acc_cdrs, or acc with kind: acc in
the mapping. Without a Call-ID column calls are paired by start and length.

With --fix, acc_cdrs is mended after the plan was shown: rows that are missing are
made, rows of 0 s get their end and length. All of them are marked with the run in
the column byeguard_run (columns.mark), which must be there. "byeguard reconcile
undo RUN" takes a run back.`,
		Example: `  byeguard reconcile acc --acc-url postgres://kamailio@db/kamailio --since 1d
  byeguard reconcile acc --map acc.yaml --since 2026-11-01 --until 2026-11-30 -o csv --out november.csv`,
		Args: words(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if fix && cmd.Flags().Changed("dry-run") && dry {
				return usageError{errors.New("--fix and --dry-run exclude each other")}
			}
			f.quiet = f.quiet || fix // somebody is at it
			return f.run(cmd, &con, open, settings, func(ctx context.Context, s *store.Store, o *app.ReconcileOptions) (*app.Reconciliation, func() error, error) {
				db, err := acc.open(ctx)
				if err != nil {
					return nil, nil, err
				}
				f.with = "Kamailio's " + db.Map().Table
				if fix {
					if err := db.CanMend(ctx); err != nil {
						return nil, nil, errors.Join(err, db.Close())
					}
				}
				r, err := app.ReconcileAcc(ctx, s, db, o)
				if err != nil {
					return nil, nil, errors.Join(err, db.Close())
				}
				return r, func() error { return errors.Join(mend(cmd, &con, db, r, fix), db.Close()) }, nil
			})
		},
	}
	f.add(cmd)
	acc.add(cmd)
	cmd.Flags().BoolVar(&fix, "fix", false, "mend acc_cdrs after showing what is mended")
	cmd.Flags().BoolVar(&dry, "dry-run", true, "only show what --fix would mend")
	return cmd
}

func newReconcileCSV(con console, open, write opener, settings billingOpener) *cobra.Command {
	f := reconcileFlags{write: write}
	var mapping string
	cmd := &cobra.Command{
		Use:   "csv FILE",
		Short: "Compare with the list of calls that a carrier sends",
		Long: `Compare with a carrier's CSV file, as a mapping (YAML, --map) says it is to be
read. Calls are paired by Call-ID, or by numbers and start.

Without --since and --until the file's own first and last start are the time that
is compared. Name the time that the file is meant to be of, so that calls missing
at its begin and end are found too.`,
		Example: `  byeguard reconcile csv acme-2026-11.csv --map acme.yaml --since 2026-11-01 --until 2026-11-30`,
		Args:    words(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd, &con, open, settings, func(ctx context.Context, s *store.Store, o *app.ReconcileOptions) (*app.Reconciliation, func() error, error) {
				if mapping == "" {
					return nil, nil, usageError{errors.New("--map is missing: it says what the columns mean, see docs/reconcile.md")}
				}
				m, err := carriercsv.LoadMap(mapping)
				if err != nil {
					return nil, nil, err
				}
				f.with = filepath.Base(args[0])
				in, err := os.Open(args[0])
				if err != nil {
					return nil, nil, err
				}
				defer in.Close()
				r, err := app.ReconcileCSV(ctx, s, in, &m, o)
				if err != nil {
					return nil, nil, fmt.Errorf("%s: %w", args[0], err)
				}
				return r, nil, nil
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&mapping, "map", "", "mapping of the columns: a YAML file")
	return cmd
}

func newReconcileLive(con console, open, write opener, settings billingOpener, nodes func() ([]app.Node, error)) *cobra.Command {
	f := reconcileFlags{write: write, with: "the live proxy"}
	cmd := &cobra.Command{
		Use:   "live",
		Short: "Compare open records with the dialogs that the proxies hold now",
		Long: `Compare the records that are open with the dialogs of the configured nodes, asked
over JSON-RPC in small parts. missing_there is an open record without a dialog,
missing_here a dialog without a record. Calls that begin or end meanwhile, or began
less than 15 s ago, are left out.`,
		Example: `  byeguard reconcile live -c byeguard.yaml`,
		Args:    words(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd, &con, open, settings, func(ctx context.Context, s *store.Store, o *app.ReconcileOptions) (*app.Reconciliation, func() error, error) {
				list, err := nodes()
				if err != nil {
					return nil, nil, err
				}
				r, err := app.ReconcileLive(ctx, s, list, o)
				return r, nil, err
			})
		},
	}
	f.add(cmd)
	return cmd
}

func newReconcileUndo() *cobra.Command {
	var acc accFlags
	cmd := &cobra.Command{
		Use:     "undo RUN",
		Short:   "Take back what a run of `reconcile acc --fix` wrote",
		Long:    "Take back all that a run wrote, in one transaction: rows that it made go, rows that\nit changed are as they were.",
		Example: `  byeguard reconcile undo byeguard-20261123-201500-1a2b3c --acc-url postgres://kamailio@db/kamailio`,
		Args:    words(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			db, err := acc.open(cmd.Context())
			if err != nil {
				return err
			}
			defer db.Close() //nolint:errcheck // what it did is committed
			if err := db.CanMend(cmd.Context()); err != nil {
				return err
			}
			n, err := db.Undo(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if n.Inserted+n.Changed == 0 {
				return fmt.Errorf("no row of %s bears the mark of run %s: was it undone already, or is it of another table?", db.Map().Table, args[0])
			}
			fmt.Fprintf(cmd.OutOrStdout(), "run %s undone: %d rows removed, %d as they were\n", args[0], n.Inserted, n.Changed)
			return nil
		},
	}
	acc.add(cmd)
	return cmd
}

// comparison is one way of comparing; after is called when the outcome was shown.
type comparison func(context.Context, *store.Store, *app.ReconcileOptions) (r *app.Reconciliation, after func() error, err error)

func (f *reconcileFlags) run(cmd *cobra.Command, con *console, open opener, settings billingOpener, compare comparison) error {
	o, b, err := f.options(con, settings)
	if err != nil {
		return err
	}
	s, err := open(cmd.Context())
	if err != nil {
		return err
	}
	r, after, err := compare(cmd.Context(), s, o)
	if err == nil {
		if err := app.KeepReconciliation(cmd.Context(), s, cmd.Name(), cmd.Flags().Arg(0), whoami(), o, r); err != nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "byeguard: the page will not show this comparison: %v\n", err)
		}
	}
	if err = errors.Join(err, s.Close()); err != nil {
		if r != nil {
			_ = r.Close()
		}
		return err
	}
	defer r.Close() //nolint:errcheck // a temporary file
	err = f.print(cmd, con, r, b.mask)
	if after != nil {
		if aerr := after(); err == nil {
			err = aerr
		}
	}
	if err == nil && !f.quiet {
		err = f.file(cmd, r, o)
	}
	if err == nil && r.Dirty > 0 {
		return statusError(exitDiffers)
	}
	return err
}

// file has alerts tell of what was found.
func (f *reconcileFlags) file(cmd *cobra.Command, r *app.Reconciliation, o *app.ReconcileOptions) error {
	s, err := f.write(cmd.Context())
	if err != nil {
		return fmt.Errorf("open incidents of what was found (--no-incidents does not): %w", err)
	}
	opened, resolved, err := app.FileFindings(cmd.Context(), s, r, f.with, o)
	if err = errors.Join(err, s.Close()); err != nil {
		return fmt.Errorf("open incidents of what was found (--no-incidents does not): %w", err)
	}
	if opened+resolved > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "incidents: %d opened, %d resolved\n", opened, resolved)
	}
	return nil
}

// mend shows what can be mended, and with fix does it.
func mend(cmd *cobra.Command, con *console, db *accdb.DB, r *app.Reconciliation, fix bool) error {
	list, err := app.PlanMends(r)
	if err != nil || len(list) == 0 {
		return err
	}
	w := cmd.ErrOrStderr() // standard output is the comparison
	clock := con.clock()
	clock.Full = true
	verb := "could be mended, --fix does it:"
	if fix {
		verb = "are mended now:"
	}
	fmt.Fprintf(w, "\n%d rows of %s %s\n", len(list), db.Map().Table, verb)
	for i := range list {
		if !fix && i == 20 {
			fmt.Fprintf(w, "  … and %d more\n", len(list)-i)
			break
		}
		m := &list[i]
		what := "add"
		if m.ID != "" {
			what = "row " + m.ID
		}
		fmt.Fprintf(w, "  %s: start %s, end %s, %d.%03d s\n", what, clock.Time(time.UnixMicro(m.Start)), clock.Time(time.UnixMicro(m.End)), m.DurationMS/1000, m.DurationMS%1000)
	}
	if !fix {
		return nil
	}
	run, n, err := app.Mend(cmd.Context(), db, list, con.now())
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "run %s: %d rows made, %d put right, %d left alone since they had changed\n", run, n.Inserted, n.Changed, n.Skipped)
	fmt.Fprintf(w, "`byeguard reconcile undo %s` takes it back\n", run)
	return nil
}
