package call

// Step merges one event into the call and answers with what follows from it,
// appended to out. ev must match the call (see [Call.Matches]) or be one of
// KindTick, KindAsked and KindResult for it. Step keeps nothing of ev but its
// strings. Afterwards c.Wake says when the call wants a KindTick, and c.Forget
// whether it may be dropped.
//
// Facts are merged without regard to their order (duplicates and swapped
// events leave the same facts), and every decision is drawn from the facts as
// they stand: that is what makes any order of arrival safe.
func (c *Call) Step(ev *Event, p *Policy, out []Effect) []Effect {
	c.changed = false
	c.learn(ev)
	out = c.decide(ev, p, out)
	if c.changed {
		c.Version++
	}
	return out
}

// Changed says whether the last Step changed anything worth storing.
func (c *Call) Changed() bool { return c.changed }

// Begins says whether the event may be the first that is seen of a call. The
// others mean nothing without their call. An ACK of no dialog that the proxy
// knows may be anybody's invention.
func Begins(ev *Event) bool {
	switch ev.Kind {
	case KindConfirm:
		return !ev.Dialog.IsZero()
	case KindListed:
		return ev.ToTag != "" && live(ev.State)
	case KindStart, KindAnswer, KindByeIn, KindByeFwd, KindByeOut, KindEnd, KindFail:
		return true
	case KindUnknown, KindTarget, KindByeRefused, KindByeReply, KindLost, KindTick, KindAsked, KindResult,
		KindVanished, KindRestarted, KindDeferred, KindWithdrawn:
	}
	return false
}

// New returns the call that begins with ev; step it with ev next. sibling is
// another call of the same Call-ID and caller (a fork's other branch), or nil:
// the two share the caller's side.
func New(ev *Event, sibling *Call) *Call {
	c := &Call{
		CallID: ev.CallID, Node: ev.Node, Boot: ev.Boot,
		FirstAt: ev.At, FirstSeen: ev.Seen, Released: ReleasedUnknown,
	}
	if ev.Kind == KindListed { // it began long before it was listed
		if at := earliest(ev.Setup, ev.Answer); at != 0 {
			c.FirstAt = at
		}
	}
	c.orient(ev)
	if sibling != nil && sibling.Leg(Caller).Tag == c.Leg(Caller).Tag {
		l := sibling.Leg(Caller)
		c.Legs[0] = Leg{Tag: l.Tag, URI: l.URI, Contact: l.Contact, RouteSet: l.RouteSet,
			Socket: l.Socket, Source: l.Source, CSeq: l.CSeq, Hops: l.Hops, Natted: l.Natted}
		c.SetupAt = sibling.SetupAt
	}
	return c
}

// Matches says whether ev belongs to the call. A call is told by Call-ID and
// both tags (RFC 3261 section 12); a log line has no tags and goes by its
// dialog.
func (c *Call) Matches(ev *Event) bool {
	if c.CallID != ev.CallID {
		return false
	}
	if ev.Kind == KindLost {
		return c.hasDialog(ProxyDialog{Node: ev.Node, Dialog: ev.Dialog})
	}
	a, b := c.Leg(Caller).Tag, c.Leg(Callee).Tag
	if ev.FromTag == a && ev.ToTag == b || ev.FromTag == b && ev.ToTag == a {
		// One unanswered attempt may follow another with the same tags.
		return ev.ToTag != "" || c.hasDialog(ProxyDialog{Node: ev.Node, Boot: ev.Boot, Dialog: ev.Dialog})
	}
	// The start did not tell the callee's tag: its dialog knows it by now.
	return b == "" && ev.ToTag != "" && ev.FromTag == a && c.AnswerAt != 0 && c.State == StateNew &&
		c.hasDialog(ProxyDialog{Node: ev.Node, Boot: ev.Boot, Dialog: ev.Dialog})
}

func (c *Call) hasDialog(d ProxyDialog) bool {
	for _, have := range c.Dialogs {
		if have.Node == d.Node && have.Dialog == d.Dialog && (d.Boot == 0 || have.Boot == d.Boot) {
			return true
		}
	}
	return false
}

// orient settles which tag is the caller's and names the call by them. Events
// that form the dialog know; a stray BYE is taken as the caller's until they
// come.
func (c *Call) orient(ev *Event) {
	caller, callee := ev.FromTag, ev.ToTag
	if ev.CallerTag != "" && ev.CallerTag == callee {
		caller, callee = callee, caller
	}
	switch {
	case c.Leg(Caller).Tag == "" && c.Leg(Callee).Tag == "":
		c.Leg(Caller).Tag, c.Leg(Callee).Tag = caller, callee
	case c.Leg(Callee).Tag == "" && c.Leg(Caller).Tag == caller && callee != "":
		c.Leg(Callee).Tag = callee
	case c.Known || c.Leg(Caller).Tag == caller:
		return
	default: // the stray was the callee's
		c.Legs[0], c.Legs[1] = c.Legs[1], c.Legs[0]
	}
	c.Key = NewKey(c.CallID, c.Leg(Caller).Tag, c.Leg(Callee).Tag, ev.Dialog)
}

// sender returns the side that sent the request of ev (for a reply: the
// request that is answered), SideNone where the tags do not tell.
func (c *Call) sender(ev *Event) Side {
	switch {
	case ev.FromTag == c.Leg(Caller).Tag:
		return Caller
	case ev.FromTag == c.Leg(Callee).Tag:
		return Callee
	}
	return SideNone
}
