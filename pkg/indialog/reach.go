package indialog

import "strings"

// Reaches says that a request of the dialog goes straight to source ("ip:port",
// where the remote side's messages come from): no proxy in between that could
// answer in its stead, no other phone behind the same address. By TCP and TLS the
// port of a message says nothing, so there only the address counts. A name
// instead of an address is never enough, since it may lead anywhere.
func Reaches(d Dialog, source string) bool {
	if d.RouteSet != "" {
		return false
	}
	d.CSeq, d.Marker = max(d.CSeq, 1), ""
	r, err := Build(d)
	if err != nil {
		return false
	}
	hop := r.NextHop
	if hop == None {
		hop = r.RequestURI
	}
	to, err := parseURI(hop)
	if err != nil {
		return false
	}
	from, err := parseURI("sip:" + source)
	if err != nil {
		return false
	}
	a, okA := hostIP(to.host)
	b, okB := hostIP(from.host)
	if !okA || !okB || a.Unmap() != b.Unmap() {
		return false
	}
	transport, _ := to.param("transport")
	transport, port := defaults(to.scheme, strings.ToLower(transport), to.port)
	return transport != "udp" || port == from.port
}
