package lab

import (
	"fmt"
	"net/netip"
	"time"
)

// sdp gives a message a small offer or answer without media.
func (m *Message) sdp(ip netip.Addr) {
	family := "IP4"
	if ip.Is6() {
		family = "IP6"
	}
	m.add("Content-Type", "application/sdp")
	m.Body = fmt.Appendf(nil, "v=0\r\no=- 1 1 IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\nm=audio 9 RTP/AVP 0 8\r\na=inactive\r\n",
		family, ip, family, ip)
}

// invited handles an INVITE outside of a dialog.
func (ua *UA) invited(s *socket, from flow, m *Message, at time.Time) {
	fromTags, cseq := tags(m.Get("From")), uint32(0)
	if n, method := m.CSeq(); method == "INVITE" {
		cseq = n
	}
	if len(fromTags) != 1 || cseq == 0 || m.Get("Contact") == "" {
		ua.violate(nil, ViolationTags, from, m, at, "INVITE without exactly one From tag, a CSeq and a Contact: "+m.Get("From"))
		ua.reply(from, m, 400, token(), nil)
		return
	}
	for _, c := range ua.calls[m.CallID()] {
		if c.rec.Caller || c.rec.RemoteTag != fromTags[0] || c.inviteCSeq != cseq {
			continue
		}
		if c.inviteBranch == m.branch() {
			if c.answerRaw != nil {
				_ = from.send(c.answerRaw)
			}
			return
		}
		// RFC 3261 section 8.2.2.2: the same request by another way.
		ua.violate(c, ViolationMerged, from, m, at, "the INVITE came by two ways")
		ua.reply(from, m, 482, token(), nil)
		return
	}
	if routes := m.List("Route"); len(routes) > 0 {
		ua.violate(nil, ViolationRoute, from, m, at, "INVITE with Route left: "+routes[0])
		ua.reply(from, m, 400, token(), nil)
		return
	}
	answer := ua.opts.Answer
	if ua.opts.OnInvite != nil {
		answer = ua.opts.OnInvite(m)
	}
	if answer.ToTag == "" {
		answer.ToTag = token()
	}
	c := &Call{
		ua: ua, sock: s, bye: ua.opts.Bye, accept: []string{ua.contactAt(s)},
		localAddr: stripTag(m.Get("To")), remoteAddr: stripTag(m.Get("From")),
		inviteBranch: m.branch(), inviteCSeq: cseq, inviteFlow: from, invite: m, toHeaders: answer.Headers,
		rec: Record{
			CallID: m.CallID(), LocalTag: answer.ToTag, RemoteTag: fromTags[0], State: StateCalling,
			Contact: ua.contactAt(s), Target: uriOf(m.Get("Contact")), RouteSet: m.List("Record-Route"),
			RemoteCSeq: cseq, Invited: at,
		},
	}
	ua.keep(c)
	final := func() {
		if !answer.Never {
			ua.after(answer.After, func() { c.answer(answer.Code) })
		}
	}
	if answer.RingAfter < 0 {
		final()
		return
	}
	ua.after(answer.RingAfter, func() { c.ring(); final() })
}

// stripTag returns a From or To value without its parameters.
func stripTag(value string) string {
	end := len(value)
	scan(value, func(i int, b byte) bool {
		if b == ';' {
			end = i
		}
		return b != ';'
	})
	return value[:end]
}

// inviteResponse is a response that may make a dialog (section 12.1.1).
func (c *Call) inviteResponse(req *Message, code int) *Message {
	m := newReply(req, code, c.rec.LocalTag)
	if code < 300 {
		for _, rr := range req.All("Record-Route") {
			m.add("Record-Route", rr)
		}
		m.add("Contact", "<"+c.rec.Contact+">")
	}
	m.addLines(c.toHeaders)
	if code >= 200 && code < 300 {
		m.sdp(c.sock.addr.Addr())
	}
	return m
}

func (c *Call) ring() {
	if c.rec.State != StateCalling {
		return
	}
	c.answerRaw = c.inviteResponse(c.invite, 180).Bytes()
	_ = c.inviteFlow.send(c.answerRaw)
	c.rec.State, c.rec.Ringing = StateRinging, time.Now()
	c.changed()
}

// Answer gives the final response (0 = 200) to a call whose policy was Never.
func (c *Call) Answer(code int) {
	c.ua.mu.Lock()
	defer c.ua.mu.Unlock()
	c.answer(code)
}

// answer gives the final response and repeats it until its ACK comes: a 2xx
// by any transport (section 13.3.1.4), others by UDP (timer G).
func (c *Call) answer(code int) {
	if c.rec.Caller || (c.rec.State != StateCalling && c.rec.State != StateRinging) {
		return
	}
	if code == 0 {
		code = 200
	}
	now := time.Now()
	c.rec.Code = code
	c.answerRaw = c.inviteResponse(c.invite, code).Bytes()
	_ = c.inviteFlow.send(c.answerRaw)
	if code < 300 {
		c.rec.State, c.rec.Answered = StateAnswered, now
	} else {
		c.rec.State, c.rec.Ended = StateFailed, now
	}
	c.changed()
	if code < 300 || c.inviteFlow.conn == nil {
		c.repeat(&c.answerTimer, now, t1, c.inviteFlow, c.answerRaw, "INVITE")
	}
}

// repeat sends raw again at T1, 2 T1 ... T2 for 64 T1, until its timer is
// stopped.
func (c *Call) repeat(timer **time.Timer, began time.Time, wait time.Duration, to flow, raw []byte, what string) {
	*timer = c.ua.after(wait, func() {
		if *timer == nil {
			return // stopped while this was waiting its turn
		}
		if time.Since(began) >= 64*t1 {
			*timer = nil
			c.rec.Violations = append(c.rec.Violations, Violation{Kind: ViolationNoAck, At: time.Now(), CallID: c.rec.CallID, Method: what, From: to.String(), Detail: "no ACK in 32 s"})
			c.changed()
			return
		}
		_ = to.send(raw)
		c.repeat(timer, began, min(2*wait, t2), to, raw, what)
	})
}

// cancelled handles a CANCEL (section 9.2).
func (ua *UA) cancelled(from flow, m *Message, at time.Time) {
	for _, c := range ua.calls[m.CallID()] {
		if !c.rec.Caller && c.inviteBranch == m.branch() {
			ua.reply(from, m, 200, c.rec.LocalTag, nil)
			c.answer(487)
			return
		}
	}
	ua.violate(nil, ViolationUnknown, from, m, at, "CANCEL for nothing")
	ua.reply(from, m, 481, token(), nil)
}
