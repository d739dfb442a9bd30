package table

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable returns s as one line that any terminal shows and none obeys: a
// byte that is no UTF-8 and an ASCII control character become \xHH, other
// characters that are not to be seen (C1 controls, direction marks, line
// separators, private use) \u{H…}. A backslash that would read as one of these
// becomes \x5c. All else stays as it is. [Unprintable] is its inverse.
func Printable(s string) string {
	if isPlain(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1, r < ' ', r == 0x7f, r == '\\' && readsAsEscape(s[i:]):
			b.WriteString(`\x`)
			b.WriteByte(hexDigits[s[i]>>4])
			b.WriteByte(hexDigits[s[i]&15])
		case !unicode.IsPrint(r):
			b.WriteString(`\u{`)
			b.WriteString(strconv.FormatInt(int64(r), 16))
			b.WriteByte('}')
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// Unprintable gives back what Printable was given, so that a text can be copied
// from a table to a command line. Text that Printable never wrote comes back as
// well as can be.
func Unprintable(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if v, n := escape(s[i:]); n > 0 {
			if s[i+1] == 'x' {
				b.WriteByte(byte(v))
			} else {
				b.WriteRune(rune(v))
			}
			i += n
			continue
		}
		b.WriteByte(s[i])
		i++
	}
	return b.String()
}

const hexDigits = "0123456789abcdef"

// isPlain says that Printable has nothing to do.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '\\' {
			return false
		}
	}
	return true
}

func readsAsEscape(s string) bool {
	_, n := escape(s)
	return n > 0
}

// escape reads one escape at the start of s; n is its length, 0 if there is
// none.
func escape(s string) (v uint64, n int) {
	var digits string
	switch {
	case len(s) >= 4 && s[:2] == `\x`:
		digits, n = s[2:4], 4
	case len(s) >= 5 && s[:3] == `\u{`:
		end := strings.IndexByte(s[:min(len(s), 10)], '}')
		if end < 4 {
			return 0, 0
		}
		digits, n = s[3:end], end+1
	default:
		return 0, 0
	}
	if strings.Trim(digits, hexDigits) != "" {
		return 0, 0
	}
	v, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || n > 4 && !utf8.ValidRune(rune(v)) {
		return 0, 0
	}
	return v, n
}

// Exact makes valid UTF-8 of any bytes without loss, for JSON: a byte that is
// none, and NUL, become \xHH, and a backslash that would read as such \x5c.
func Exact(s string) string {
	if utf8.ValidString(s) && !strings.ContainsAny(s, "\\\x00") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		_, esc := escape(s[i:])
		if r == utf8.RuneError && n == 1 || r == 0 || esc == 4 {
			b.WriteString(`\x`)
			b.WriteByte(hexDigits[s[i]>>4])
			b.WriteByte(hexDigits[s[i]&15])
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}
