package kamrpc

import (
	"slices"
	"strings"
)

// part is a share of Kamailio's dialogs: those whose Call-ID begins with prefix,
// with one of the bytes of class behind it, or with none of them. The bytes are
// folded to lower case, since Kamailio compares without regard to case.
//
// Kamailio's string does not end with the Call-ID: the caller's and the callee's
// URI stand right behind it in its memory (dlg_hash.c, build_new_dlg), and its
// regular expressions see them. So there always is a next byte.
type part struct {
	prefix string
	class  []byte // nil = any byte
	not    bool
}

// maxPrefix bounds the depth of the search: dialogs that are the same in so many
// bytes are taken for copies of one.
const maxPrefix = 255

// pattern is the part as a POSIX extended regular expression in the C locale,
// where one byte is one character.
func (p part) pattern() string {
	var b strings.Builder
	b.WriteByte('^')
	for i := range len(p.prefix) {
		literal(&b, p.prefix[i])
	}
	switch {
	case p.class == nil:
		if p.prefix == "" {
			return "." // anything
		}
	case p.not:
		b.WriteString("[^")
		bracket(&b, p.class)
		b.WriteByte(']')
	default:
		b.WriteByte('(')
		for i, c := range p.class {
			if i > 0 {
				b.WriteByte('|')
			}
			literal(&b, c)
		}
		b.WriteByte(')')
	}
	return b.String()
}

// literal writes a byte that stands for itself.
func literal(b *strings.Builder, c byte) {
	if strings.IndexByte(`\^.[$()|*+?{`, c) >= 0 {
		b.WriteByte('\\')
	}
	b.WriteByte(c)
}

// bracket writes the members of a bracket expression, in which backslash is
// nothing special, "]" must come first, "-" last, and "[" before no ".", ":" or
// "=" (POSIX, 9.3.5).
func bracket(b *strings.Builder, class []byte) {
	last := ""
	for _, c := range class {
		if c == ']' {
			b.WriteByte(c)
		}
	}
	for _, c := range class {
		switch c {
		case ']':
		case '[':
			last = "[" + last
		case '-':
			last += "-"
		default:
			b.WriteByte(c)
		}
	}
	b.WriteString(last)
}

// split parts a share that is too large for one answer, by a sample of it, in two
// of about the same size. The two cover all of it, whatever the sample was. ok
// is false if it cannot be parted further.
func (p part) split(sample []string) (halves [2]part, ok bool) {
	at := len(p.prefix)
	if at >= maxPrefix {
		return halves, false
	}
	var count [256]int
	total := 0
	for _, s := range sample {
		if len(s) > at {
			count[fold(s[at])]++
			total++
		}
	}
	var seen []byte
	for c := range count {
		if count[c] > 0 {
			seen = append(seen, byte(c))
		}
	}
	if len(seen) == 0 {
		return halves, false
	}
	slices.SortStableFunc(seen, func(a, b byte) int { return count[b] - count[a] })
	n, sum := 1, count[seen[0]]
	for n < len(seen) && sum+count[seen[n]] <= total/2 {
		sum += count[seen[n]]
		n++
	}
	some := seen[:n:n]
	halves[0] = p.with(some, false)
	switch {
	case p.class == nil:
		halves[1] = p.with(some, true)
	case p.not:
		halves[1] = p.with(append(slices.Clone(p.class), some...), true)
	default:
		rest := slices.DeleteFunc(slices.Clone(p.class), func(c byte) bool { return slices.Contains(some, c) })
		if len(rest) == 0 { // the sample was not of this part
			return halves, false
		}
		halves[1] = p.with(rest, false)
	}
	return halves, true
}

// with returns the share of those that go on with one of the bytes, or not.
func (p part) with(class []byte, not bool) part {
	if len(class) == 1 && !not {
		return part{prefix: p.prefix + string(class)}
	}
	return part{prefix: p.prefix, class: class, not: not}
}

func fold(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
