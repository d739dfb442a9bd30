package call

import (
	"net/netip"
	"strings"
)

// learnBye merges one event about a BYE. All events about one BYE carry its
// sender's tag as From tag and its CSeq: that is what they are joined by.
func (c *Call) learnBye(ev *Event) {
	if ev.CallerTag != "" {
		c.orient(ev)
	}
	from := c.sender(ev)
	if from == SideNone || ev.CSeq > maxCSeq || ev.Kind == KindByeReply && ev.Code < 200 {
		return
	}
	to := c.Leg(from.Other())
	b := to.bye(ev.CSeq)
	if b == nil {
		return
	}
	before := *b
	switch ev.Kind {
	case KindByeIn:
		c.cameIn(b, from, ev)
		fill(&b.Target, ev.RURI)
		if c.Cause == "" && ev.Reason != "" {
			c.Cause = ev.Reason
		}
	case KindByeOut:
		b.OutAt, b.OutSeen = earliest(b.OutAt, ev.At), earliest(b.OutSeen, ev.Seen)
		if ev.CommandID != "" {
			b.Ours = true
			// It may be another byeguard's, for which this one stands by: names of
			// commands are not given out twice.
			to.Built = max(to.Built, c.attemptOf(ev.CommandID, from.Other()))
			to.Attempt = max(to.Attempt, to.Built)
		}
		b.Target = ev.RURI
		if !ev.Dialog.IsZero() {
			b.Dialog = ProxyDialog{Node: ev.Node, Boot: ev.Boot, Dialog: ev.Dialog}
		}
		c.learnSide(Caller, &ev.Caller, ev, "")
		c.learnSide(Callee, &ev.Callee, ev, "")
	case KindByeFwd:
		c.cameIn(b, from, ev) // the same message; its bye_in may have been lost
		b.FwdSeen = earliest(b.FwdSeen, ev.Seen)
	case KindByeRefused:
		// The local 408 says less than a refusal: it never hides one.
		if b.Refused == 0 || b.Refused == 408 {
			b.Refused, b.RefusedSeen = ev.Code, ev.Seen
		}
	case KindByeReply:
		b.reply(ev)
		b.Vouched = b.Vouched || to.known(ev.Source)
	}
	c.moveCSeq(from, ev.CSeq)
	if *b != before {
		c.changed = true
	}
}

// cameIn notes that a BYE came in, and whether its sender may be believed to be
// that side: it comes from where that side is known to be, and its CSeq is above
// those of that side's other requests (RFC 3261 12.2.2).
func (c *Call) cameIn(b *Bye, from Side, ev *Event) {
	l := c.Leg(from)
	if b.InSeen == 0 {
		b.Old = ev.CSeq <= l.OwnCSeq
	}
	b.KnownPath = b.KnownPath || !b.Old && l.known(ev.Source)
	b.InAt, b.InSeen = earliest(b.InAt, ev.At), earliest(b.InSeen, ev.Seen)
	b.OwnSocket = b.OwnSocket || c.ownSocket(from, ev.Source)
	if b.KnownPath {
		l.OwnCSeq = max(l.OwnCSeq, ev.CSeq)
	}
}

// reply merges a final reply. Of several (a retransmission, a spiral's second
// pass) a 2xx wins, else the first counts.
func (b *Bye) reply(ev *Event) {
	if b.Code == 0 || b.Code == 408 || ev.Code < 300 && b.Code >= 300 {
		b.Code, b.ReplyAt, b.ReplySeen = ev.Code, ev.At, ev.Seen
		return
	}
	if b.Code == ev.Code {
		b.ReplyAt, b.ReplySeen = earliest(b.ReplyAt, ev.At), earliest(b.ReplySeen, ev.Seen)
	}
}

// learnResult takes the outcome of a command of byeguard. Code 0 means that it
// could not be sent. With CodeOpen the BYE may be on its way, and the proxy
// repeat it for half a minute: its reply is waited for among the events, and
// nothing else is sent to the leg before it would count as unanswered.
func (c *Call) learnResult(ev *Event) {
	if ev.Leg == SideNone {
		return
	}
	l := c.Leg(ev.Leg)
	l.InFlight, l.Deferred, c.changed = 0, ReasonNone, true
	b := l.bye(ev.CSeq)
	if b == nil {
		return
	}
	if b.OutSeen == 0 { // its bye_out was not relayed, or is yet to come
		b.OutAt, b.OutSeen = ev.At, ev.Seen
	}
	b.Ours = true
	if ev.Code == CodeOpen {
		return
	}
	r := *ev
	if r.Code < 200 {
		r.Code = 408
	}
	b.reply(&r)
}

// learnEnd merges dialog:end, dialog:failed and Kamailio's "BYE not sent".
func (c *Call) learnEnd(ev *Event) {
	before := [...]int64{c.EndedSeen, c.GoneSeen, c.LostSeen, c.EndAt}
	switch ev.Kind {
	case KindLost:
		c.LostSeen = earliest(c.LostSeen, ev.Seen)
	case KindFail:
		c.orient(ev)
		if c.State == StateNew && !c.Known {
			c.State, c.Code, c.Cause = StateFailed, int32(ev.Code), ev.Reason
			c.EndAt, c.DoneSeen, c.changed = ev.At, ev.Seen, true
			c.learnSide(Caller, &ev.Caller, ev, ev.Source)
			c.learnSide(Callee, &ev.Callee, ev, "")
			if c.SetupAt == 0 {
				c.SetupAt = ev.Setup
			}
		}
	case KindEnd:
		c.orient(ev)
		c.learnSide(Caller, &ev.Caller, ev, "")
		c.learnSide(Callee, &ev.Callee, ev, "")
		// Kamailio runs dialog:end in state 3 or 4 when its own dlg_bye ended the
		// call, and in state 5 when the dialog was already deleted: by an end
		// point's BYE, or by a time-out that left both legs alive (dlg_handlers.c).
		if ev.State == DialogConfirmedNA || ev.State == DialogConfirmed {
			c.EndedSeen = earliest(c.EndedSeen, ev.Seen)
			c.EndedAt = earliest(c.EndedAt, ev.At)
		} else {
			c.GoneSeen = earliest(c.GoneSeen, ev.Seen)
		}
	}
	if before != [...]int64{c.EndedSeen, c.GoneSeen, c.LostSeen, c.EndAt} {
		c.changed = true
	}
}

// learnAsked takes the proxy's answer to "do you still hold this dialog?". A
// dialog that was held after the grace time and is gone later may have timed
// out with both legs alive: then "gone" counts only where a leg is known to
// have ended.
func (c *Call) learnAsked(ev *Event) {
	a := &c.Asks
	if !a.Pending { // nobody asked, or it was asked before a restart
		return
	}
	a.Pending, a.Last, c.changed = false, ev.Seen, true
	a.Count++
	switch ev.Held {
	case HeldYes:
		if !a.Held {
			a.Held, a.Since = true, ev.Seen
		}
	case HeldNo:
		if !a.Held || c.Leg(Caller).Closed() || c.Leg(Callee).Closed() {
			a.Gone = true
		} else {
			c.GoneSeen = earliest(c.GoneSeen, ev.Seen)
		}
	case HeldUnknown: // ask again
	}
}

// known says whether a message from source came on a path that this leg is
// known to use. Ports are not compared: TCP and NAT change them.
func (l *Leg) known(source string) bool {
	if source == "" || l.Source == source || l.Source == "" && l.Contact == "" {
		return source != "" // with nothing to compare with, anywhere will do
	}
	ip := host(source)
	return host(l.Source) == ip || names(l.Contact, ip) || names(l.RouteSet, ip)
}

// ownSocket says whether source is the very socket of that side. In a spiral
// the proxy itself may have been taken for the side: it is not meant.
func (c *Call) ownSocket(s Side, source string) bool {
	l := c.Leg(s)
	return source != "" && source == l.Source &&
		!strings.HasSuffix(l.Socket, source) && !strings.HasSuffix(c.Leg(s.Other()).Socket, source)
}

// host returns the address of "ip:port" as it stands in URIs. Kamailio writes
// IPv4 in one way only; IPv6 ("[0:0:0:0:0:0:0:1]:5060") is brought into the
// usual form.
func host(addr string) string {
	if !strings.HasPrefix(addr, "[") {
		ip, _, _ := strings.Cut(addr, ":")
		return ip
	}
	if ap, err := netip.ParseAddrPort(addr); err == nil {
		return ap.Addr().Unmap().String()
	}
	return addr
}

// names says whether ip stands in a URI or route set as a whole host.
func names(uris, ip string) bool {
	const inHost = "0123456789abcdefABCDEF.:"
	for i := strings.Index(uris, ip); i >= 0; {
		before := i == 0 || strings.IndexByte(inHost, uris[i-1]) < 0 || uris[i-1] == ':' // "sip:192.0.2.1"
		end := i + len(ip)
		after := end == len(uris) || strings.IndexByte(inHost, uris[end]) < 0 || uris[end] == ':'
		if before && after {
			return true
		}
		next := strings.Index(uris[i+1:], ip)
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return false
}
