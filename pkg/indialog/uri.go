package indialog

import (
	"fmt"
	"iter"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// uri is a sip or sips URI, cut into raw pieces so that it can be put together
// again byte for byte. Host and port are read by the SIP library.
type uri struct {
	head    string // "sip:user:password@host:port"
	params  string // ";a;b=c", with the first semicolon; may be empty
	headers string // "?a=b", with the question mark; may be empty

	scheme string // "sip" or "sips"
	user   string // user and password, raw
	at     bool   // there is a user part, perhaps an empty one
	host   string // as written; IPv6 in brackets
	port   int    // 0 if there is none
}

// parseURI cuts a URI. It refuses what a request line or a Route header cannot
// carry; beyond that it is lenient, since the phone that made the URI expects
// to get it back.
//
// The library reads scheme, host and port only. Its list of parameters is not
// used: it swallows "?" into a last parameter without value, and a name after
// ";;" gets a semicolon.
func parseURI(s string) (uri, error) {
	if err := checkText(s, unfitURI); err != nil {
		return uri{}, err
	}
	var u uri
	scheme, rest, found := strings.Cut(s, ":")
	if u.scheme = strings.ToLower(scheme); !found || u.scheme != "sip" && u.scheme != "sips" {
		return uri{}, ErrScheme
	}
	// "@" is legal nowhere but after the user part, while the user part may hold
	// ";" and "?" (RFC 3261 section 25.1, user-unreserved): so it is cut first.
	u.user, rest, u.at = strings.Cut(rest, "@")
	if !u.at {
		u.user, rest = "", u.user
	}
	if strings.IndexByte(rest, '@') >= 0 {
		return uri{}, fmt.Errorf("%w: more than one @", ErrSyntax)
	}
	end := strings.IndexAny(rest, ";?")
	if end < 0 {
		end = len(rest)
	}
	hostport := rest[:end]
	u.head = s[:len(s)-len(rest)+end]
	u.params = rest[end:]
	if i := strings.IndexByte(u.params, '?'); i >= 0 {
		u.params, u.headers = u.params[:i], u.params[i:]
	}

	// The library takes a "[" in the user part for an IPv6 address, so it is
	// given the host alone.
	var read sip.Uri
	if err := sip.ParseUri(u.scheme+":"+hostport, &read); err != nil {
		return uri{}, fmt.Errorf("%w: host or port cannot be read", ErrSyntax)
	}
	u.host, u.port = read.Host, read.Port
	if err := checkHost(u.host); err != nil {
		return uri{}, err
	}
	// Whatever the library overlooked (text after "]", "+5060") shows here.
	if tail := strings.TrimPrefix(hostport, u.host); tail != "" {
		if tail[0] != ':' || !isPort(tail[1:]) {
			return uri{}, fmt.Errorf("%w: host or port cannot be read", ErrSyntax)
		}
	}
	return u, nil
}

// checkHost allows the bytes of names and addresses. The underscore is not
// legal, but in use.
func checkHost(host string) error {
	name, allowed := host, "-._"
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		name, allowed = host[1:len(host)-1], ":."
	}
	if name == "" {
		return fmt.Errorf("%w: no host", ErrSyntax)
	}
	for i := 0; i < len(name); i++ {
		if !isAlnum(name[i]) && strings.IndexByte(allowed, name[i]) < 0 {
			return fmt.Errorf("%w: unexpected byte in host", ErrSyntax)
		}
	}
	return nil
}

// isPort says whether s is a port number as Kamailio's parser takes it: one to
// five digits, at most 65535.
func isPort(s string) bool {
	if s == "" || len(s) > 5 {
		return false
	}
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n <= 65535
}

// requestURI returns the URI as it may stand in a request line: without headers
// and without a method parameter (RFC 3261 section 19.1.5). All other bytes are
// kept.
func (u uri) requestURI() string {
	return u.head + u.dropParams(func(name string) bool { return name == "method" })
}

// param returns the value of a parameter, raw, and whether it is there.
func (u uri) param(name string) (string, bool) {
	for p := range paramsOf(u.params) {
		if key, value, _ := strings.Cut(p, "="); strings.EqualFold(key, name) {
			return value, true
		}
	}
	return "", false
}

// dropParams returns the parameters without those whose name, in lower case,
// drop accepts.
func (u uri) dropParams(drop func(name string) bool) string {
	var kept strings.Builder
	for p := range paramsOf(u.params) {
		name, _, _ := strings.Cut(p, "=")
		if !drop(strings.ToLower(name)) {
			kept.WriteByte(';')
			kept.WriteString(p)
		}
	}
	return kept.String()
}

// paramsOf yields the parameters in ";a;b=c" one by one, without semicolon.
// Putting a semicolon before each gives the input again.
func paramsOf(params string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for params != "" {
			end := strings.IndexByte(params[1:], ';') + 1
			if end == 0 {
				end = len(params)
			}
			if !yield(params[1:end]) {
				return
			}
			params = params[end:]
		}
	}
}
