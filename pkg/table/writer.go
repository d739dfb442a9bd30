package table

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
)

// Options says how a list is to look.
type Options struct {
	Format Format // "" is Text
	Clock  Clock  // of tables
	// Width is that of the terminal in characters; 0 where there is none: then
	// a table depends on its rows alone.
	Width int
}

// Writer writes one list, with buffers of its own. It is not safe for concurrent use.
type Writer[T any] struct {
	out  *bufio.Writer
	form interface {
		add(*T) error
		close() error
	}
	rows int
}

// NewWriter begins a list of these columns. "{zone}" in a title becomes the
// name of the time zone.
func NewWriter[T any](w io.Writer, columns []Column[T], opts Options) *Writer[T] {
	l := &Writer[T]{out: bufio.NewWriterSize(w, 64<<10)}
	switch opts.Format {
	case JSON:
		l.form = &jsonList[T]{w: l.out, columns: columns}
	case CSV:
		l.form = newCSV(l.out, columns)
	case Text, "":
		l.form = newText(l.out, columns, &opts)
	}
	return l
}

// Add writes a row. It does not keep row.
func (l *Writer[T]) Add(row *T) error {
	l.rows++
	return l.form.add(row)
}

// Rows is the number of rows so far.
func (l *Writer[T]) Rows() int { return l.rows }

// Close writes the rest. It does not close the writer below.
func (l *Writer[T]) Close() error {
	if err := l.form.close(); err != nil {
		return err
	}
	return l.out.Flush()
}

// Details writes one row for people, a column a line, each with its title or,
// without one, its key. Empty ones are left out, times are full.
func Details[T any](w io.Writer, columns []Column[T], row *T, clock *Clock) error {
	full := *clock
	full.Full = true
	longest := 0
	for i := range columns {
		longest = max(longest, len(columns[i].label()))
	}
	var b strings.Builder
	for i := range columns {
		if words := columns[i].words(row, &full); words != "" {
			fmt.Fprintf(&b, "  %s  %s\n", text.Pad(columns[i].label(), longest, ' '), shorten(words, 10*maxCell))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
