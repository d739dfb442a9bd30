package store

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/byeguard/byeguard/pkg/call"
)

// line builds rows in COPY's text format: columns end in a tab, rows in a
// newline, NULL is \N, a backslash in the data is doubled (PostgreSQL docs,
// COPY, "Text Format"). A newline byte therefore always ends a row.
type line struct {
	buf  []byte
	sec  int64
	date []byte // sec as text, kept because neighbours share it
}

func (l *line) tab()  { l.buf = append(l.buf, '\t') }
func (l *line) end()  { l.buf[len(l.buf)-1] = '\n' }
func (l *line) null() { l.buf = append(l.buf, `\N`...); l.tab() }

func (l *line) key(k call.Key) {
	l.buf = append(l.buf, `\\x`...)
	l.buf = hex.AppendEncode(l.buf, k[:])
	l.tab()
}

func (l *line) int(v int64) {
	l.buf = strconv.AppendInt(l.buf, v, 10)
	l.tab()
}

// intOrNull takes 0 for unknown.
func (l *line) intOrNull(v int64) {
	if v == 0 {
		l.null()
		return
	}
	l.int(v)
}

// time writes Unix µs.
func (l *line) time(us int64) {
	us = clampMicros(us)
	sec, frac := us/1e6, us%1e6
	if sec != l.sec || len(l.date) == 0 {
		l.sec = sec
		l.date = time.Unix(sec, 0).UTC().AppendFormat(l.date[:0], "2006-01-02 15:04:05")
	}
	l.buf = append(l.buf, l.date...)
	l.buf = append(l.buf, '.',
		byte('0'+frac/100000), byte('0'+frac/10000%10), byte('0'+frac/1000%10),
		byte('0'+frac/100%10), byte('0'+frac/10%10), byte('0'+frac%10), '+', '0', '0')
	l.tab()
}

// text writes any bytes; "" stays "".
func (l *line) text(s string) {
	l.escaped(Escape(s))
	l.tab()
}

// textOrNull takes "" for unknown.
func (l *line) textOrNull(s string) {
	if s == "" {
		l.null()
		return
	}
	l.text(s)
}

func (l *line) escaped(s string) {
	if !strings.ContainsAny(s, "\\\t\n\r") {
		l.buf = append(l.buf, s...)
		return
	}
	for i := range len(s) {
		switch c := s[i]; c {
		case '\\':
			l.buf = append(l.buf, `\\`...)
		case '\t':
			l.buf = append(l.buf, `\t`...)
		case '\n':
			l.buf = append(l.buf, `\n`...)
		case '\r':
			l.buf = append(l.buf, `\r`...)
		default:
			l.buf = append(l.buf, c)
		}
	}
}

// object is a JSON object being written into a COPY column.
type object struct {
	l     *line
	start int
}

func (l *line) object() object {
	o := object{l: l, start: len(l.buf)}
	l.buf = append(l.buf, '{')
	return o
}

// close ends the column; an empty object is NULL.
func (o object) close() {
	if len(o.l.buf) == o.start+1 {
		o.l.buf = o.l.buf[:o.start]
		o.l.null()
		return
	}
	o.l.buf = append(o.l.buf, '}')
	o.l.tab()
}

func (o object) name(name string) {
	if last := o.l.buf[len(o.l.buf)-1]; last != '{' {
		o.l.buf = append(o.l.buf, ',')
	}
	o.l.buf = append(o.l.buf, '"')
	o.l.buf = append(o.l.buf, name...)
	o.l.buf = append(o.l.buf, '"', ':')
}

// int adds a number; 0 is left out.
func (o object) int(name string, v int64) {
	if v == 0 {
		return
	}
	o.name(name)
	o.l.buf = strconv.AppendInt(o.l.buf, v, 10)
}

// bool adds true; false is left out.
func (o object) bool(name string, v bool) {
	if v {
		o.name(name)
		o.l.buf = append(o.l.buf, "true"...)
	}
}

// dialog adds "entry:id"; the zero value is left out.
func (o object) dialog(d call.DialogID) {
	if d.IsZero() {
		return
	}
	o.name("dialog")
	b := append(o.l.buf, '"')
	b = strconv.AppendUint(b, uint64(d.Entry), 10)
	b = strconv.AppendUint(append(b, ':'), uint64(d.ID), 10)
	o.l.buf = append(b, '"')
}

// text adds any bytes; "" is left out.
func (o object) text(name, s string) {
	if s == "" {
		return
	}
	o.name(name)
	s = Escape(s)
	b := append(o.l.buf, '"')
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		switch c { // each backslash of JSON is doubled for COPY
		case '"':
			b = append(b, `\\"`...)
		case '\\':
			b = append(b, `\\\\`...)
		default:
			b = append(b, `\\u00`...)
			b = append(b, hexDigits[c>>4], hexDigits[c&15])
		}
	}
	b = append(b, s[from:]...)
	o.l.buf = append(b, '"')
}

// endpoint adds what an event told of one side; nothing told is left out.
func (o object) endpoint(name string, e *call.Endpoint) {
	if *e == (call.Endpoint{}) {
		return
	}
	o.name(name)
	o.l.buf = append(o.l.buf, '{')
	o.text("uri", e.URI)
	o.text("contact", e.Contact)
	o.text("route_set", e.RouteSet)
	o.text("socket", e.Socket)
	o.int("cseq", int64(e.CSeq))
	o.l.buf = append(o.l.buf, '}')
}
