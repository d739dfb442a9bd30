package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/cdrfile"
	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/table"
)

// exportFlags are those of `cdrs export`.
type exportFlags struct {
	cdrFlags
	format, out, after, output string
	limit                      int64
}

func newCDRsExport(con console, open opener, billing billingOpener) *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Hand records over to a rating engine, each once",
		Long: `Hand final, corrected and partial records over as CSV or Parquet, in the order
in which they were made. The fields are in docs/billing.md.

The last line printed is a cursor. The next export goes on after it: chained by
their cursors, exports hand over every record exactly once. A correction of a
record that was handed over comes as a new revision. The same --after gives the
same records again.

A file of --out appears under its name when it is whole. Without --out records
go to standard output and the cursor to standard error.`,
		Example: `  byeguard cdrs export --out november.csv
  byeguard cdrs export --out more.parquet --format parquet --after 1a2b3c4d-20934
  byeguard cdrs export --after 1a2b3c4d-20934 | gzip > more.csv.gz`,
		Args: words(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts, err := f.options(&con)
			if err != nil {
				return usageError{err}
			}
			b, err := billing()
			if err != nil {
				return err
			}
			opts.Rates, opts.Mask = b.rates, b.mask || f.mask
			opts.Filter.CDRs.LateAfter = b.rates.LateAfter
			s, err := open(cmd.Context())
			if err != nil {
				return err
			}
			return errors.Join(f.export(cmd, &con, s, opts), s.Close())
		},
	}
	f.add(cmd)
	fs := cmd.Flags()
	fs.StringVar(&f.format, "format", "csv", "csv or parquet")
	fs.StringVar(&f.out, "out", "", "file to write (default: standard output)")
	fs.StringVar(&f.after, "after", "", "go on after this cursor, which an earlier export printed (default: from the beginning)")
	fs.Int64Var(&f.limit, "limit", 0, "end after so many records; 0 = with the newest")
	fs.StringVarP(&f.output, "output", "o", "table", "form of the summary: table or json")
	return cmd
}

func (f *exportFlags) options(con *console) (*app.ExportOptions, error) {
	filter, err := f.filter(con)
	if err != nil {
		return nil, err
	}
	opts := &app.ExportOptions{Filter: filter, Carrier: f.carrier, Limit: f.limit}
	switch {
	case f.format != "csv" && f.format != "parquet":
		return nil, fmt.Errorf("--format %q is unknown: use csv or parquet", f.format)
	case f.limit < 0:
		return nil, fmt.Errorf("--limit %d is negative: use 0 for all", f.limit)
	}
	if _, err := showFormat(f.output); err != nil {
		return nil, err
	}
	opts.After, err = app.ParseCursor(f.after)
	return opts, err
}

// summary is what an export tells at its end.
type summary struct {
	Records int64   `json:"records"`
	From    string  `json:"from"`   // the cursor that it began after
	Cursor  string  `json:"cursor"` // the cursor to go on from
	More    bool    `json:"more"`   // --limit ended it
	Out     string  `json:"out"`    // "" = standard output
	Format  string  `json:"format"`
	Rates   string  `json:"rates_version"`
	Seconds float64 `json:"seconds"`
}

func (f *exportFlags) export(cmd *cobra.Command, con *console, s *store.Store, opts *app.ExportOptions) error {
	out, err := createOut(f.out, cmd.OutOrStdout())
	if err != nil {
		return err
	}
	progress := newProgress(cmd.ErrOrStderr(), con.width(cmd.ErrOrStderr()) > 0)
	opts.Progress = progress.tell
	began := time.Now()
	x, err := app.Export(cmd.Context(), s, opts, func(from app.Cursor) (app.RecordWriter, error) {
		if f.format == "parquet" {
			return cdrfile.NewParquet(out, map[string]string{"byeguard.after": from.String(), "byeguard.rates_version": opts.Rates.Version}), nil
		}
		return cdrfile.NewCSV(out), nil
	})
	progress.clear()
	if err = out.finish(err); err != nil {
		return err
	}
	sum := summary{Records: x.Records, From: x.From.String(), Cursor: x.Cursor.String(), More: x.More, Out: f.out,
		Format: f.format, Rates: opts.Rates.Version, Seconds: float64(time.Since(began).Milliseconds()) / 1000}
	words := cmd.OutOrStdout()
	if f.out == "" {
		words = cmd.ErrOrStderr() // standard output is the file
	}
	if f.output == string(table.JSON) {
		return table.WriteJSON(words, sum)
	}
	if f.out != "" {
		fmt.Fprintf(words, "%d records to %s\n", sum.Records, f.out)
	}
	if sum.More {
		fmt.Fprintln(words, "there are more: go on with --after")
	}
	fmt.Fprintln(words, sum.Cursor)
	return nil
}

// outFile is a file that gets its name when it is whole.
type outFile struct {
	io.Writer
	f    *os.File // nil: standard output
	path string
}

func createOut(path string, stdout io.Writer) (*outFile, error) {
	if path == "" {
		return &outFile{Writer: stdout}, nil
	}
	f, err := os.OpenFile(path+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) // it holds who called whom
	if err != nil {
		return nil, err
	}
	return &outFile{Writer: f, f: f, path: path}, nil
}

// finish gives the file its name, or removes it after an error, which it
// returns.
func (o *outFile) finish(err error) error {
	if o.f == nil {
		return err
	}
	if err == nil {
		err = o.f.Sync() // before anybody acts on the cursor
	}
	err = errors.Join(err, o.f.Close())
	if err == nil {
		err = os.Rename(o.f.Name(), o.path)
	}
	if err != nil {
		_ = os.Remove(o.f.Name())
	}
	return err
}
