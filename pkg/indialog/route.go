package indialog

import (
	"fmt"
	"strings"
)

// hop is one value of a route set.
type hop struct {
	raw  string // the URI between the brackets, as it was
	uri  uri
	tail string // parameters behind the bracket, ";x=y", or empty
}

// splitRoutes reads a route set: name-addr values joined by commas, from one or
// several Record-Route headers. Display names are left out, they route nothing
// (RFC 3261 section 12.1: a route set is a list of URIs).
func splitRoutes(s string) ([]hop, error) {
	if len(s) > maxRoutes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrRange, len(s), maxRoutes)
	}
	for i := 0; i < len(s); i++ {
		if isControl(s[i]) && s[i] != '\t' {
			return nil, fmt.Errorf("%w: 0x%02x at byte %d", ErrControl, s[i], i)
		}
	}
	var hops []hop
	for s != "" {
		value, rest, err := cutValue(s)
		if err != nil {
			return nil, err
		}
		s = rest
		if value = strings.Trim(value, " \t"); value == "" {
			continue // ", ," comes from joining an empty header
		}
		h, err := parseHop(value)
		if err != nil {
			return nil, err
		}
		if hops = append(hops, h); len(hops) > maxHops {
			return nil, fmt.Errorf("%w: more than %d hops", ErrRange, maxHops)
		}
	}
	return hops, nil
}

// cutValue cuts the first value off a comma-joined list. Commas in quoted
// strings and between angle brackets do not count.
func cutValue(s string) (value, rest string, err error) {
	quoted, enclosed := false, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"' && !enclosed:
			quoted = !quoted
		case quoted:
		case c == '<':
			enclosed = true
		case c == '>':
			enclosed = false
		case c == ',' && !enclosed:
			return s[:i], s[i+1:], nil
		}
	}
	if quoted || enclosed {
		return "", "", fmt.Errorf("%w: quotation mark or < without end", ErrSyntax)
	}
	return s, "", nil
}

// parseHop reads one value. Without brackets all of it is taken for the URI.
func parseHop(value string) (hop, error) {
	raw, tail, found, err := bracketed(value)
	if err != nil {
		return hop{}, err
	}
	if !found {
		raw = value
	}
	u, err := parseURI(raw)
	if err != nil {
		return hop{}, err
	}
	return hop{raw: raw, uri: u, tail: cleanTail(tail)}, nil
}

// loose says whether the hop is a loose router (RFC 3261 section 16.12: its URI
// has the lr parameter, with or without a value).
func (h hop) loose() bool {
	_, ok := h.uri.param("lr")
	return ok
}

// value returns the hop as a Route header value.
func (h hop) value() string { return routeValue(h.raw) + h.tail }

func routeValue(uri string) string { return "<" + escapeMark(uri) + ">" }

// cleanTail keeps the header parameters of a hop if they are plain tokens, and
// drops them all otherwise: nothing routes by them.
func cleanTail(tail string) string {
	tail = strings.Trim(tail, " \t")
	for i := 0; i < len(tail); i++ {
		if !isAlnum(tail[i]) && strings.IndexByte(";=-._~:[]", tail[i]) < 0 {
			return ""
		}
	}
	if tail != "" && tail[0] != ';' {
		return ""
	}
	return tail
}

// escapeMark writes "!" as "%21" in a URI, which means the same (RFC 3261
// section 19.1.4: unreserved characters are equivalent to their escapes).
//
// Before 6.1, tm.t_uac_wait replaces "!!" in a header by its socket's address,
// and for a lone "!" cuts as many bytes off the header's end as stand before it,
// so that the next header is glued to the rest (tm, rpc_uac.c, get_hfblock). From,
// To and Call-ID do not pass there.
func escapeMark(uri string) string { return strings.ReplaceAll(uri, "!", "%21") }
