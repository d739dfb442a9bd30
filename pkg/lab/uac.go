package lab

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Call places a call and returns when the INVITE is on its way. ctx bounds
// that only; use WaitUp for the answer.
func (ua *UA) Call(ctx context.Context, opts CallOptions) (*Call, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if opts.To == "" {
		return nil, ErrNoTarget
	}
	if opts.ToURI == "" {
		opts.ToURI = opts.To
	}
	if opts.CallID == "" {
		opts.CallID = token() + token()
	}
	if opts.FromTag == "" {
		opts.FromTag = token()
	}
	if opts.FromURI == "" {
		opts.FromURI = "sip:" + ua.opts.Name + "@" + hostPort(ua.main.addr)
	}
	if opts.Contact == "" {
		opts.Contact = ua.contactAt(ua.main)
	}
	if opts.CSeq == 0 {
		opts.CSeq = 1
	}
	to, err := ua.main.to(ua.proxy)
	if err != nil {
		return nil, fmt.Errorf("place call: %w", err)
	}
	ua.mu.Lock()
	defer ua.mu.Unlock()
	c := &Call{
		ua: ua, sock: ua.main, bye: ua.opts.Bye, accept: []string{opts.Contact},
		localAddr: display(opts.DisplayName) + "<" + opts.FromURI + ">", remoteAddr: "<" + opts.ToURI + ">",
		inviteCSeq: opts.CSeq, noAck: opts.NoAck, ackAfter: opts.AckAfter,
		rec: Record{
			CallID: opts.CallID, LocalTag: opts.FromTag, Caller: true, State: StateCalling,
			Contact: opts.Contact, LocalCSeq: opts.CSeq, Target: opts.To,
		},
	}
	if opts.Bye != nil {
		c.bye = *opts.Bye
	}
	m := c.newRequest("INVITE", opts.CSeq, opts.To, nil)
	m.add("Contact", "<"+opts.Contact+">")
	m.addLines(opts.Headers)
	m.sdp(c.sock.addr.Addr())
	c.invite, c.inviteKey = m, txKey(m.branch(), "INVITE")
	c.rec.Invited = time.Now()
	ua.keep(c)
	if _, err := ua.request(m, to, false, c.inviteReply); err != nil {
		c.rec.State = StateFailed
		return nil, fmt.Errorf("place call: %w", err)
	}
	return c, nil
}

// display quotes a display name (RFC 3261 section 25.1, quoted-string).
func display(name string) string {
	if name == "" {
		return ""
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `" `
}

// newRequest builds a request of this end. The To tag is written when it is
// known.
func (c *Call) newRequest(method string, cseq uint32, uri string, routes []string) *Message {
	m := &Message{Method: method, URI: uri, headers: make([]header, 0, 16)}
	m.add("Via", c.via(c.sock, token()))
	m.add("Max-Forwards", "70")
	for _, r := range routes {
		m.add("Route", r)
	}
	m.add("From", c.localAddr+";tag="+c.rec.LocalTag)
	to := c.remoteAddr
	if c.rec.RemoteTag != "" {
		to += ";tag=" + c.rec.RemoteTag
	}
	m.add("To", to)
	m.add("Call-ID", c.rec.CallID)
	m.add("CSeq", fmt.Sprintf("%d %s", cseq, method))
	return m
}

func (c *Call) via(s *socket, branch string) string {
	return fmt.Sprintf("SIP/2.0/%s %s;rport;branch=z9hG4bK%s", s.transport(), hostPort(s.addr), branch)
}

// inviteReply handles responses to the first INVITE; nil is a time-out.
func (c *Call) inviteReply(from flow, m *Message, at time.Time) {
	ua := c.ua
	if m == nil {
		c.fail(408, at)
		return
	}
	toTag := onlyTag(m.Get("To"))
	if m.Code > 100 && (onlyTag(m.Get("From")) != c.rec.LocalTag || (m.Code < 300 && toTag == "")) {
		ua.violate(c, ViolationReply, from, m, at, fmt.Sprintf("%d with From %q, To %q", m.Code, m.Get("From"), m.Get("To")))
		return
	}
	switch {
	case m.Code < 180:
	case m.Code < 200:
		if c.rec.State == StateCalling {
			c.rec.State, c.rec.Ringing = StateRinging, at
			c.changed()
		}
	case m.Code < 300:
		c.accepted(m, toTag, at)
	default:
		ack := c.newRequest("ACK", c.inviteCSeq, c.invite.URI, nil)
		ack.headers[0].value = c.invite.topVia() // the same transaction (section 17.1.1.3)
		for i := range ack.headers {
			if ack.headers[i].name == "To" {
				ack.headers[i].value = m.Get("To")
			}
		}
		_ = from.send(ack.Bytes())
		c.fail(m.Code, at)
	}
}

func (c *Call) fail(code int, at time.Time) {
	if c.rec.State == StateCalling || c.rec.State == StateRinging {
		c.rec.State, c.rec.Code, c.rec.Ended = StateFailed, code, at
		c.changed()
	}
}

// accepted handles a 2xx: the first of a To tag makes a dialog, and each one
// is acknowledged (RFC 3261 section 13.2.2.4).
func (c *Call) accepted(m *Message, toTag string, at time.Time) {
	d := c
	if c.rec.RemoteTag != "" && c.rec.RemoteTag != toTag {
		d = nil
		for _, f := range c.forks {
			if f.rec.RemoteTag == toTag {
				d = f
			}
		}
		if d == nil {
			d = &Call{
				ua: c.ua, sock: c.sock, bye: c.bye, accept: c.accept, localAddr: c.localAddr, remoteAddr: c.remoteAddr,
				inviteCSeq: c.inviteCSeq, invite: c.invite, noAck: c.noAck, ackAfter: c.ackAfter,
				rec: Record{CallID: c.rec.CallID, LocalTag: c.rec.LocalTag, Caller: true, State: StateCalling,
					Contact: c.rec.Contact, LocalCSeq: c.inviteCSeq, Invited: c.rec.Invited},
			}
			c.forks = append(c.forks, d)
			c.ua.keep(d)
			c.changed()
		}
	}
	if d.rec.RemoteTag != "" { // a retransmission
		if d.ackRaw != nil {
			_ = d.ackFlow.send(d.ackRaw)
		}
		return
	}
	d.rec.RemoteTag, d.rec.Code, d.rec.Answered, d.rec.State = toTag, m.Code, at, StateAnswered
	d.rec.Target = uriOf(m.Get("Contact"))
	// The caller's route set is Record-Route backwards (section 12.1.2).
	rr := m.List("Record-Route")
	for i := len(rr) - 1; i >= 0; i-- {
		d.rec.RouteSet = append(d.rec.RouteSet, rr[i])
	}
	d.changed()
	if !d.noAck {
		d.ua.after(d.ackAfter, d.acknowledge)
	}
}

// acknowledge sends the ACK for the first 2xx.
func (c *Call) acknowledge() {
	raw, to, err := c.ackFor(c.inviteCSeq)
	if err != nil {
		c.rec.Violations = append(c.rec.Violations, Violation{Kind: ViolationReply, At: time.Now(), CallID: c.rec.CallID, Method: "ACK", Detail: err.Error()})
		return
	}
	c.ackRaw, c.ackFlow = raw, to
	_ = to.send(raw)
	c.rec.Acked = time.Now()
	if c.rec.State == StateAnswered {
		c.rec.State = StateUp
	}
	c.changed()
}

func (c *Call) ackFor(cseq uint32) ([]byte, flow, error) {
	m, to, err := c.inDialogRequest("ACK", cseq)
	if err != nil {
		return nil, flow{}, err
	}
	return m.Bytes(), to, nil
}

// Cancel takes an unanswered call back (RFC 3261 section 9.1).
func (c *Call) Cancel() error {
	c.ua.mu.Lock()
	defer c.ua.mu.Unlock()
	to, err := c.ua.main.to(c.ua.proxy)
	if err != nil {
		return fmt.Errorf("cancel call: %w", err)
	}
	m := c.newRequest("CANCEL", c.inviteCSeq, c.invite.URI, nil)
	m.headers[0].value = c.invite.topVia()
	_, err = c.ua.request(m, to, false, func(flow, *Message, time.Time) {})
	return err
}
