package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/table"
)

// reportFlags are those of `report`.
type reportFlags struct {
	cdrFlags
	by, zone, output string
	assume           time.Duration
}

func newReportCommand(open opener, settings billingOpener) *cobra.Command {
	return reportCommand(systemConsole(), open, settings)
}

func reportCommand(con console, open opener, settings billingOpener) *cobra.Command {
	var f reportFlags
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Figures of a day, carrier and node: attempts, ASR, NER, ACD, one-sided calls, money",
		Long: `Figures for whoever manages carriers, a line for each day, carrier and node:
attempts, the share answered (ASR), the share that the network brought through
(NER), the average duration of a call (ACD), answered minutes, calls of which a
side was not told of the end, how many of these byeguard mended, and the minutes
and money that it cost or saved. Each is explained in docs/billing.md.

What was prevented is an assumption: nobody knows how long a forgotten side would
have stayed up. --assume says how long it is taken to be.`,
		Example: `  byeguard report --since 2026-11-01 --until 2026-11-30 --by day,carrier --zone Europe/Berlin
  byeguard report --since 7d --by node -o csv`,
		Args: words(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts, by, err := f.parse(&con)
			if err != nil {
				return usageError{err}
			}
			filter, err := f.filter(&con)
			if err != nil {
				return usageError{err}
			}
			b, err := settings()
			if err != nil {
				return err
			}
			if err := b.knows(f.carrier); err != nil {
				return err
			}
			filter.CDRs.LateAfter = b.rates.LateAfter
			opts.Width = con.width(cmd.OutOrStdout())
			s, err := open(cmd.Context())
			if err != nil {
				return err
			}
			report := billing.NewReport(by, con.zone, f.assume)
			progress := newProgress(cmd.ErrOrStderr(), con.width(cmd.ErrOrStderr()) > 0)
			var records int64
			var rec billing.Record
			err = s.ScanCDRs(cmd.Context(), &filter, func(p *store.Page) error {
				rows, err := p.Rows()
				for i := range rows {
					rec.Row = rows[i]
					rec.Derive(b.rates)
					if f.carrier == "" || rec.Rating.Carrier == f.carrier {
						report.Add(&rec)
					}
				}
				records += int64(len(rows))
				progress.line(records, "read")
				return err
			})
			progress.clear()
			if err = errors.Join(err, s.Close()); err != nil {
				return err
			}
			return f.print(cmd, report.Lines(), by, opts)
		},
	}
	f.add(cmd)
	fs := cmd.Flags()
	fs.StringVar(&f.by, "by", "day,carrier,node", "what there is a line for each of: day, carrier, node, or several")
	fs.StringVar(&f.zone, "zone", "", "zone of the days and of --since and --until, as Europe/Berlin (default: the machine's)")
	fs.DurationVar(&f.assume, "assume", time.Hour, "how long a side that is not told of the end is taken to stay up")
	fs.StringVarP(&f.output, "output", "o", "table", "table, json (one array) or csv")
	return cmd
}

// parse reads the flags that are not a choice of calls, and puts the zone into
// the console.
func (f *reportFlags) parse(con *console) (opts table.Options, by billing.By, err error) {
	if opts.Format, err = table.ParseFormat(f.output); err != nil {
		return opts, by, err
	}
	if f.zone != "" {
		if con.zone, err = time.LoadLocation(f.zone); err != nil {
			return opts, by, fmt.Errorf("--zone %q is unknown: use a name of the tz database, as Europe/Berlin", f.zone)
		}
	}
	opts.Clock = con.clock()
	if f.assume < 0 {
		return opts, by, fmt.Errorf("--assume %v is negative", f.assume)
	}
	for word := range strings.SplitSeq(f.by, ",") {
		switch word {
		case "day":
			by.Day = true
		case "carrier":
			by.Carrier = true
		case "node":
			by.Node = true
		default:
			return opts, by, fmt.Errorf("--by %q is unknown: use day, carrier or node, or several parted by commas", word)
		}
	}
	return opts, by, nil
}

func (f *reportFlags) print(cmd *cobra.Command, lines []*billing.Tally, by billing.By, opts table.Options) error {
	columns := slices.DeleteFunc(slices.Clone(reportColumns), func(c table.Column[billing.Tally]) bool {
		return c.Key == "day" && !by.Day || c.Key == "node" && !by.Node || c.Key == "carrier" && !by.Carrier
	})
	w := table.NewWriter(cmd.OutOrStdout(), columns, opts)
	for _, t := range lines {
		if err := w.Add(t); err != nil {
			return err
		}
	}
	if len(lines) == 0 && opts.Format == table.Text {
		fmt.Fprintln(cmd.ErrOrStderr(), "no CDRs found")
	}
	return w.Close()
}

type tally = billing.Tally

var reportColumns = []table.Column[tally]{
	{Key: "day", Title: "Day ({zone})", Value: func(t *tally) any { return t.Day }},
	{Key: "carrier", Title: "Carrier", Value: func(t *tally) any { return t.Carrier }},
	{Key: "node", Title: "Node", Value: func(t *tally) any { return t.Node }},
	count("attempts", "Attempts", func(t *tally) int64 { return t.Attempts }),
	count("answered", "Answered", func(t *tally) int64 { return t.Answered }),
	hundredths("asr_percent", "ASR %", (*tally).ASR),
	hundredths("ner_percent", "NER %", (*tally).NER),
	{Key: "acd_ms", Title: "ACD", Right: true, Value: func(t *tally) any {
		if ms := t.ACD(); ms >= 0 {
			return time.Duration(ms) * time.Millisecond
		}
		return nil
	}},
	minutes("answered_minutes", "Minutes", func(t *tally) int64 { return t.Duration }),
	count("one_sided", "One-sided", func(t *tally) int64 { return t.OneSided }),
	hundredths("one_sided_per_thousand", "per 1,000", (*tally).OneSidedShare),
	count("repaired", "Repaired", func(t *tally) int64 { return t.Repaired }),
	hundredths("repaired_percent", "Repaired %", (*tally).RepairedShare),
	count("not_confirmed", "Lost", func(t *tally) int64 { return t.Lost }),
	minutes("overrun_minutes_suffered", "Min. suffered", func(t *tally) int64 { return t.Suffered }),
	minutes("overrun_minutes_prevented", "prevented", func(t *tally) int64 { return t.Prevented }),
	money("cost", "Cost", func(t *tally) map[string]billing.Money { return t.Cost }),
	money("overrun_cost_suffered", "Cost suffered", func(t *tally) map[string]billing.Money { return t.CostSuffered }),
	money("overrun_cost_prevented", "prevented", func(t *tally) map[string]billing.Money { return t.CostPrevented }),
}

func count(key, title string, f func(*tally) int64) table.Column[tally] {
	return table.Column[tally]{Key: key, Title: title, Right: true, Value: func(t *tally) any { return f(t) }}
}

// hundredths is a number with two decimals, nothing where it is negative.
func hundredths(key, title string, f func(*tally) int64) table.Column[tally] {
	return table.Column[tally]{Key: key, Title: title, Right: true, Value: func(t *tally) any {
		n := f(t)
		if n < 0 {
			return nil
		}
		return fmt.Sprintf("%d.%02d", n/100, n%100)
	}}
}

// minutes are those of so many ms, with two decimals.
func minutes(key, title string, ms func(*tally) int64) table.Column[tally] {
	return hundredths(key, title, func(t *tally) int64 { return (ms(t) + 300) / 600 })
}

// money is an amount for each currency.
func money(key, title string, f func(*tally) map[string]billing.Money) table.Column[tally] {
	return table.Column[tally]{Key: key, Title: title, Right: true, Value: func(t *tally) any {
		amounts := f(t)
		all := make([]string, 0, len(amounts))
		for _, currency := range slices.Sorted(maps.Keys(amounts)) {
			all = append(all, amounts[currency].String()+" "+currency)
		}
		return strings.Join(all, ", ")
	}}
}
