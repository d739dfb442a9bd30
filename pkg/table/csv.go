package table

import (
	"encoding/csv"
	"io"
	"strings"
)

// csvList is a CSV of RFC 4180: lines end in CR LF.
type csvList[T any] struct {
	w       *csv.Writer
	columns []Column[T]
	cells   []string
	begun   bool
}

func newCSV[T any](w io.Writer, columns []Column[T]) *csvList[T] {
	l := &csvList[T]{w: csv.NewWriter(w), columns: columns}
	l.w.UseCRLF = true
	return l
}

func (l *csvList[T]) header() error {
	if l.begun {
		return nil
	}
	l.begun = true
	l.cells = l.cells[:0]
	for i := range l.columns {
		l.cells = append(l.cells, l.columns[i].Key)
	}
	return l.w.Write(l.cells)
}

func (l *csvList[T]) add(row *T) error {
	if err := l.header(); err != nil {
		return err
	}
	l.cells = l.cells[:0]
	for i := range l.columns {
		l.cells = append(l.cells, Cell(plain(l.columns[i].Value(row))))
	}
	return l.w.Write(l.cells)
}

func (l *csvList[T]) close() error {
	if err := l.header(); err != nil {
		return err
	}
	l.w.Flush()
	return l.w.Error()
}

// Cell makes a text safe to be opened in a spreadsheet: one that the program
// might take for a formula gets an apostrophe in front, after the advice of
// OWASP ("CSV Injection"). Plain numbers stay, negative ones included, and so do
// phone numbers of + and digits: as a formula they are a number and can do nothing
// else, and with an apostrophe no program would know them. What cannot be printed
// is written as [Printable] does.
func Cell(s string) string {
	if s == "" || isNumber(s) {
		return s
	}
	for _, risky := range [...]string{"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"} {
		if strings.HasPrefix(s, risky) {
			return "'" + Printable(s)
		}
	}
	return Printable(s)
}

// isNumber says that s is digits, with a minus before and one point within or
// neither, or a plus and digits.
func isNumber(s string) bool {
	if number, ok := strings.CutPrefix(s, "+"); ok {
		return isDigits(number)
	}
	whole, part, point := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	return isDigits(whole) && (!point || isDigits(part))
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
