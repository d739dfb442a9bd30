package indialog

import (
	"net/netip"
	"strings"
)

// aliasTransports are the names of Kamailio's protocol numbers (core,
// ip_addr.h; proto_type_to_str). Both kinds of WebSocket are "ws" there: what
// counts is the open connection from that address.
var aliasTransports = map[string]string{
	"1": "", "2": "tcp", "3": "tls", "4": "sctp", "5": "ws", "6": "ws",
}

// takeAlias splits a target with ";alias=IP~PORT~PROTO" into the Request-URI
// without it and the next hop, as Kamailio's dialog module does for a leg
// without route set (core, uri_restore_rcv_alias; written by nathelper's
// set_contact_alias and add_contact_alias). Of several aliases the last counts;
// the others stay. A malformed one is no alias.
func takeAlias(u uri) (rest uri, nextHop string, ok bool) {
	at := strings.LastIndex(u.params, ";alias=")
	if at < 0 {
		return u, "", false
	}
	value := u.params[at+len(";alias="):]
	after := ""
	if i := strings.IndexByte(value, ';'); i >= 0 {
		value, after = value[:i], value[i:]
	}
	if nextHop, ok = aliasHop(value); !ok {
		return u, "", false
	}
	u.params = u.params[:at] + after
	return u, nextHop, true
}

// aliasHop turns "IP~PORT~PROTO" into a URI. An IPv6 address may come with
// brackets (set_contact_alias) or without (add_contact_alias with parameters).
func aliasHop(value string) (string, bool) {
	ip, rest, ok := strings.Cut(value, "~")
	if !ok {
		return "", false
	}
	port, proto, ok := strings.Cut(rest, "~")
	if !ok || !isPort(port) || strings.Trim(port, "0") == "" {
		return "", false
	}
	transport, ok := aliasTransports[proto]
	if !ok {
		return "", false
	}
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(ip, "["), "]"))
	if err != nil || addr.Zone() != "" {
		return "", false
	}
	hop := "sip:" + netip.AddrPortFrom(addr, 0).String()
	hop = strings.TrimSuffix(hop, "0") + port
	if transport != "" {
		hop += ";transport=" + transport
	}
	return hop, true
}
