package indialog

import (
	"net/netip"
	"strings"
)

// SameTarget says whether two remote targets (URIs or Contact header bodies)
// are equivalent after RFC 3261 section 19.1.4, so that a 481 from a is a 481
// from b. A target that cannot be parsed equals only its very bytes.
//
// It differs from the RFC in two points: an alias parameter, which Kamailio puts
// in, does not count; and where the host is an IP address, a missing port or
// transport equals the default, since no DNS can make a difference there.
func SameTarget(a, b string) bool {
	if a == b {
		return a != ""
	}
	ua, err := readTarget(a)
	if err != nil {
		return false
	}
	ub, err := readTarget(b)
	if err != nil {
		return false
	}
	return ua.scheme == ub.scheme && ua.at == ub.at &&
		unescape(ua.user) == unescape(ub.user) &&
		sameHost(ua, ub) && sameParams(ua, ub) &&
		strings.EqualFold(unescape(ua.headers), unescape(ub.headers))
}

func readTarget(s string) (uri, error) {
	raw, err := targetURI(s)
	if err != nil {
		return uri{}, err
	}
	return parseURI(raw)
}

// sameHost compares host, port and transport.
func sameHost(a, b uri) bool {
	ta, _ := a.param("transport")
	tb, _ := b.param("transport")
	ta, tb = strings.ToLower(ta), strings.ToLower(tb)
	pa, pb := a.port, b.port
	ipa, oka := hostIP(a.host)
	ipb, okb := hostIP(b.host)
	if oka != okb {
		return false
	}
	if !oka {
		return strings.EqualFold(strings.TrimSuffix(a.host, "."), strings.TrimSuffix(b.host, ".")) &&
			pa == pb && ta == tb
	}
	ta, pa = defaults(a.scheme, ta, pa)
	tb, pb = defaults(b.scheme, tb, pb)
	return ipa == ipb && pa == pb && ta == tb
}

// defaults fills in transport and port for a numeric host (RFC 3263 sections
// 4.1 and 4.2).
func defaults(scheme, transport string, port int) (string, int) {
	if scheme == "sips" {
		if transport == "" || transport == "tcp" {
			transport = "tls"
		}
	} else if transport == "" {
		transport = "udp"
	}
	if port == 0 {
		if port = 5060; transport == "tls" {
			port = 5061
		}
	}
	return transport, port
}

func hostIP(host string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	return addr, err == nil
}

// mustMatch are the parameters that count even if only one URI has them.
// (transport is compared with the host.)
var mustMatch = map[string]bool{"user": true, "ttl": true, "method": true, "maddr": true}

// sameParams compares the parameters: those in both must be equal.
func sameParams(a, b uri) bool {
	return coveredBy(a, b) && coveredBy(b, a)
}

func coveredBy(a, b uri) bool {
	for p := range paramsOf(a.params) {
		name, value, _ := strings.Cut(p, "=")
		name = strings.ToLower(name)
		if name == "" || name == "alias" || name == "transport" {
			continue
		}
		other, ok := b.param(name)
		if !ok && mustMatch[name] || ok && !strings.EqualFold(unescape(value), unescape(other)) {
			return false
		}
	}
	return true
}

// unescape replaces the escapes of characters outside RFC 3261's reserved set,
// and writes all others in upper case.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' || i+2 >= len(s) || unhex(s[i+1]) < 0 || unhex(s[i+2]) < 0 {
			b.WriteByte(s[i])
			continue
		}
		c := byte(unhex(s[i+1])<<4 | unhex(s[i+2]))
		if isAlnum(c) || strings.IndexByte("-_.!~*'()", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.WriteString(strings.ToUpper(s[i : i+3]))
		}
		i += 2
	}
	return b.String()
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
