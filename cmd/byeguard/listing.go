package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/byeguard/byeguard/pkg/store"
	"github.com/byeguard/byeguard/pkg/table"
)

// opener opens the database that a command reads from.
type opener func(context.Context) (*store.Store, error)

// console is where a command's words go, and whose clock they are told by.
type console struct {
	now   func() time.Time
	zone  *time.Location
	width func(io.Writer) int // of the terminal, 0 = none
}

func systemConsole() console {
	return console{now: time.Now, zone: time.Local, width: terminalWidth}
}

func (c *console) clock() table.Clock { return table.Clock{Now: c.now(), Zone: c.zone} }

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		RunE: func(cmd *cobra.Command, args []string) error {
			var names []string
			for _, sub := range cmd.Commands() {
				if sub.IsAvailableCommand() {
					names = append(names, sub.Name())
				}
			}
			choice := strings.Join(names, ", ")
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q for %q: use one of %s", args[0], cmd.CommandPath(), choice)}
			}
			return usageError{fmt.Errorf("%q needs a command: one of %s", cmd.CommandPath(), choice)}
		},
	}
	cmd.AddCommand(commands...)
	return cmd
}

// words makes a check of arguments an error in the words of a command line.
func words(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{fmt.Errorf("%w: usage: %s", err, cmd.UseLine())}
		}
		return nil
	}
}

// pageRows is how many rows of a list are read at once. A long list is many
// short queries: one that waits for a slow reader (a pager, say) would run
// into the database's time-out.
const pageRows = 1000

// lister lists one kind of thing.
type lister[T any] struct {
	what    string // in the plural
	columns []table.Column[T]
	states  []string // that --state takes
	list    func(*store.Store, context.Context, store.Filter) ([]T, error)
	cursor  func(*T) store.Cursor
	// narrow and keep are for flags more than all lists have: narrow adds what
	// the database can choose by, keep chooses of the rows. nil = nothing.
	narrow func(*store.Filter) error
	keep   func(*T) bool
}

// command returns the list command. It may be given more flags.
func (l *lister[T]) command(con console, open opener, short string) *cobra.Command {
	var flags listFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: short,
		Args:  words(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, opts, err := flags.parse(&con, l.states)
			if err != nil {
				return usageError{err}
			}
			opts.Width = con.width(cmd.OutOrStdout())
			if l.narrow != nil {
				if err := l.narrow(&f); err != nil {
					return err
				}
			}
			s, err := open(cmd.Context())
			if err != nil {
				return err
			}
			w := table.NewWriter(cmd.OutOrStdout(), l.columns, opts)
			err = errors.Join(l.each(cmd.Context(), s, f, w.Add), s.Close())
			if err != nil {
				return err
			}
			if w.Rows() == 0 && opts.Format == table.Text {
				fmt.Fprintf(cmd.ErrOrStderr(), "no %s found\n", l.what)
			}
			return w.Close()
		},
	}
	flags.add(cmd, l.what, l.states)
	return cmd
}

// each hands the rows of a list to add, page by page. A limit of 0 is none.
func (l *lister[T]) each(ctx context.Context, s *store.Store, f store.Filter, add func(*T) error) error {
	left := f.Limit
	for {
		f.Limit = pageRows
		if left > 0 && l.keep == nil {
			f.Limit = min(left, pageRows)
		}
		page, err := l.list(s, ctx, f)
		if err != nil {
			return err
		}
		for i := range page {
			if l.keep != nil && !l.keep(&page[i]) {
				continue
			}
			if err := add(&page[i]); err != nil {
				return err
			}
			if left--; left == 0 {
				return nil
			}
		}
		if len(page) < f.Limit {
			return nil
		}
		f.After = l.cursor(&page[len(page)-1])
	}
}

// showFormat reads --output of a command that shows one thing.
func showFormat(name string) (table.Format, error) {
	f, err := table.ParseFormat(name)
	if err == nil && f == table.CSV {
		err = errors.New("csv is for lists: use --output table or json")
	}
	if err != nil {
		return "", usageError{err}
	}
	return f, nil
}

func addShowFlags(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "table", "table or json")
}

// find looks a text of the command line up: as it is, and as it stands in a
// table if that is something else.
func find[R any](arg string, look func(string) (R, error)) (R, error) {
	r, err := look(arg)
	if plain := table.Unprintable(arg); plain != arg && errors.Is(err, store.ErrNotFound) {
		return look(plain)
	}
	return r, err
}

// sip is a text of a SIP message as the bytes that it was.
func sip[T ~string](s T) string { return store.Unescape(string(s)) }

// when is a time that may not be known.
func when(t *time.Time) any {
	if t == nil {
		return nil
	}
	return *t
}
