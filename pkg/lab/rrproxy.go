package lab

import (
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// RRProxyOptions say what a further proxy does.
type RRProxyOptions struct {
	// Addr is where it listens (UDP); default "127.0.0.1:0".
	Addr string
	// Targets are host:port to which requests outside of a dialog are
	// forwarded, to each of them: two or more make a fork whose every 2xx
	// reaches the caller. None = where the Request-URI says.
	Targets []string
	// NoRecordRoute keeps it out of the dialog.
	NoRecordRoute bool
	// JoinRecordRoutes puts its Record-Route and those already there into one
	// header line, with commas.
	JoinRecordRoutes bool
	// Strict makes it a strict router (RFC 2543): its Record-Route has no lr,
	// and it takes its next hop from the Route after the Request-URI.
	Strict bool
	// RouteParams are added to its Record-Route's URI, ";x=y" say.
	RouteParams string
}

// RRProxy is a small stateless proxy that puts itself into the route set (RFC
// 3261 sections 16.4, 16.6 and 16.11).
type RRProxy struct {
	opts    RRProxyOptions
	sock    *socket
	targets []netip.AddrPort
	secret  string

	mu   sync.Mutex
	seen map[string]int
}

// StartRRProxy starts a proxy. The caller ends it with Close.
func StartRRProxy(opts RRProxyOptions) (*RRProxy, error) {
	if opts.Addr == "" {
		opts.Addr = "127.0.0.1:0"
	}
	p := &RRProxy{opts: opts, secret: token(), seen: make(map[string]int)}
	for _, t := range opts.Targets {
		a, err := netip.ParseAddrPort(t)
		if err != nil {
			return nil, fmt.Errorf("read target of record-routing proxy: %w", err)
		}
		p.targets = append(p.targets, a)
	}
	p.mu.Lock() // a message may come before we are ready
	defer p.mu.Unlock()
	sock, err := openSocket("udp", opts.Addr, nil, p.handle)
	if err != nil {
		return nil, err
	}
	p.sock = sock
	return p, nil
}

// Close ends the proxy.
func (p *RRProxy) Close() { p.sock.close() }

// Addr is host:port where it listens.
func (p *RRProxy) Addr() string { return hostPort(p.sock.addr) }

// Seen counts the requests of a method that passed, retransmissions too.
func (p *RRProxy) Seen(method string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[method]
}

func (p *RRProxy) handle(s *socket, from flow, m *Message, _ time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.Method == "" {
		p.response(m)
		return
	}
	p.seen[m.Method]++
	hops, err := strconv.Atoi(m.Get("Max-Forwards"))
	if err != nil {
		hops = 70
	}
	if hops <= 0 {
		if m.Method != "ACK" {
			_ = from.send(newReply(m, 483, token()).Bytes())
		}
		return
	}
	m.set("Max-Forwards", strconv.Itoa(hops-1))
	p.markSource(m, from)
	inDialog := len(tags(m.Get("To"))) > 0
	if m.Method == "INVITE" && !p.opts.NoRecordRoute {
		p.recordRoute(m)
	}
	targets := p.targets
	if inDialog || len(targets) == 0 {
		next, ok := p.route(m)
		if !ok {
			return
		}
		targets = []netip.AddrPort{next}
	}
	for _, t := range targets {
		out := *m
		out.headers = append([]header{{"Via", p.via(m, t)}}, m.headers...)
		_ = flow{sock: s, addr: t}.send(out.Bytes())
	}
}

// via is this hop's Via. A stateless proxy's branch must be the same for a
// retransmission (section 16.11), so it is made of the one below and the
// target.
func (p *RRProxy) via(m *Message, target netip.AddrPort) string {
	h := fnv.New64a()
	fmt.Fprint(h, p.secret, m.topVia(), target)
	return fmt.Sprintf("SIP/2.0/UDP %s;branch=z9hG4bK%x", p.Addr(), h.Sum64())
}

// markSource writes where a request came from into its Via (section 18.2.1,
// RFC 3581), so that the response finds its way.
func (p *RRProxy) markSource(m *Message, from flow) {
	for i := range m.headers {
		if strings.EqualFold(m.headers[i].name, "Via") {
			list := splitList(m.headers[i].value)
			list[0] += ";received=" + from.addr.Addr().String() + ";rport=" + strconv.Itoa(int(from.addr.Port()))
			list[0] = strings.Replace(list[0], ";rport;", ";", 1)
			m.headers[i].value = strings.Join(list, ", ")
			return
		}
	}
}

func (p *RRProxy) recordRoute(m *Message) {
	own := "<sip:" + p.Addr() + p.opts.RouteParams + ";lr>"
	if p.opts.Strict {
		own = "<sip:" + p.Addr() + p.opts.RouteParams + ">"
	}
	if p.opts.JoinRecordRoutes {
		all := append([]string{own}, m.List("Record-Route")...)
		m.remove("Record-Route")
		own = strings.Join(all, ",")
	}
	m.headers = append([]header{{"Record-Route", own}}, m.headers...)
}

// route takes this proxy out of the Route headers and says where the request
// goes next (sections 16.4 to 16.6).
func (p *RRProxy) route(m *Message) (netip.AddrPort, bool) {
	routes := m.List("Route")
	mine := func(uri string) bool {
		h, err := hopOf(uri)
		return err == nil && h.addr == p.sock.addr
	}
	switch {
	case p.opts.Strict && len(routes) > 0 && mine(m.URI):
		// A strict router replaces its own URI by the first route.
		m.URI, routes = uriOf(routes[0]), routes[1:]
	case mine(m.URI) && len(routes) > 0:
		// The one before us is strict: the target is the last route.
		m.URI, routes = uriOf(routes[len(routes)-1]), routes[:len(routes)-1]
	case len(routes) > 0 && mine(uriOf(routes[0])):
		routes = routes[1:]
	}
	m.remove("Route")
	for _, r := range routes {
		m.add("Route", r)
	}
	next := m.URI
	if len(routes) > 0 {
		next = uriOf(routes[0])
	}
	h, err := hopOf(next)
	return h.addr, err == nil && h.addr != p.sock.addr
}

// response takes our Via off and goes where the next one says.
func (p *RRProxy) response(m *Message) {
	vias := m.List("Via")
	if len(vias) < 2 || !strings.Contains(vias[0], p.Addr()) {
		return
	}
	m.remove("Via")
	rest := make([]header, 0, len(vias))
	for _, v := range vias[1:] {
		rest = append(rest, header{"Via", v})
	}
	m.headers = append(rest, m.headers...)
	_, sentBy, _ := strings.Cut(vias[1], " ")
	sentBy, _, _ = strings.Cut(sentBy, ";")
	host, port, err := net.SplitHostPort(strings.TrimSpace(sentBy))
	if err != nil {
		host, port = strings.TrimSpace(sentBy), "5060"
	}
	if r := param(vias[1], "received"); r != "" {
		host = r
	}
	if r := param(vias[1], "rport"); r != "" {
		port = r
	}
	to, err := netip.ParseAddrPort(net.JoinHostPort(host, port))
	if err == nil {
		_ = flow{sock: p.sock, addr: to}.send(m.Bytes())
	}
}

// set replaces the first value of a header, or adds it.
func (m *Message) set(name, value string) {
	for i := range m.headers {
		if strings.EqualFold(m.headers[i].name, name) {
			m.headers[i].value = value
			return
		}
	}
	m.add(name, value)
}

// remove takes out every header line of that name.
func (m *Message) remove(name string) {
	kept := m.headers[:0]
	for _, h := range m.headers {
		if !strings.EqualFold(h.name, name) {
			kept = append(kept, h)
		}
	}
	m.headers = kept
}
