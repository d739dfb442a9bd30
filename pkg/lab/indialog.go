package lab

import (
	"fmt"
	"slices"
	"time"
)

// inDialog handles a request with a To tag, strictly (RFC 3261 section 12.2.2):
// exactly our tags, our current target as Request-URI, no Route left, a CSeq
// above the last.
func (ua *UA) inDialog(s *socket, from flow, m *Message, at time.Time) {
	c := ua.dialogOf(m)
	if c == nil {
		ua.stranger(from, m, at)
		return
	}
	cseq, method := m.CSeq()
	for _, sv := range c.served {
		if sv.branch == m.branch() && sv.method == m.Method && sv.cseq == cseq {
			c.again(sv, from)
			return
		}
	}
	sv := &served{branch: m.branch(), method: m.Method, cseq: cseq, bye: -1}
	c.served = append(c.served, sv)
	if len(c.served) > maxServed {
		c.served = slices.Delete(c.served, 0, 1)
	}
	if m.Method == "BYE" {
		sv.bye = len(c.rec.Byes)
		c.rec.Byes = append(c.rec.Byes, Bye{
			At: at, Copies: 1, CSeq: cseq, Peer: from.String(), URI: m.URI,
			Reason: m.Get("Reason"), Raw: string(m.Bytes()),
		})
		defer c.changed()
	}
	if m.Method == "OPTIONS" {
		defer c.changed()
		defer func() {
			c.rec.Options = append(c.rec.Options, Options{At: at, CSeq: cseq, Code: sv.code})
		}()
	}
	if c.rec.State == StateEnded || c.rec.State == StateFailed {
		if sv.bye >= 0 {
			c.rec.Byes[sv.bye].Late = true
		}
		c.serve(sv, from, m, 481, nil)
		return
	}
	code, kind, detail := 0, "", ""
	switch {
	case method != m.Method || cseq == 0 && m.Method != "OPTIONS":
		code, kind, detail = 400, ViolationCSeq, "CSeq header is "+m.Get("CSeq")
	case !slices.Contains(c.accept, m.URI):
		code, kind, detail = 481, ViolationURI, fmt.Sprintf("Request-URI %s, own target %s", m.URI, c.rec.Contact)
	case m.Get("Route") != "":
		code, kind, detail = 481, ViolationRoute, "Route left: "+m.Get("Route")
	case m.Method == "OPTIONS" && cseq <= c.rec.RemoteCSeq:
		// Legal, and refused: it asks whether the call is there without moving it.
		c.asked(sv, from, m, 500)
		return
	case cseq <= c.rec.RemoteCSeq:
		code, kind, detail = 500, ViolationCSeq, fmt.Sprintf("CSeq %d, last %d", cseq, c.rec.RemoteCSeq)
	}
	if code != 0 {
		ua.violate(c, kind, from, m, at, detail)
		if sv.bye >= 0 {
			c.rec.Byes[sv.bye].Violated = detail
		}
		c.serve(sv, from, m, code, nil)
		return
	}
	c.rec.RemoteCSeq = cseq
	c.dispatch(sv, s, from, m)
}

// dialogOf finds the call whose Call-ID and tags are exactly the message's,
// one From and one To tag each.
func (ua *UA) dialogOf(m *Message) *Call {
	fromTag, toTag := onlyTag(m.Get("From")), onlyTag(m.Get("To"))
	if fromTag == "" || toTag == "" || len(m.All("From")) != 1 || len(m.All("To")) != 1 {
		return nil
	}
	for _, c := range ua.calls[m.CallID()] {
		if c.rec.LocalTag == toTag && c.rec.RemoteTag == fromTag {
			return c
		}
	}
	return nil
}

// stranger refuses a request whose dialog is none of ours.
func (ua *UA) stranger(from flow, m *Message, at time.Time) {
	kind, detail := ViolationUnknown, "no such call"
	var c *Call
	if list := ua.calls[m.CallID()]; len(list) > 0 {
		c = list[0]
		kind = ViolationTags
		detail = fmt.Sprintf("From %q, To %q; own tag %s, peer's %s", m.Get("From"), m.Get("To"), c.rec.LocalTag, c.rec.RemoteTag)
		if m.Method == "BYE" {
			cseq, _ := m.CSeq()
			c.rec.Byes = append(c.rec.Byes, Bye{
				At: at, Copies: 1, CSeq: cseq, Peer: from.String(), URI: m.URI, Reason: m.Get("Reason"),
				Code: 481, ReplyAt: at, Violated: detail, Raw: string(m.Bytes()),
			})
		}
	}
	ua.violate(c, kind, from, m, at, detail)
	ua.reply(from, m, 481, token(), nil)
}

// again handles a retransmission.
func (c *Call) again(sv *served, from flow) {
	if sv.bye >= 0 {
		b := &c.rec.Byes[sv.bye]
		b.Copies++
		c.changed()
		if sv.raw == nil && b.Copies == c.bye.IgnoreCopies+1 && c.bye.IgnoreCopies > 0 {
			if m, err := ParseMessage([]byte(b.Raw)); err == nil {
				c.byeLater(sv, from, m)
			}
			return
		}
	}
	if sv.raw != nil {
		_ = from.send(sv.raw)
	}
}

// serve gives the final reply to a transaction.
func (c *Call) serve(sv *served, from flow, m *Message, code int, extra []string) {
	now := time.Now()
	sv.code = code
	if sv.bye >= 0 {
		b := &c.rec.Byes[sv.bye]
		b.Code, b.ReplyAt = code, now
	}
	sv.raw = c.ua.reply(from, m, code, c.rec.LocalTag, extra)
}

// dispatch handles a request that is right.
func (c *Call) dispatch(sv *served, s *socket, from flow, m *Message) {
	if m.Method != "BYE" {
		c.rec.Requests = append(c.rec.Requests, m.Method)
		defer c.changed()
	}
	switch m.Method {
	case "BYE":
		if c.bye.IgnoreCopies == 0 {
			c.byeLater(sv, from, m)
		}
	case "INVITE", "UPDATE":
		c.refreshed(sv, s, from, m)
	case "OPTIONS":
		c.asked(sv, from, m, 200)
	default:
		c.serve(sv, from, m, 200, nil)
	}
}

// asked answers an OPTIONS, by the call's policy or with code.
func (c *Call) asked(sv *served, from flow, m *Message, code int) {
	if c.options.Never {
		return
	}
	if c.options.Code != 0 {
		code = c.options.Code
	}
	c.serve(sv, from, m, code, nil)
}

// byeLater answers a BYE by the call's policy.
func (c *Call) byeLater(sv *served, from flow, m *Message) {
	policy := c.bye
	if policy.Never {
		return
	}
	code := policy.Code
	if code == 0 {
		code = 200
	}
	c.ua.after(policy.After, func() {
		if c.rec.State == StateEnded {
			code = 481 // something else ended it meanwhile
		}
		c.serve(sv, from, m, code, nil)
		if code < 300 || code == 481 {
			c.end("remote", time.Now())
		}
		c.changed()
	})
}

// refreshed answers a target refresh (section 12.2.2 and RFC 3311), with a new
// Contact of ours if the call was told to move.
func (c *Call) refreshed(sv *served, s *socket, from flow, m *Message) {
	old := c.rec.Contact
	if c.moveNext {
		c.moveNext = false
		if moved, err := c.ua.openAnother(s); err == nil {
			c.sock = moved
			c.rec.Contact = c.ua.contactAt(moved)
		}
	}
	// Until the ACK is here, requests to the old target may be on their way.
	c.accept = []string{c.rec.Contact}
	if old != c.rec.Contact && m.Method == "INVITE" {
		c.accept = append(c.accept, old)
	}
	reply := newReply(m, 200, c.rec.LocalTag)
	for _, rr := range m.All("Record-Route") {
		reply.add("Record-Route", rr)
	}
	reply.add("Contact", "<"+c.rec.Contact+">")
	if len(m.Body) > 0 {
		reply.sdp(c.sock.addr.Addr())
	}
	if contact := m.Get("Contact"); contact != "" {
		c.rec.Target = uriOf(contact)
	}
	sv.raw = reply.Bytes()
	_ = from.send(sv.raw)
	if m.Method == "INVITE" {
		c.repeat(&sv.timer, time.Now(), t1, from, sv.raw, "re-INVITE")
	}
}

// ack handles an ACK: there is no answer to a wrong one, so it is only noted.
func (ua *UA) ack(from flow, m *Message, at time.Time) {
	cseq, _ := m.CSeq()
	for _, c := range ua.calls[m.CallID()] {
		if !c.rec.Caller && c.rec.State == StateFailed && c.inviteBranch == m.branch() {
			c.stopAnswer() // the hop-by-hop ACK of a refusal
			return
		}
	}
	c := ua.dialogOf(m)
	if c == nil {
		c := (*Call)(nil)
		if list := ua.calls[m.CallID()]; len(list) > 0 {
			c = list[0]
		}
		ua.violate(c, ViolationTags, from, m, at, fmt.Sprintf("ACK with From %q, To %q", m.Get("From"), m.Get("To")))
		return
	}
	if !slices.Contains(c.accept, m.URI) {
		ua.violate(c, ViolationURI, from, m, at, fmt.Sprintf("Request-URI %s, own target %s", m.URI, c.rec.Contact))
	}
	if m.Get("Route") != "" {
		ua.violate(c, ViolationRoute, from, m, at, "Route left: "+m.Get("Route"))
	}
	if !c.rec.Caller && cseq == c.inviteCSeq {
		c.stopAnswer()
		if c.rec.State == StateAnswered {
			c.rec.State = StateUp
		}
		if c.rec.Acked.IsZero() {
			c.rec.Acked = at
		}
		c.changed()
		return
	}
	for _, sv := range c.served {
		if sv.method == "INVITE" && sv.cseq == cseq {
			if sv.timer != nil {
				sv.timer.Stop()
				sv.timer = nil
			}
			if !sv.acked {
				sv.acked = true
				c.accept = []string{c.rec.Contact}
				c.changed()
			}
			return
		}
	}
	ua.violate(c, ViolationCSeq, from, m, at, fmt.Sprintf("ACK of CSeq %d, which was no INVITE", cseq))
}
