package lab

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// UA is one strict SIP user agent: one socket that carries any number of
// calls, placed and received. Everything is answered from the read loop; calls
// cost no goroutine. Its methods are safe for concurrent use.
type UA struct {
	opts  UAOptions
	main  *socket
	proxy netip.AddrPort

	mu         sync.Mutex
	closed     bool
	socks      []*socket
	calls      map[string][]*Call // by Call-ID
	order      []*Call
	clients    map[string]*clientTx // by branch and method
	violations []Violation          // those of no call
	arrived    chan struct{}        // closed on the next new call
}

// NewUA starts an agent. The caller ends it with Close.
func NewUA(opts UAOptions) (*UA, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	ua := &UA{opts: opts, calls: make(map[string][]*Call), clients: make(map[string]*clientTx)}
	if opts.Proxy != "" {
		ua.proxy = netip.MustParseAddrPort(opts.Proxy)
	}
	ua.mu.Lock() // a message may come before we are ready
	defer ua.mu.Unlock()
	if ua.main, err = openSocket(opts.Transport, opts.Addr, opts.Network, ua.handle); err != nil {
		return nil, err
	}
	ua.socks = []*socket{ua.main}
	return ua, nil
}

// Close ends the agent without a word to its peers.
func (ua *UA) Close() {
	ua.mu.Lock()
	ua.closed = true
	socks := ua.socks
	for _, c := range ua.order {
		c.changed()
	}
	ua.mu.Unlock()
	for _, s := range socks {
		s.close()
	}
}

// Name is the user part of the agent's URIs.
func (ua *UA) Name() string { return ua.opts.Name }

// Addr is host:port of the agent's own socket.
func (ua *UA) Addr() string { return hostPort(ua.main.addr) }

// URI is where the agent can be called: sip:NAME@ADDR, with its transport.
func (ua *UA) URI() string { return ua.uriAt(hostPort(ua.main.addr)) }

// contactAt is the Contact URI for one of the agent's sockets.
func (ua *UA) contactAt(s *socket) string {
	if s == ua.main && ua.opts.ContactHost != "" {
		return ua.uriAt(ua.opts.ContactHost)
	}
	return ua.uriAt(hostPort(s.addr))
}

func (ua *UA) uriAt(host string) string {
	uri := "sip:" + ua.opts.Name + "@" + host
	if ua.opts.Transport == "tcp" {
		uri += ";transport=tcp"
	}
	return uri
}

// Calls returns all calls in the order of their beginning.
func (ua *UA) Calls() []*Call {
	ua.mu.Lock()
	defer ua.mu.Unlock()
	return append([]*Call(nil), ua.order...)
}

// Live counts the calls that are up.
func (ua *UA) Live() int {
	ua.mu.Lock()
	defer ua.mu.Unlock()
	n := 0
	for _, c := range ua.order {
		if c.rec.State.Live() {
			n++
		}
	}
	return n
}

// Find returns the first call with that Call-ID, nil when there is none.
func (ua *UA) Find(callID string) *Call {
	ua.mu.Lock()
	defer ua.mu.Unlock()
	if list := ua.calls[callID]; len(list) > 0 {
		return list[0]
	}
	return nil
}

// WaitCall waits until a call with that Call-ID ("" = any) has come in or was
// placed.
func (ua *UA) WaitCall(ctx context.Context, callID string) (*Call, error) {
	for {
		ua.mu.Lock()
		list := ua.calls[callID]
		if callID == "" {
			list = ua.order
		}
		if len(list) > 0 {
			defer ua.mu.Unlock()
			return list[0], nil
		}
		if ua.arrived == nil {
			ua.arrived = make(chan struct{})
		}
		arrived := ua.arrived
		ua.mu.Unlock()
		select {
		case <-arrived:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for call %q at %s: %w", callID, ua.opts.Name, ctx.Err())
		}
	}
}

// Violations returns every breach that the agent saw, those of its calls too.
func (ua *UA) Violations() []Violation {
	ua.mu.Lock()
	defer ua.mu.Unlock()
	all := append([]Violation(nil), ua.violations...)
	for _, c := range ua.order {
		all = append(all, c.rec.Violations...)
	}
	return all
}

// Forget drops the calls that are over, so that a long run needs no more and
// more memory.
func (ua *UA) Forget() { ua.ForgetEnded(time.Now()) }

// ForgetEnded drops the calls that were over at that time. Whatever comes for
// them later is for an unknown dialog.
func (ua *UA) ForgetEnded(before time.Time) {
	ua.mu.Lock()
	defer ua.mu.Unlock()
	kept := ua.order[:0]
	for _, c := range ua.order {
		over := c.rec.State == StateEnded || c.rec.State == StateFailed
		if !over || c.rec.Ended.After(before) {
			kept = append(kept, c)
			continue
		}
		delete(ua.calls, c.rec.CallID)
		delete(ua.clients, c.inviteKey)
	}
	clear(ua.order[len(kept):])
	ua.order = kept
	for _, c := range kept {
		ua.calls[c.rec.CallID] = nil
	}
	for _, c := range kept {
		ua.calls[c.rec.CallID] = append(ua.calls[c.rec.CallID], c)
	}
}

// keep puts a new call into the books. The caller holds mu.
func (ua *UA) keep(c *Call) {
	ua.calls[c.rec.CallID] = append(ua.calls[c.rec.CallID], c)
	ua.order = append(ua.order, c)
	if ua.arrived != nil {
		close(ua.arrived)
		ua.arrived = nil
	}
}

// after runs f under mu: at once when d is not positive, else later. The
// caller holds mu.
func (ua *UA) after(d time.Duration, f func()) *time.Timer {
	if d <= 0 {
		f()
		return nil
	}
	return time.AfterFunc(d, func() {
		ua.mu.Lock()
		defer ua.mu.Unlock()
		if !ua.closed {
			f()
		}
	})
}

// handle is the read loop's hand.
func (ua *UA) handle(s *socket, from flow, m *Message, at time.Time) {
	ua.mu.Lock()
	defer ua.mu.Unlock()
	switch {
	case ua.closed:
	case m.Method == "":
		ua.response(from, m, at)
	case m.Method == "ACK":
		ua.ack(from, m, at)
	case len(tags(m.Get("To"))) > 0:
		ua.inDialog(s, from, m, at)
	case m.Method == "INVITE":
		ua.invited(s, from, m, at)
	case m.Method == "CANCEL":
		ua.cancelled(from, m, at)
	case m.Method == "OPTIONS":
		ua.reply(from, m, 200, token(), nil)
	default:
		ua.violate(nil, ViolationUnknown, from, m, at, "outside of a dialog")
		ua.reply(from, m, 481, token(), nil)
	}
}

// violate notes a breach, with the call if there is one.
func (ua *UA) violate(c *Call, kind string, from flow, m *Message, at time.Time, detail string) {
	cseq, method := m.CSeq()
	if m.Method != "" {
		method = m.Method
	}
	v := Violation{Kind: kind, At: at, CallID: m.CallID(), Method: method, CSeq: cseq, From: from.String(), Detail: detail}
	if c == nil {
		ua.violations = append(ua.violations, v)
		return
	}
	v.Last = c.rec.RemoteCSeq
	c.rec.Violations = append(c.rec.Violations, v)
	c.changed()
}

// phrases are the reason phrases that agents use.
var phrases = map[int]string{
	100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 202: "Accepted",
	400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 407: "Proxy Authentication Required",
	408: "Request Timeout", 480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist",
	482: "Loop Detected", 486: "Busy Here", 487: "Request Terminated", 491: "Request Pending",
	500: "Server Internal Error", 503: "Service Unavailable", 603: "Decline",
}

// newReply builds a response (RFC 3261 section 8.2.6). toTag is added when the
// request has no To tag.
func newReply(req *Message, code int, toTag string) *Message {
	phrase := phrases[code]
	if phrase == "" {
		phrase = "Because"
	}
	m := &Message{Code: code, Phrase: phrase}
	for _, h := range req.headers {
		switch {
		case strings.EqualFold(h.name, "Via"), strings.EqualFold(h.name, "From"),
			strings.EqualFold(h.name, "Call-ID"), strings.EqualFold(h.name, "CSeq"):
			m.headers = append(m.headers, h)
		case strings.EqualFold(h.name, "To"):
			if toTag != "" && len(tags(h.value)) == 0 {
				h.value += ";tag=" + toTag
			}
			m.headers = append(m.headers, h)
		}
	}
	return m
}

// reply sends a response at once and returns its bytes, for retransmissions.
// Errors of sending are the network's: the peer asks again.
func (ua *UA) reply(from flow, req *Message, code int, toTag string, extra []string) []byte {
	m := newReply(req, code, toTag)
	m.addLines(extra)
	raw := m.Bytes()
	_ = from.send(raw)
	return raw
}

// addLines adds whole header lines.
func (m *Message) addLines(lines []string) {
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ":")
		m.add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
}
