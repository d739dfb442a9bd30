package main

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/spf13/cobra"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/billing/reconcile"
	"github.com/byeguard/byeguard/pkg/table"
)

type (
	finding = app.Finding
	line    = reconcile.Line
)

var summaryColumns = []table.Column[line]{
	{Key: "class", Title: "Class", Value: func(l *line) any { return string(l.Class) }},
	{Key: "carrier", Title: "Carrier", Value: func(l *line) any { return l.Carrier }},
	{Key: "calls", Title: "Calls", Right: true, Value: func(l *line) any { return l.Calls }},
	{Key: "minutes_here", Title: "Min. here", Right: true, Value: func(l *line) any { return inMinutes(l.OursMS) }},
	{Key: "minutes_there", Title: "there", Right: true, Value: func(l *line) any { return inMinutes(l.TheirsMS) }},
	{Key: "cost_here", Title: "Cost here", Right: true, Value: func(l *line) any { return amount(l.Currency, l.OursCost) }},
	{Key: "cost_there", Title: "there", Right: true, Value: func(l *line) any {
		if !l.Priced {
			return nil
		}
		return amount(l.Currency, l.TheirsCost)
	}},
	{Key: "currency", Title: "", Value: func(l *line) any { return l.Currency }},
}

func inMinutes(ms int64) string {
	n := (ms + 300) / 600
	return fmt.Sprintf("%d.%02d", n/100, n%100)
}

func amount(currency string, m billing.Money) any {
	if currency == "" {
		return nil
	}
	return m.String()
}

var findingColumns = []table.Column[finding]{
	{Key: "class", Title: "Class", Value: func(f *finding) any { return string(f.Class) }},
	{Key: "start", Title: "Start ({zone})", Value: func(f *finding) any { return startOf(either(f)) }},
	{Key: "carrier", Title: "Carrier", Value: func(f *finding) any { return either(f).Carrier }},
	{Key: "from", Title: "From", Elastic: true, Value: func(f *finding) any { return either(f).From }},
	{Key: "to", Title: "To", Elastic: true, Value: func(f *finding) any { return either(f).To }},
	{Key: "duration_here_ms", Title: "Here", Right: true, Value: func(f *finding) any { return lengthOf(f.Ours) }},
	{Key: "duration_there_ms", Title: "There", Right: true, Value: func(f *finding) any { return lengthOf(f.Theirs) }},
	{Key: "why", Title: "Why", Value: func(f *finding) any { return f.Why }},
	{Key: "row_there", Title: "Row there", Value: func(f *finding) any {
		if f.Theirs == nil {
			return nil
		}
		return f.Theirs.ID
	}},
	{Key: "call_id", Title: "Call-ID", Value: func(f *finding) any { return either(f).CallID }},
	{Key: "record_id", Value: func(f *finding) any {
		if f.Ours == nil {
			return nil
		}
		return f.Ours.ID
	}},
	{Key: "start_here", Value: func(f *finding) any { return startOf(f.Ours) }},
	{Key: "start_there", Value: func(f *finding) any { return startOf(f.Theirs) }},
	{Key: "difference_ms", Value: func(f *finding) any {
		if f.Ours == nil || f.Theirs == nil || f.Ours.DurationMS < 0 || f.Theirs.DurationMS < 0 {
			return nil
		}
		return f.Theirs.DurationMS - f.Ours.DurationMS
	}},
	{Key: "cost_here", Value: func(f *finding) any { return costOf(f.Ours) }},
	{Key: "cost_there", Value: func(f *finding) any { return costOf(f.Theirs) }},
	{Key: "currency", Value: func(f *finding) any { return either(f).Currency }},
}

// either is byeguard's side, with what it lacks from the other one.
func either(f *finding) *reconcile.Record {
	if f.Ours == nil {
		return f.Theirs
	}
	r := *f.Ours
	if t := f.Theirs; t != nil {
		for _, p := range []struct{ ours, theirs *string }{{&r.Carrier, &t.Carrier}, {&r.Currency, &t.Currency}} {
			if *p.ours == "" {
				*p.ours = *p.theirs
			}
		}
	}
	return &r
}

func startOf(r *reconcile.Record) any {
	if r == nil || r.Start == 0 {
		return nil
	}
	return time.UnixMicro(r.Start).UTC()
}

func lengthOf(r *reconcile.Record) any {
	if r == nil || r.DurationMS < 0 {
		return nil
	}
	return time.Duration(r.DurationMS) * time.Millisecond
}

func costOf(r *reconcile.Record) any {
	if r == nil {
		return nil
	}
	return amount(r.Currency, r.Cost)
}

// mask hides the numbers of a finding.
func mask(f *finding) {
	for _, r := range []*reconcile.Record{f.Ours, f.Theirs} {
		if r != nil {
			r.From, r.To = billing.MaskNumber(r.From), billing.MaskNumber(r.To)
		}
	}
}

// print writes the summary, then the rows. Where the output is a list of rows the
// summary goes to standard error.
func (f *reconcileFlags) print(cmd *cobra.Command, con *console, r *app.Reconciliation, masked bool) error {
	out, err := createOut(f.out, cmd.OutOrStdout())
	if err != nil {
		return err
	}
	each := func(add func(*finding) error) error {
		return r.Each(func(row *finding) error {
			if masked {
				mask(row)
			}
			return add(row)
		})
	}
	opts := table.Options{Clock: con.clock(), Width: con.width(cmd.OutOrStdout())}
	switch f.output {
	case "json":
		err = printJSON(out, r, each)
	case "csv":
		opts.Format = table.CSV
		err = list(out, findingColumns, opts, each)
	case "parquet":
		err = printParquet(out, each)
	default:
		if err = summarize(out, r, opts); err == nil && r.Rows() > 0 {
			fmt.Fprintln(out)
			err = list(out, findingColumns, opts, each)
		}
	}
	if err = out.finish(err); err != nil {
		return err
	}
	if f.output == "csv" || f.output == "parquet" || f.out != "" {
		opts.Format = table.Text
		return summarize(cmd.ErrOrStderr(), r, opts)
	}
	return nil
}

func summarize(w io.Writer, r *app.Reconciliation, opts table.Options) error {
	lines := r.Summary.Lines()
	err := list(w, summaryColumns, opts, func(add func(*line) error) error {
		for i := range lines {
			if err := add(&lines[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && len(lines) == 0 {
		fmt.Fprintln(w, "no calls on either side")
	}
	return err
}

func list[T any](w io.Writer, columns []table.Column[T], opts table.Options, each func(func(*T) error) error) error {
	tw := table.NewWriter(w, columns, opts)
	if err := each(tw.Add); err != nil {
		return err
	}
	return tw.Close()
}

// printJSON writes one object: the summary and the rows, as they come.
func printJSON(w io.Writer, r *app.Reconciliation, each func(func(*finding) error) error) error {
	var b bytes.Buffer
	if err := summarize(&b, r, table.Options{Format: table.JSON}); err != nil {
		return err
	}
	fmt.Fprintf(w, "{\"discrepancies\": %d, \"summary\": %s, \"rows\": ", r.Dirty, bytes.TrimSpace(b.Bytes()))
	if err := list(w, findingColumns, table.Options{Format: table.JSON}, each); err != nil {
		return err
	}
	_, err := io.WriteString(w, "}\n")
	return err
}

// findingRow is a row of a Parquet file.
type findingRow struct {
	Class         string `parquet:"class,dict"`
	Why           string `parquet:"why"`
	Carrier       string `parquet:"carrier,dict"`
	From          string `parquet:"from"`
	To            string `parquet:"to"`
	CallID        string `parquet:"call_id"`
	RecordID      string `parquet:"record_id"`
	RowThere      string `parquet:"row_there"`
	StartHere     *int64 `parquet:"start_here,optional,timestamp(microsecond)"`
	StartThere    *int64 `parquet:"start_there,optional,timestamp(microsecond)"`
	DurationHere  *int64 `parquet:"duration_here_ms,optional"`
	DurationThere *int64 `parquet:"duration_there_ms,optional"`
	CostHere      *int64 `parquet:"cost_here,optional,decimal(6:18)"`
	CostThere     *int64 `parquet:"cost_there,optional,decimal(6:18)"`
	Currency      string `parquet:"currency,dict"`
}

func printParquet(w io.Writer, each func(func(*finding) error) error) error {
	p := parquet.NewGenericWriter[findingRow](w, parquet.Compression(&parquet.Zstd), parquet.CreatedBy("byeguard", version, ""))
	held := 0
	err := each(func(f *finding) error {
		e := either(f)
		row := findingRow{Class: string(f.Class), Why: table.Exact(f.Why), Carrier: e.Carrier, From: table.Exact(e.From), To: table.Exact(e.To),
			CallID: table.Exact(e.CallID), Currency: table.Exact(e.Currency)}
		if r := f.Ours; r != nil {
			row.RecordID = r.ID
			row.StartHere, row.DurationHere, row.CostHere = numbers(r)
		}
		if r := f.Theirs; r != nil {
			row.RowThere = table.Exact(r.ID)
			row.StartThere, row.DurationThere, row.CostThere = numbers(r)
		}
		if _, err := p.Write([]findingRow{row}); err != nil {
			return err
		}
		if held++; held%50_000 == 0 {
			return p.Flush()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return p.Close()
}

// numbers are a side's start, length and cost, nil where they are not known.
func numbers(r *reconcile.Record) (start, ms, cost *int64) {
	if r.Start != 0 {
		start = &r.Start
	}
	if r.DurationMS >= 0 {
		ms = &r.DurationMS
	}
	if r.Currency != "" {
		c := int64(r.Cost)
		cost = &c
	}
	return start, ms, cost
}
