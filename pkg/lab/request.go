package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// ErrNoDialog says that a call was not answered yet.
var ErrNoDialog = errors.New("call has no dialog yet")

// RequestOptions change an in-dialog request. The zero value is a right one.
type RequestOptions struct {
	// CSeq instead of the next one; the call's own count then stays.
	CSeq uint32
	// Headers are whole header lines to add.
	Headers []string
	// Once sends a single copy and cares for no answer: Reply is empty.
	Once bool
	// Move gives a new Contact, on a new socket of the agent: for INVITE and
	// UPDATE. It holds from the 2xx on.
	Move bool
	// Tags and URI, where not "", replace what is right: for tests of the
	// peer's strictness.
	FromTag, ToTag, URI string
}

// Bye ends the call at this end and waits for the final reply, 408 if none
// comes within 32 s.
func (c *Call) Bye(ctx context.Context, opts RequestOptions) (Reply, error) {
	return c.Request(ctx, "BYE", opts)
}

// Reinvite sends a re-INVITE and waits for its final reply, which it
// acknowledges.
func (c *Call) Reinvite(ctx context.Context, opts RequestOptions) (Reply, error) {
	return c.Request(ctx, "INVITE", opts)
}

// MoveOnNext makes this end answer the next re-INVITE or UPDATE with a new
// Contact, on a new socket.
func (c *Call) MoveOnNext() {
	c.ua.mu.Lock()
	defer c.ua.mu.Unlock()
	c.moveNext = true
}

// Request sends an in-dialog request and waits for its final reply. When ctx
// ends first the request goes on by itself.
func (c *Call) Request(ctx context.Context, method string, opts RequestOptions) (Reply, error) {
	replies, err := c.Send(method, opts)
	if err != nil || opts.Once {
		return Reply{}, err
	}
	select {
	case r := <-replies:
		return r, nil
	case <-ctx.Done():
		return Reply{}, fmt.Errorf("wait for reply to %s: %w", method, ctx.Err())
	}
}

// Send is Request without the waiting: the channel gets the one final reply,
// and need not be read.
func (c *Call) Send(method string, opts RequestOptions) (<-chan Reply, error) {
	c.ua.mu.Lock()
	defer c.ua.mu.Unlock()
	cseq := opts.CSeq
	if cseq == 0 {
		cseq = c.rec.LocalCSeq + 1
	}
	m, to, err := c.inDialogRequest(method, cseq)
	if err != nil {
		return nil, fmt.Errorf("send %s: %w", method, err)
	}
	opts.spoil(m)
	m.addLines(opts.Headers)
	moved, err := c.offer(m, opts)
	if err != nil {
		return nil, fmt.Errorf("send %s: %w", method, err)
	}
	if opts.CSeq == 0 {
		c.rec.LocalCSeq = cseq
	}
	out := make(chan Reply, 1)
	bye := -1
	if method == "BYE" {
		bye = len(c.rec.Byes)
		c.rec.Byes = append(c.rec.Byes, Bye{Sent: true, At: time.Now(), Copies: 1, CSeq: cseq, Peer: to.String(), URI: m.URI, Raw: string(m.Bytes())})
	}
	_, err = c.ua.request(m, to, opts.Once, func(from flow, r *Message, at time.Time) {
		if r != nil && r.Code < 200 {
			return
		}
		reply := Reply{Code: 408, Phrase: phrases[408], Local: true, At: at}
		if r != nil {
			reply = Reply{Code: r.Code, Phrase: r.Phrase, At: at, Message: r}
		}
		if bye >= 0 {
			c.rec.Byes[bye].Code, c.rec.Byes[bye].ReplyAt = reply.Code, at
		}
		if r != nil && method == "INVITE" {
			c.finishReinvite(m, r, from, cseq, moved)
		} else if r != nil && method == "UPDATE" && r.Code < 300 {
			c.finishMove(r, moved)
		}
		select {
		case out <- reply:
		default: // a 2xx that came again
		}
		c.changed()
	})
	if err != nil {
		return nil, fmt.Errorf("send %s: %w", method, err)
	}
	if method == "BYE" {
		c.end("local", time.Now()) // RFC 3261 section 15.1.1
	}
	return out, nil
}

// inDialogRequest builds a request with target and route set (section
// 12.2.1.1) and says where it goes first.
func (c *Call) inDialogRequest(method string, cseq uint32) (*Message, flow, error) {
	if c.rec.RemoteTag == "" || c.rec.Target == "" {
		return nil, flow{}, ErrNoDialog
	}
	uri, routes := c.rec.Target, c.rec.RouteSet
	first := uri
	if len(routes) > 0 {
		if first = uriOf(routes[0]); !isLoose(first) {
			uri = first
			routes = append(slices.Clone(routes[1:]), "<"+c.rec.Target+">")
		}
	}
	h, err := hopOf(first)
	if err != nil {
		return nil, flow{}, err
	}
	to, err := c.sock.to(h.addr)
	if err != nil {
		return nil, flow{}, err
	}
	return c.newRequest(method, cseq, uri, routes), to, nil
}

// spoil puts wrong things in.
func (o RequestOptions) spoil(m *Message) {
	if o.URI != "" {
		m.URI = o.URI
	}
	for i := range m.headers {
		h := &m.headers[i]
		if h.name == "From" && o.FromTag != "" {
			h.value = stripTag(h.value) + ";tag=" + o.FromTag
		}
		if h.name == "To" && o.ToTag != "" {
			h.value = stripTag(h.value) + ";tag=" + o.ToTag
		}
	}
}

// offer adds Contact and body to a target refresh, and opens the new socket.
func (c *Call) offer(m *Message, opts RequestOptions) (*socket, error) {
	if m.Method != "INVITE" && m.Method != "UPDATE" {
		return nil, nil
	}
	moved := c.sock
	if opts.Move {
		var err error
		if moved, err = c.ua.openAnother(c.sock); err != nil {
			return nil, err
		}
		m.headers[0].value = c.via(moved, token())
		// From now on both are right: the peer may use the new one before
		// its 2xx is here.
		c.accept = []string{c.rec.Contact, c.ua.contactAt(moved)}
		m.add("Contact", "<"+c.ua.contactAt(moved)+">")
	} else {
		m.add("Contact", "<"+c.rec.Contact+">")
	}
	m.sdp(moved.addr.Addr())
	return moved, nil
}

// openAnother opens one more socket of the agent, beside s.
func (ua *UA) openAnother(s *socket) (*socket, error) {
	n, err := openSocket(ua.opts.Transport, netip.AddrPortFrom(s.addr.Addr(), 0).String(), ua.opts.Network, ua.handle)
	if err != nil {
		return nil, err
	}
	ua.socks = append(ua.socks, n)
	return n, nil
}

// finishReinvite acknowledges a final response to a re-INVITE.
func (c *Call) finishReinvite(req, r *Message, from flow, cseq uint32, moved *socket) {
	if r.Code >= 300 {
		ack := c.newRequest("ACK", cseq, req.URI, req.All("Route"))
		ack.headers[0].value = req.topVia()
		_ = from.send(ack.Bytes())
		c.accept = []string{c.rec.Contact}
		return
	}
	c.finishMove(r, moved)
	if raw, to, err := c.ackFor(cseq); err == nil {
		_ = to.send(raw)
	}
}

// finishMove takes over both ends' new targets (section 12.2.1.2).
func (c *Call) finishMove(r *Message, moved *socket) {
	if contact := r.Get("Contact"); contact != "" {
		c.rec.Target = uriOf(contact)
	}
	if moved != c.sock {
		c.sock = moved
		c.rec.Contact = c.ua.contactAt(moved)
	}
	c.accept = []string{c.rec.Contact}
}

// Forge sends a BYE with this end's right tags, target, routes and next CSeq
// to the proxy, but from a socket that is not this end's, as somebody who
// listened in could. This end knows nothing of it. The reply is empty when
// none came before ctx ended.
func (c *Call) Forge(ctx context.Context, opts RequestOptions) (Reply, error) {
	c.ua.mu.Lock()
	cseq := opts.CSeq
	if cseq == 0 {
		cseq = c.rec.LocalCSeq + 1
	}
	m, to, err := c.inDialogRequest("BYE", cseq)
	c.ua.mu.Unlock()
	if err != nil {
		return Reply{}, fmt.Errorf("forge BYE: %w", err)
	}
	opts.spoil(m)
	m.addLines(opts.Headers)
	replies := make(chan Reply, 1)
	s, err := openSocket("udp", net.JoinHostPort(c.sock.addr.Addr().String(), "0"), nil, func(_ *socket, _ flow, r *Message, at time.Time) {
		if r.Code >= 200 {
			select {
			case replies <- Reply{Code: r.Code, Phrase: r.Phrase, At: at, Message: r}:
			default:
			}
		}
	})
	if err != nil {
		return Reply{}, fmt.Errorf("forge BYE: %w", err)
	}
	defer s.close()
	m.headers[0].value = c.via(s, token())
	if err := (flow{sock: s, addr: to.addr}).send(m.Bytes()); err != nil {
		return Reply{}, fmt.Errorf("forge BYE: %w", err)
	}
	if opts.Once {
		return Reply{}, nil
	}
	select {
	case r := <-replies:
		return r, nil
	case <-ctx.Done():
		return Reply{}, nil
	}
}
