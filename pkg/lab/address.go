package lab

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// splitList cuts a header value at its commas, but not at those inside quotes
// or angle brackets.
func splitList(s string) []string {
	var out []string
	start := 0
	scan(s, func(i int, c byte) bool {
		if c == ',' {
			out = append(out, strings.TrimSpace(s[start:i]))
			start = i + 1
		}
		return true
	})
	if last := strings.TrimSpace(s[start:]); last != "" {
		out = append(out, last)
	}
	return out
}

// scan calls f with each byte of s outside of quoted strings and angle
// brackets, until f returns false.
func scan(s string, f func(i int, c byte) bool) {
	quoted, bracket := false, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case quoted:
			quoted = c != '"'
		case bracket:
			bracket = c != '>'
		case c == '"':
			quoted = true
		case c == '<':
			bracket = true
		default:
			if !f(i, c) {
				return
			}
		}
	}
}

// uriOf returns the URI of a name-addr or addr-spec (RFC 3261 section 20.10):
// what stands in angle brackets, else what stands before the first semicolon.
func uriOf(value string) string {
	quoted := false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case !quoted && c == '<':
			uri, _, _ := strings.Cut(value[i+1:], ">")
			return uri
		}
	}
	uri, _, _ := strings.Cut(value, ";")
	return strings.TrimSpace(uri)
}

// params returns the header parameters of a value, "name=value" each.
func params(value string) []string {
	var out []string
	start := -1
	scan(value, func(i int, c byte) bool {
		if c == ';' {
			if start >= 0 {
				out = append(out, strings.TrimSpace(value[start:i]))
			}
			start = i + 1
		}
		return true
	})
	if start >= 0 {
		out = append(out, strings.TrimSpace(value[start:]))
	}
	return out
}

// param returns the first parameter of that name, "" when there is none.
func param(value, name string) string {
	for _, p := range params(value) {
		if n, v, _ := strings.Cut(p, "="); strings.EqualFold(strings.TrimSpace(n), name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// tags returns every tag of a From or To value: there must be one at most.
func tags(value string) []string {
	var out []string
	for _, p := range params(value) {
		if n, v, ok := strings.Cut(p, "="); ok && strings.EqualFold(strings.TrimSpace(n), "tag") {
			out = append(out, strings.TrimSpace(v))
		}
	}
	return out
}

// onlyTag returns the tag of a From or To value that has exactly one.
func onlyTag(value string) string {
	if t := tags(value); len(t) == 1 {
		return t[0]
	}
	return ""
}

// isLoose says whether a route's URI has the lr parameter (RFC 3261 section
// 16.12): a proxy without it is a strict router.
func isLoose(uri string) bool {
	var u sip.Uri
	if sip.ParseUri(uri, &u) != nil {
		return true
	}
	_, ok := u.UriParams.Get("lr")
	return ok
}

// hop is where a request to uri goes first.
type hop struct {
	addr netip.AddrPort
	tcp  bool
}

// hopOf reads host, port and transport of a URI. Names are not looked up: the
// laboratory knows addresses only.
func hopOf(uri string) (hop, error) {
	var u sip.Uri
	if err := sip.ParseUri(uri, &u); err != nil {
		return hop{}, fmt.Errorf("read URI %q: %w", uri, err)
	}
	port := u.Port
	if port == 0 {
		port = 5060
	}
	ip, err := netip.ParseAddr(strings.Trim(u.Host, "[]"))
	if err != nil {
		return hop{}, fmt.Errorf("read URI %q: its host is not an address", uri)
	}
	transport, _ := u.UriParams.Get("transport")
	return hop{netip.AddrPortFrom(ip, uint16(port)), strings.EqualFold(transport, "tcp")}, nil
}

// hostPort is host:port, with brackets for IPv6.
func hostPort(a netip.AddrPort) string {
	return net.JoinHostPort(a.Addr().String(), strconv.Itoa(int(a.Port())))
}

// token is a random word for branches, tags and Call-IDs.
func token() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
