package indialog

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Build returns the request that the dialog's remote side should get, or a
// [*FieldError].
//
// Request-URI, Route and next hop follow RFC 3261 section 12.2.1.1: with a
// loose router first, the Request-URI is the target and the whole route set
// stands in Route; with a strict router first, its URI is the Request-URI and
// the target goes last into Route. Either way the first hop is named in NextHop,
// since tm.t_uac_wait did not route by Route headers before 6.1. Without a route set an
// alias in the target names the next hop, else the target does.
func Build(d Dialog) (Request, error) {
	if err := checkFields(d); err != nil {
		return Request{}, err
	}
	raw, err := targetURI(d.Target)
	if err != nil {
		return Request{}, &FieldError{Field: "Target", Err: err}
	}
	target, err := parseURI(raw)
	if err != nil {
		return Request{}, &FieldError{Field: "Target", Err: err}
	}
	hops, err := splitRoutes(d.RouteSet)
	if err != nil {
		return Request{}, &FieldError{Field: "RouteSet", Err: err}
	}

	r := Request{Method: d.Method, NextHop: None, Socket: d.Socket, CSeq: d.CSeq}
	if r.Socket == "" {
		r.Socket = None
	}
	var routes []string
	switch {
	case len(hops) == 0:
		if rest, hop, ok := takeAlias(target); ok {
			target, r.NextHop = rest, hop
		} else if hop, ok := sourceHop(d.Source, d.Socket); ok {
			r.NextHop = hop
		}
		r.RequestURI = target.requestURI()
	case hops[0].loose():
		r.RequestURI, r.NextHop = target.requestURI(), hops[0].uri.nextHop()
		for _, h := range hops {
			routes = append(routes, h.value())
		}
	default:
		r.RequestURI = hops[0].uri.requestURI()
		r.NextHop = hops[0].uri.nextHop()
		for _, h := range hops[1:] {
			routes = append(routes, h.value())
		}
		routes = append(routes, routeValue(target.requestURI()))
		self := r
		self.RequestURI = target.requestURI()
		self.Headers = headers(d, append([]string{hops[0].value()}, routes[:len(routes)-1]...))
		r.SelfRouting = &self
	}
	r.Headers = headers(d, routes)
	return r, nil
}

// sourceHop names the address behind a NAT as a next hop, by the transport of
// the proxy's socket towards it: what Kamailio's set_contact_alias would have
// written (nathelper).
func sourceHop(source, socket string) (string, bool) {
	ap, err := netip.ParseAddrPort(source)
	if err != nil {
		return "", false
	}
	hop := "sip:" + ap.String()
	if proto, _, ok := strings.Cut(socket, ":"); ok && proto != "udp" {
		hop += ";transport=" + proto
	}
	return hop, true
}

// nextHop returns the URI without headers: tm takes address, port, transport
// and maddr from it and does not send it.
func (u uri) nextHop() string { return u.head + u.params }

// headers writes the header block of a checked dialog.
func headers(d Dialog, routes []string) string {
	var b strings.Builder
	line := func(name string, parts ...string) {
		b.WriteString(name)
		b.WriteString(": ")
		for _, p := range parts {
			b.WriteString(p)
		}
		b.WriteString("\r\n")
	}
	line("From", "<", d.FromURI, ">;tag=", d.FromTag)
	line("To", "<", d.ToURI, ">;tag=", d.ToTag)
	line("Call-ID", d.CallID)
	line("CSeq", strconv.FormatUint(uint64(d.CSeq), 10), " ", d.Method)
	if len(routes) > 0 {
		line("Route", strings.Join(routes, ", "))
	}
	if d.Marker != "" {
		line(MarkerHeader, d.Marker)
	}
	return b.String()
}

// checkFields checks all fields but Target and RouteSet, which are parsed.
func checkFields(d Dialog) error {
	for _, f := range []struct {
		name, value string
		check       func(string) error
	}{
		{"Method", d.Method, checkMethod},
		{"CallID", d.CallID, checkCallID},
		{"FromURI", d.FromURI, checkLogicalURI},
		{"FromTag", d.FromTag, checkTag},
		{"ToURI", d.ToURI, checkLogicalURI},
		{"ToTag", d.ToTag, checkTag},
		{"Socket", d.Socket, checkSocket},
		{"Marker", d.Marker, checkMarker},
	} {
		if err := f.check(f.value); err != nil {
			return &FieldError{Field: f.name, Err: err}
		}
	}
	// 0 is a number like any other, but a BYE always comes after something.
	if d.CSeq == 0 && d.Method == "BYE" || d.CSeq > maxCSeq {
		return &FieldError{Field: "CSeq", Err: fmt.Errorf("%w: %d", ErrRange, d.CSeq)}
	}
	return nil
}

func checkTag(value string) error { return checkText(value, unfitTag) }

// checkSocket allows an empty value, too.
func checkSocket(value string) error {
	if value == "" {
		return nil
	}
	return checkText(value, unfitSocket)
}
