package indialog

import (
	"fmt"
	"strings"
)

// contactParams are parameters of a Contact header that make no sense in a URI.
// They are cut from a target without angle brackets, see targetURI.
var contactParams = map[string]bool{"expires": true, "q": true, "reg-id": true}

// targetURI takes the URI out of a remote target: a bare URI, or a Contact
// header body, of which the first value counts.
//
// Without angle brackets, parameters belong to the header, not to the URI
// (RFC 3261 section 20.10). But a bare URI out of Kamailio's dialog looks the
// same, and its parameters (alias, transport) are needed. So they are taken for
// the URI's, but for those that only a Contact header has.
func targetURI(s string) (string, error) {
	if len(s) > maxRoutes {
		return "", ErrRange
	}
	for i := 0; i < len(s); i++ {
		if isControl(s[i]) && s[i] != '\t' {
			return "", fmt.Errorf("%w: 0x%02x at byte %d", ErrControl, s[i], i)
		}
	}
	s = strings.Trim(s, " \t")
	if s == "" {
		return "", ErrEmpty
	}
	enclosed, _, found, err := bracketed(s)
	if err != nil || found {
		return enclosed, err
	}
	// A comma is legal in a bare URI's user part only.
	from := strings.IndexByte(s, '@') + 1
	if comma := strings.IndexByte(s[from:], ','); comma >= 0 {
		s = strings.TrimRight(s[:from+comma], " \t")
	}
	u, err := parseURI(s)
	if err != nil {
		return "", err
	}
	return u.head + u.dropParams(func(name string) bool {
		return contactParams[name] || strings.HasPrefix(name, "+")
	}) + u.headers, nil
}

// bracketed finds the URI between the first "<" outside of a quoted display
// name and the ">" after it, and what follows. found is false if there are no
// brackets at all.
func bracketed(s string) (enclosed, rest string, found bool, err error) {
	open, err := unquotedIndex(s, '<')
	if err != nil || open < 0 {
		return "", "", false, err
	}
	enclosed, rest, closed := strings.Cut(s[open+1:], ">")
	if !closed {
		return "", "", false, fmt.Errorf("%w: < without >", ErrSyntax)
	}
	return strings.Trim(enclosed, " \t"), rest, true, nil
}

// unquotedIndex returns the index of c outside of quoted strings, or -1. A
// quoted string that does not end is an error.
func unquotedIndex(s string, c byte) (int, error) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++ // quoted-pair, RFC 3261 section 25.1
		case s[i] == '"':
			quoted = !quoted
		case !quoted && s[i] == c:
			return i, nil
		}
	}
	if quoted {
		return -1, fmt.Errorf("%w: quotation mark without end", ErrSyntax)
	}
	return -1, nil
}
