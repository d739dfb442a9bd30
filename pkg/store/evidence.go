package store

import "github.com/byeguard/byeguard/pkg/call"

// copyEvents is the statement that takes the lines made here.
const copyEvents = `copy byeguard.events (call_key, at, lag_us, ord, node, boot, seq, kind, src, dst, method, cseq, code, reason, detail) from stdin`

// Parties of a row of evidence.
const (
	partyProxy    = "proxy"
	partyByeguard = "byeguard"
)

// Kinds of evidence that are byeguard's own doing; the others are call.Kind.
const (
	kindAsk      = "ask"
	kindCommand  = "command"
	kindProbe    = "probe"
	kindIncident = "incident"
)

// evidence appends the rows of one update and returns their number; ord is the
// number of the first.
func (l *line) evidence(u *call.Update, ord int64) int {
	e, c, n := &u.Event, &u.Call, 0
	at, seen := e.At, e.Seen
	if at == 0 {
		at = seen
	}
	if seen == 0 {
		seen = at
	}
	at, seen = clampMicros(at), clampMicros(seen)
	if e.Kind != call.KindTick && e.Kind != call.KindUnknown {
		l.key(c.Key)
		l.time(at)
		l.int(seen - at)
		l.int(ord)
		l.event(e, c)
		n++
	}
	for i := range u.Effects {
		l.key(c.Key)
		l.time(at)
		l.int(seen - at)
		l.int(ord + int64(n))
		l.effect(&u.Effects[i], c)
		n++
	}
	return n
}

func (l *line) event(e *call.Event, c *call.Call) {
	l.text(e.Node)
	l.intOrNull(e.Boot)
	l.intOrNull(int64(e.Seq))
	l.text(e.Kind.String())
	src, dst := route(e, c)
	l.textOrNull(src)
	l.textOrNull(dst)
	l.textOrNull(e.Method)
	l.intOrNull(int64(e.CSeq))
	l.intOrNull(int64(clamp32(e.Code)))
	l.null()
	o := l.object()
	o.text("phrase", e.Reason)
	o.dialog(e.Dialog)
	o.text("source", e.Source)
	o.text("peer_source", e.PeerSource)
	o.text("socket", e.Socket)
	o.text("ruri", e.RURI)
	o.text("next_hop", e.NextHop)
	o.text("contact", e.Contact)
	o.text("record_route", e.RecordRoute)
	o.text("command", e.CommandID)
	o.int("state", int64(e.State))
	o.int("setup_us", e.Setup)
	o.int("answer_us", e.Answer)
	if e.Kind == call.KindAsked {
		o.text("held", e.Held.String())
	}
	o.text("leg", e.Leg.String())
	// The tags are the call's, unless they are not.
	a, b := c.Leg(call.Caller).Tag, c.Leg(call.Callee).Tag
	if e.FromTag != a && e.FromTag != b {
		o.text("from_tag", e.FromTag)
	}
	if e.ToTag != a && e.ToTag != b {
		o.text("to_tag", e.ToTag)
	}
	o.endpoint("caller", &e.Caller)
	o.endpoint("callee", &e.Callee)
	o.close()
	l.end()
}

// route says between whom the message of an event went. An event of the proxy
// alone has no destination.
func route(e *call.Event, c *call.Call) (src, dst string) {
	var from call.Side // who sent the request
	switch e.FromTag {
	case "":
	case c.Leg(call.Caller).Tag:
		from = call.Caller
	case c.Leg(call.Callee).Tag:
		from = call.Callee
	}
	to := from.Other()
	switch e.Kind {
	case call.KindStart, call.KindAnswer:
		return call.Callee.String(), call.Caller.String()
	case call.KindConfirm:
		return call.Caller.String(), call.Callee.String()
	case call.KindTarget:
		if e.Code != 0 {
			return to.String(), from.String()
		}
		return from.String(), to.String()
	case call.KindByeIn:
		return from.String(), partyProxy
	case call.KindByeFwd, call.KindByeOut:
		return partyProxy, to.String()
	case call.KindByeRefused:
		return partyProxy, from.String()
	case call.KindByeReply:
		return to.String(), partyProxy
	case call.KindAsked, call.KindListed, call.KindVanished, call.KindRestarted:
		return partyProxy, partyByeguard
	case call.KindResult, call.KindProbed:
		return e.Leg.String(), partyByeguard
	case call.KindDeferred, call.KindWithdrawn:
		return partyByeguard, e.Leg.String()
	case call.KindEnd, call.KindFail, call.KindLost, call.KindTick, call.KindUnknown:
	}
	return partyProxy, ""
}

func (l *line) effect(f *call.Effect, c *call.Call) {
	node, kind, dst, cseq, why := c.Node, "effect", "", int64(0), f.Reason
	switch f.Kind {
	case call.EffectAsk:
		node, kind, dst = f.Question.Node, kindAsk, partyProxy
	case call.EffectBye, call.EffectProbe:
		node, kind, dst, cseq = f.Command.Node, kindCommand, f.Command.Leg.String(), int64(f.Command.CSeq)
		if f.Kind == call.EffectProbe {
			kind = kindProbe
		}
		if why == call.ReasonNone {
			why = f.Command.Reason
		}
	case call.EffectIncident:
		kind = kindIncident
	}
	l.text(node)
	l.null() // boot
	l.null() // seq
	l.text(kind)
	l.text(partyByeguard)
	l.textOrNull(dst)
	l.textOrNull(f.Command.Method)
	l.intOrNull(cseq)
	l.null() // code
	l.textOrNull(string(why))
	l.effectDetail(f)
	l.end()
}

func (l *line) effectDetail(f *call.Effect) {
	o := l.object()
	switch f.Kind {
	case call.EffectAsk:
		o.dialog(f.Question.Dialog)
		o.int("boot", f.Question.Boot)
	case call.EffectBye, call.EffectProbe:
		o.text("command", f.Command.ID)
		o.int("attempt", int64(f.Command.Attempt))
		o.text("target", f.Command.Target)
		o.text("route_set", f.Command.RouteSet)
		o.text("socket", f.Command.Socket)
		o.text("source", f.Command.Source)
		o.text("from_uri", f.Command.FromURI)
		o.text("from_tag", f.Command.FromTag)
		o.text("to_uri", f.Command.ToURI)
		o.text("to_tag", f.Command.ToTag)
	case call.EffectIncident:
		o.text("incident", string(f.Incident.Kind))
		o.text("severity", string(f.Incident.Severity))
		o.bool("resolved", f.Incident.Resolved)
		o.text("leg", f.Incident.Leg.String())
		o.text("text", f.Incident.Detail)
	}
	o.close()
}
