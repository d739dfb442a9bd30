package evapi

import "bytes"

// valueKind is the JSON type of a value, as far as the decoder cares.
type valueKind uint8

const (
	valString    valueKind = iota + 1 // raw is what stands between the quotes
	valNumber                         // raw is the token
	valNull                           // raw is "null"
	valBool                           // raw is "true" or "false"
	valContainer                      // object or array, skipped
)

// scanner walks through the members of one flat JSON object without building
// anything. It knows what byeguard-events.cfg writes and what a later version
// may add (spaces, escapes, nested values); it decodes none of the latter. It
// is no validator: a number is any run of number characters, and the decoder
// judges those that it wants.
type scanner struct {
	b []byte
	i int // next byte
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

// peek returns the next byte that is not white space, or 0 at the end.
func (s *scanner) peek() byte {
	if s.i < len(s.b) && s.b[s.i] > ' ' {
		return s.b[s.i]
	}
	s.space()
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

// str reads a string whose opening quote is the next byte. Escapes are left as
// they are; the quote that ends the string is found rightly behind them.
func (s *scanner) str() ([]byte, bool) {
	from := s.i + 1
	n := bytes.IndexByte(s.b[from:], '"')
	if n < 0 {
		return nil, false
	}
	if bytes.IndexByte(s.b[from:from+n], '\\') < 0 {
		s.i = from + n + 1
		return s.b[from : from+n], true
	}
	for i := from; i < len(s.b); i++ {
		switch s.b[i] {
		case '\\':
			i++
		case '"':
			s.i = i + 1
			return s.b[from:i], true
		}
	}
	return nil, false
}

// key reads `"name":`. Keys are short, so a plain loop beats bytes.IndexByte.
func (s *scanner) key() ([]byte, bool) {
	if s.peek() != '"' {
		return nil, false
	}
	name, ok := s.name()
	if !ok || s.peek() != ':' {
		return nil, false
	}
	s.i++
	return name, true
}

func (s *scanner) name() ([]byte, bool) {
	from := s.i + 1
	for i := from; i < len(s.b) && s.b[i] != '\\'; i++ {
		if s.b[i] == '"' {
			s.i = i + 1
			return s.b[from:i], true
		}
	}
	return s.str() // an escape: none of our keys, but to be passed over
}

// value reads any value.
func (s *scanner) value() (valueKind, []byte, bool) {
	switch c := s.peek(); c {
	case '"':
		raw, ok := s.str()
		return valString, raw, ok
	case '{', '[':
		return valContainer, nil, s.skip()
	case 'n':
		return valNull, nil, s.word("null")
	case 't':
		return valBool, nil, s.word("true")
	case 'f':
		return valBool, nil, s.word("false")
	}
	from := s.i
	for s.i < len(s.b) && isNumberByte(s.b[s.i]) {
		s.i++
	}
	return valNumber, s.b[from:s.i], s.i > from
}

func isNumberByte(c byte) bool {
	return c-'0' <= 9 || c == '-' || c == '.' || c == '+' || c == 'e' || c == 'E'
}

func (s *scanner) word(w string) bool {
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return false
	}
	s.i += len(w)
	return true
}

// skip passes over an object or array by counting brackets, without recursion,
// so that deep nesting costs no stack.
func (s *scanner) skip() bool {
	depth := 0
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case '"':
			if _, ok := s.str(); !ok {
				return false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		s.i++
		if depth == 0 {
			return true
		}
	}
	return false
}

// more reads what stands between two members: ',' (true) or the closing '}'
// at the very end of the frame (false).
func (s *scanner) more() (again, ok bool) {
	switch s.peek() {
	case ',':
		s.i++
		return true, true
	case '}':
		s.i++
		s.space()
		return false, s.i == len(s.b)
	}
	return false, false
}
