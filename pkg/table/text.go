package table

import (
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// block is how many rows are aligned together. Those of later blocks get the
// widths of the first one.
const block = 500

// Bounds of a cell's width in characters.
const (
	minCell     = 8
	elasticCell = 100
	maxCell     = 300
)

// textList is an aligned table. It holds a block of rows.
type textList[T any] struct {
	w       io.Writer
	columns []*Column[T] // those with a title
	clock   *Clock
	width   int // of the terminal, 0 = none
	cells   [][]string
	widths  []int // nil until the first block is written
}

func newText[T any](w io.Writer, columns []Column[T], opts *Options) *textList[T] {
	l := &textList[T]{w: w, clock: &opts.Clock, width: opts.Width}
	for i := range columns {
		if columns[i].Title != "" {
			l.columns = append(l.columns, &columns[i])
		}
	}
	return l
}

func (l *textList[T]) add(row *T) error {
	line := make([]string, len(l.columns))
	for i, c := range l.columns {
		line[i] = c.words(row, l.clock)
	}
	l.cells = append(l.cells, line)
	if len(l.cells) < block {
		return nil
	}
	return l.flush()
}

func (l *textList[T]) close() error { return l.flush() }

func (l *textList[T]) flush() error {
	if len(l.cells) == 0 {
		return nil
	}
	first := l.widths == nil
	if first {
		l.widths = l.fit()
	}
	t := table.NewWriter()
	t.SetStyle(style())
	var configs []table.ColumnConfig
	head := make(table.Row, len(l.columns))
	for i, c := range l.columns {
		head[i] = l.title(c)
		config := table.ColumnConfig{Number: i + 1, WidthMin: l.widths[i]}
		if c.Right {
			config.Align, config.AlignHeader = text.AlignRight, text.AlignRight
		}
		configs = append(configs, config)
	}
	t.SetColumnConfigs(configs)
	if first {
		t.AppendHeader(head)
	}
	for _, line := range l.cells {
		row := make(table.Row, len(line))
		for i, cell := range line {
			row[i] = shorten(cell, l.limit(i))
		}
		t.AppendRow(row)
	}
	l.cells = l.cells[:0]
	var b strings.Builder
	for line := range strings.Lines(t.Render()) {
		b.WriteString(strings.TrimRight(line, " \n"))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(l.w, b.String())
	return err
}

func (l *textList[T]) title(c *Column[T]) string {
	return strings.ReplaceAll(c.Title, "{zone}", l.clock.Abbreviation())
}

// limit is the longest that cells of column i may be.
func (l *textList[T]) limit(i int) int {
	switch {
	case !l.columns[i].Elastic:
		return maxCell
	case l.width == 0: // rather a step in the table than less of a text
		return elasticCell
	}
	return l.widths[i]
}

// fit finds the columns' widths from the rows at hand. Too wide a table has its
// widest elastic columns narrowed, one character at a time.
func (l *textList[T]) fit() []int {
	widths := make([]int, len(l.columns))
	total := 2 * (len(widths) - 1)
	for i, c := range l.columns {
		longest := maxCell
		if c.Elastic {
			longest = elasticCell
		}
		widths[i] = text.StringWidth(l.title(c))
		for _, line := range l.cells {
			widths[i] = min(max(widths[i], text.StringWidth(line[i])), longest)
		}
		total += widths[i]
	}
	for ; l.width > 0 && total > l.width; total-- {
		widest := -1
		for i, c := range l.columns {
			floor := max(minCell, text.StringWidth(l.title(c)))
			if c.Elastic && widths[i] > floor && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}

// shorten cuts s to n columns of a terminal and marks the cut.
func shorten(s string, n int) string {
	if text.StringWidth(s) <= n {
		return s
	}
	return text.Trim(s, n-1) + "…"
}

// style is two spaces between columns and no lines.
func style() table.Style {
	s := table.StyleDefault
	s.Box.PaddingLeft, s.Box.PaddingRight = "", ""
	s.Box.MiddleVertical, s.Box.MiddleSeparator = "  ", "  "
	s.Options = table.Options{SeparateColumns: true}
	s.Format.Header = text.FormatDefault
	return s
}
