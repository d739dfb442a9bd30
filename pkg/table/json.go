package table

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Object returns a row as a JSON object, its columns in their order.
func Object[T any](columns []Column[T], row *T) (json.RawMessage, error) {
	b := []byte{'{'}
	for i := range columns {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(columns[i].Key)
		if err != nil {
			return nil, err
		}
		b = append(append(b, name...), ':')
		if b, err = appendValue(b, columns[i].Value(row)); err != nil {
			return nil, fmt.Errorf("write %s: %w", columns[i].Key, err)
		}
	}
	return append(b, '}'), nil
}

func appendValue(b []byte, v any) ([]byte, error) {
	switch x := v.(type) {
	case string:
		v = Exact(x)
	case time.Time:
		if v = x.UTC().Format(stamp); x.IsZero() {
			v = nil
		}
	case time.Duration:
		v = x.Milliseconds()
	case []string:
		all := make([]string, len(x))
		for i := range x {
			all[i] = Exact(x[i])
		}
		v = all
	case json.RawMessage:
		if x == nil {
			v = nil
		}
	}
	text, err := marshal(v)
	return append(b, text...), err
}

// WriteJSON writes one value, indented, as [Object]s are: strings in it must be
// valid UTF-8 (see [Exact]).
func WriteJSON(w io.Writer, v any) error {
	text, err := marshal(v)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err = w.Write(b.Bytes())
	return err
}

// marshal writes no character raw that a terminal might obey. JSON has them in
// strings only, where \u stands for any.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	text := bytes.TrimSuffix(buf.Bytes(), []byte{'\n'})
	var out []byte
	from := 0
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r >= 0x7f && !unicode.IsPrint(r) {
			out = append(out, text[from:i]...)
			if hi, lo := utf16.EncodeRune(r); hi != utf8.RuneError {
				out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
			} else {
				out = fmt.Appendf(out, `\u%04x`, r)
			}
			from = i + n
		}
		i += n
	}
	return append(out, text[from:]...), nil
}

// jsonList is one array, an object a line.
type jsonList[T any] struct {
	w       io.Writer
	columns []Column[T]
	rows    int
}

func (l *jsonList[T]) add(row *T) error {
	text, err := Object(l.columns, row)
	if err != nil {
		return err
	}
	before := ",\n "
	if l.rows == 0 {
		before = "[\n "
	}
	l.rows++
	_, err = l.w.Write(append([]byte(before), text...))
	return err
}

func (l *jsonList[T]) close() error {
	end := "\n]\n"
	if l.rows == 0 {
		end = "[]\n"
	}
	_, err := io.WriteString(l.w, end)
	return err
}
