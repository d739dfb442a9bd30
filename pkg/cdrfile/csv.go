package cdrfile

import (
	"bufio"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/table"
)

// CSV writes RFC 4180: a header, lines that end in CR LF, quotes where needed.
// What is not known is empty. Times are RFC 3339 in UTC. A text that a
// spreadsheet might take for a formula gets an apostrophe in front, phone
// numbers excepted (see [table.Cell]).
type CSV struct {
	w      *bufio.Writer
	line   []byte
	header bool
	day    int64 // since 1970, of stamp; good if stamp is set
	stamp  []byte
}

// NewCSV begins a file.
func NewCSV(w io.Writer) *CSV { return &CSV{w: bufio.NewWriterSize(w, 256<<10)} }

// Write adds a record.
func (c *CSV) Write(r *billing.Record) error {
	c.begin()
	b := c.line[:0]
	for i := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		f := &fields[i]
		if f.Kind == Text {
			b = appendCell(b, f.text(r))
			continue
		}
		v, ok := f.num(r)
		if !ok {
			continue
		}
		switch f.Kind {
		case Time:
			b = c.appendTime(b, v)
		case Bool:
			b = strconv.AppendBool(b, v != 0)
		case Money:
			b = billing.Money(v).Append(b)
		case Text, Int:
			b = strconv.AppendInt(b, v, 10)
		}
	}
	c.line = append(b, '\r', '\n')
	_, err := c.w.Write(c.line)
	return err
}

// Close writes the rest; the file has a header even without records.
func (c *CSV) Close() error {
	c.begin()
	return c.w.Flush()
}

func (c *CSV) begin() {
	if c.header {
		return
	}
	c.header = true
	for i := range fields {
		if i > 0 {
			_ = c.w.WriteByte(',') // an error shows at Flush
		}
		_, _ = c.w.WriteString(fields[i].Name)
	}
	_, _ = c.w.WriteString("\r\n")
}

// appendCell writes a text of a SIP message. Nearly all are plain.
func appendCell(b []byte, s string) []byte {
	if isPlain(s) {
		return append(b, s...)
	}
	s = table.Cell(s)
	if !strings.ContainsAny(s, "\",\r\n") && s[0] != ' ' {
		return append(b, s...)
	}
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' {
			b = append(b, '"')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// isPlain says that s needs neither quotes nor care: printable ASCII without
// what means something to CSV, to table.Printable or at the start of a formula.
func isPlain(s string) bool {
	if s == "" {
		return true
	}
	if c := s[0]; c == '=' || c == '+' || c == '-' || c == '@' || c == ' ' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == ',' || c == '\\' {
			return false
		}
	}
	return true
}

// appendTime writes µs as 2026-11-23T16:00:00.000000Z. The calendar is asked
// once a day of the records' times, not once a record.
func (c *CSV) appendTime(b []byte, us int64) []byte {
	const day = 86_400_000_000
	d := us / day
	us %= day
	if us < 0 {
		d, us = d-1, us+day
	}
	if d != c.day || len(c.stamp) == 0 {
		c.day, c.stamp = d, time.Unix(d*86_400, 0).UTC().AppendFormat(c.stamp[:0], "2006-01-02T")
	}
	b = append(b, c.stamp...)
	s := us / 1e6
	b = appendPadded(b, s/3600, 2)
	b = appendPadded(append(b, ':'), s/60%60, 2)
	b = appendPadded(append(b, ':'), s%60, 2)
	return append(appendPadded(append(b, '.'), us%1e6, 6), 'Z')
}

// appendPadded writes n with so many digits.
func appendPadded(b []byte, n int64, digits int) []byte {
	at := len(b) + digits
	b = append(b, "000000"[:digits]...)
	for i := at - 1; n > 0; i, n = i-1, n/10 {
		b[i] += byte(n % 10)
	}
	return b
}
