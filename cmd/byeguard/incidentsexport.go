package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/byeguard/byeguard/pkg/alert"
	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/table"
)

// tolled is an incident and the money that it is about.
type tolled struct {
	incident
	alert alert.Incident
}

func newIncidentsExport(con console, open opener, settings billingOpener) *cobra.Command {
	var f listFlags
	var out, format string
	var mask bool
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write incidents with the money at stake to a file",
		Long: `Write incidents, those that opened last first, with who was called, by which
carrier, how long the forgotten side ran on, what that cost by the rates file, and
who acknowledged and resolved them when. A file of --out appears when it is whole.`,
		Example: `  byeguard incidents export --since 2026-11-01 --out november.csv
  byeguard incidents export --state open --format json`,
		Args: words(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.output = format
			filter, opts, err := f.parse(&con, incidentStates)
			if err == nil && opts.Format == table.Text {
				err = fmt.Errorf("--format %q: use csv or json", format)
			}
			if err != nil {
				return usageError{err}
			}
			b, err := settings()
			if err != nil {
				return err
			}
			s, err := open(cmd.Context())
			if err != nil {
				return err
			}
			file, err := createOut(out, cmd.OutOrStdout())
			if err != nil {
				return errors.Join(err, s.Close())
			}
			view := app.IncidentView{Rates: b.rates, Mask: b.mask || mask}
			w := table.NewWriter(file, tolledColumns, opts)
			err = exportIncidents(cmd.Context(), s, filter, &view, con.now(), w.Add)
			if err == nil {
				err = w.Close()
			}
			if err = errors.Join(file.finish(err), s.Close()); err == nil && out != "" {
				fmt.Fprintf(cmd.OutOrStdout(), "%d incidents to %s\n", w.Rows(), out)
			}
			return err
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&format, "format", "csv", "csv or json")
	fs.StringVar(&out, "out", "", "file to write (default: standard output)")
	fs.StringVar(&f.since, "since", "", "from this time on: 2026-11-23, 2026-11-23T16:00:00Z, or 90m, 2h, 3d ago")
	fs.StringVar(&f.until, "until", "", "before this time; a date means the end of its day")
	fs.StringVar(&f.node, "node", "", "only incidents of this node")
	fs.StringVar(&f.state, "state", "", "open, acknowledged, resolved")
	fs.StringVar(&f.callID, "call-id", "", "only incidents of this Call-ID")
	fs.BoolVar(&mask, "mask-numbers", false, "hide numbers behind asterisks (default: as mask_numbers says)")
	return cmd
}

// exportIncidents hands all that the filter allows to add, page by page.
func exportIncidents(ctx context.Context, s *store.Store, f store.Filter, v *app.IncidentView, now time.Time, add func(*tolled) error) error {
	f.Limit = pageRows
	for {
		page, err := s.ListIncidentFacts(ctx, f)
		if err != nil {
			return err
		}
		for i := range page {
			row := tolled{incident: page[i].Incident, alert: v.Alert(&page[i], now)}
			if err := add(&row); err != nil {
				return err
			}
		}
		if len(page) < f.Limit {
			return nil
		}
		last := &page[len(page)-1]
		f.After = store.Cursor{At: last.Opened, ID: strconv.FormatInt(last.ID, 10)}
	}
}

// tolledColumns are those of the list, and the money.
var tolledColumns = func() []table.Column[tolled] {
	list := make([]table.Column[tolled], 0, len(incidentColumns)+6)
	for _, c := range incidentColumns {
		list = append(list, table.Column[tolled]{Key: c.Key, Value: func(t *tolled) any { return c.Value(&t.incident) }})
	}
	return append(list,
		table.Column[tolled]{Key: "caller", Value: func(t *tolled) any { return sip(t.alert.Caller) }},
		table.Column[tolled]{Key: "callee", Value: func(t *tolled) any { return sip(t.alert.Callee) }},
		table.Column[tolled]{Key: "carrier", Value: func(t *tolled) any { return t.alert.Carrier }},
		table.Column[tolled]{Key: "overrun_ms", Value: func(t *tolled) any {
			if t.alert.Overrun < 0 {
				return nil
			}
			return t.alert.Overrun
		}},
		table.Column[tolled]{Key: "at_stake", Value: func(t *tolled) any {
			if t.alert.Stake.Currency == "" {
				return nil
			}
			return t.alert.Stake.Amount.String()
		}},
		table.Column[tolled]{Key: "currency", Value: func(t *tolled) any { return t.alert.Stake.Currency }},
	)
}()
