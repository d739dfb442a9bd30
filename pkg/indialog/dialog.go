package indialog

// Dialog is what has to be known of a dialog to send a request to one of its
// sides. "Local" is the side that seems to send the request, "remote" the side
// that gets it. All texts are raw bytes.
type Dialog struct {
	Method  string // "BYE", "OPTIONS"
	CallID  string
	FromURI string // local URI, without display name and angle brackets
	FromTag string // local tag
	ToURI   string // remote URI
	ToTag   string // remote tag

	// Target is the remote target: a URI, or a whole Contact header body (with
	// display name, header parameters, several values: the first counts).
	Target string
	// RouteSet is the route set towards the remote side, in the order in which
	// it is to be sent: "<sip:a;lr>, <sip:b;lr>". Empty means none.
	RouteSet string
	// Socket is the proxy's socket towards the remote side, "udp:192.0.2.1:5060".
	// Empty lets the proxy choose.
	Socket string
	// Source is "ip:port" where the remote side is really reached: for one behind
	// NAT whose newest Contact was seen before the proxy put its alias in. Used
	// where neither a route nor an alias names the next hop; "" = go by Target.
	Source string
	// CSeq is the number that the request carries, 0 (1 for a BYE) to 2^31-1 (RFC
	// 3261 section 8.1.1.5). It is sent as given: tm.t_uac_wait does not count it up.
	CSeq uint32
	// Marker is the value of the X-Byeguard header, by which the routes in
	// kamailio-cfg know our requests. Empty means that there is no such header.
	Marker string
}

// None stands for "no next hop" and "no socket" in the parameters of
// tm.t_uac_wait (Kamailio, tm module docs).
const None = "."

// MarkerHeader is the name of the header that marks our requests. The routes in
// kamailio-cfg read it and take it out before the request leaves the proxy.
const MarkerHeader = "X-Byeguard"

// Request is a request in the form of the parameters of tm.t_uac_wait.
type Request struct {
	Method     string
	RequestURI string
	NextHop    string // a URI, or None: the Request-URI decides
	Socket     string // "proto:host:port", or None: the proxy chooses
	// Headers are From, To, Call-ID, CSeq, Route (one line: Kamailio 6.1 reads
	// only the first) and X-Byeguard, each ended by CR LF. The proxy adds Via, Max-Forwards and Content-Length itself (tm,
	// build_uac_req), so these are left out.
	Headers string
	CSeq    uint32

	// SelfRouting is the same request for a proxy that works out next hop,
	// Request-URI and Route from the target and the whole route set itself, as
	// tm.t_uac_wait does from Kamailio 6.1 on (it then ignores NextHop). Nil where
	// both kinds of proxy are given the same, that is but for strict routing.
	SelfRouting *Request
}

// Reply is the final answer to a Request.
type Reply struct {
	Code   int    // SIP status code, 200 to 699; 408 also when nobody answered the proxy
	Reason string // reason phrase, raw bytes from the far side
}
