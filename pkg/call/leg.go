package call

// LegState says how a leg is known to be, and by what.
type LegState string

// States of a leg.
const (
	LegUp          LegState = "up"          // nothing says that it ended
	LegOwnBye      LegState = "own_bye"     // closed: it sent a BYE that was forwarded or answered
	LegConfirmed   LegState = "confirmed"   // closed: it answered 2xx to a BYE
	LegGone        LegState = "gone"        // closed: it answered 481 from its current target, to OPTIONS twice; EndAt is an upper bound
	LegUnconfirmed LegState = "unconfirmed" // given up: BYEs failed for good; an incident is open
)

// confirmed says that the leg itself answered that it is gone.
func (s LegState) confirmed() bool { return s == LegConfirmed || s == LegGone }

// Leg is one side of a call: where it can be reached and how it ends.
type Leg struct {
	Tag      string `cbor:"1,keyasint,omitempty"`
	URI      string `cbor:"2,keyasint,omitempty"`
	Contact  string `cbor:"3,keyasint,omitempty"` // remote target; follows target refreshes
	RouteSet string `cbor:"4,keyasint,omitempty"`
	Socket   string `cbor:"5,keyasint,omitempty"`
	Source   string `cbor:"6,keyasint,omitempty"`  // where its messages come from, "ip:port"
	Node     string `cbor:"25,keyasint,omitempty"` // the node that this side is nearest to, and that sends it BYEs
	OwnCSeq  uint32 `cbor:"24,keyasint,omitempty"` // highest in requests that this side sent itself
	CSeq     uint32 `cbor:"7,keyasint,omitempty"`  // highest seen in requests from this side, the proxy's BYEs on its behalf included
	Hops     int32  `cbor:"8,keyasint,omitempty"`  // routes in RouteSet; the nearest proxy dialog wins in a spiral

	// Pending target refresh: the Contact of a re-INVITE or UPDATE counts from
	// its 2xx on (RFC 3261 12.2.1.2, RFC 3311 5.1).
	NextContact string `cbor:"9,keyasint,omitempty"`
	NextSource  string `cbor:"21,keyasint,omitempty"`
	NextCSeq    uint32 `cbor:"10,keyasint,omitempty"`

	Byes []Bye `cbor:"11,keyasint,omitempty"` // BYEs addressed to this leg

	State      LegState `cbor:"12,keyasint,omitempty"` // "" = LegUp
	EndAt      int64    `cbor:"13,keyasint,omitempty"` // proxy's clock
	ClosedSeen int64    `cbor:"14,keyasint,omitempty"` // byeguard's clock; set with State

	FailSeen int64  `cbor:"18,keyasint,omitempty"` // when the last one failed
	InFlight int64  `cbor:"19,keyasint,omitempty"` // Seen of the command under way, 0 = none
	Why      Reason `cbor:"20,keyasint,omitempty"` // reason of the first command

	Deferred Reason `cbor:"40,keyasint,omitempty"` // the command under way waits to be allowed: its reason; "" = it does not wait
	Last     Reason `cbor:"41,keyasint,omitempty"` // reason of the last command

	// Small ones side by side, for memory.
	Refreshed bool  `cbor:"22,keyasint,omitempty"` // Contact is newer than what the proxy's dialog holds
	Natted    bool  `cbor:"23,keyasint,omitempty"` // the proxy reaches it at Source, not at its Contact
	Probed    bool  `cbor:"26,keyasint,omitempty"` // LegGone, and only OPTIONS say so
	Behind    uint8 `cbor:"44,keyasint,omitempty"` // callee: proxies before the node that told its Source; the last one knows it
	Code      int32 `cbor:"15,keyasint,omitempty"` // last final reply to a BYE to this leg
	Attempt   int32 `cbor:"16,keyasint,omitempty"` // BYEs that byeguard sent to it
	Fails     int32 `cbor:"17,keyasint,omitempty"` // BYEs to it that failed since the call ended
	Built     int32 `cbor:"43,keyasint,omitempty"` // highest attempt that the proxy was seen to build
	Withdrawn int32 `cbor:"42,keyasint,omitempty"` // commands that were decided and never sent; Attempt counts them too
}

// Closed says that nothing more is owed to the leg.
func (l *Leg) Closed() bool { return l.State != "" && l.State != LegUp }

// Status returns State, LegUp for the zero value.
func (l *Leg) Status() LegState {
	if l.State == "" {
		return LegUp
	}
	return l.State
}

// Sent is the number of BYEs that byeguard had sent to the leg.
func (l *Leg) Sent() int { return int(l.Attempt - l.Withdrawn) }

// maxByes bounds the BYE records of a leg: a hostile end point may send BYEs
// with ever new CSeq numbers, and the oldest of them prove nothing more.
const maxByes = 8

// Bye is what is known of one BYE: the facts are merged from events in any
// order, so nothing here depends on which came first.
type Bye struct {
	CSeq        uint32      `cbor:"1,keyasint,omitempty"`
	InAt        int64       `cbor:"2,keyasint,omitempty"` // came in from an end point (or passed again)
	InSeen      int64       `cbor:"3,keyasint,omitempty"`
	KnownPath   bool        `cbor:"4,keyasint,omitempty"` // from where its sender's messages come
	OutAt       int64       `cbor:"5,keyasint,omitempty"` // built by the proxy
	OutSeen     int64       `cbor:"6,keyasint,omitempty"`
	Ours        bool        `cbor:"7,keyasint,omitempty"` // built for byeguard
	FwdSeen     int64       `cbor:"8,keyasint,omitempty"`
	Refused     int         `cbor:"9,keyasint,omitempty"` // the proxy's own answer
	RefusedSeen int64       `cbor:"10,keyasint,omitempty"`
	Code        int         `cbor:"11,keyasint,omitempty"` // the other end's final answer, 408 = none in time
	ReplyAt     int64       `cbor:"12,keyasint,omitempty"`
	ReplySeen   int64       `cbor:"13,keyasint,omitempty"`
	Stale       bool        `cbor:"14,keyasint,omitempty"` // was not sent to the leg's current target
	Counted     bool        `cbor:"15,keyasint,omitempty"` // its failure is in Leg.Fails
	Target      string      `cbor:"16,keyasint,omitempty"` // Request-URI
	Dialog      ProxyDialog `cbor:"17,keyasint,omitempty"` // the proxy dialog that built it
	OwnSocket   bool        `cbor:"18,keyasint,omitempty"` // came in from exactly where its sender is, not from the proxy
	Vouched     bool        `cbor:"19,keyasint,omitempty"` // the reply came from where the leg is known to be
	Old         bool        `cbor:"20,keyasint,omitempty"` // its CSeq is not above those of its sender's other requests
}

// fromEnd says that an end point sent the BYE. One that repeats a BYE of the
// proxy (same Call-ID, From tag and CSeq) is the proxy's own, passing again,
// unless it came from the end point's very socket: both count on from the same
// CSeq, so an end point that hangs up after the proxy did picks the same number.
func (b *Bye) fromEnd() bool { return b.InSeen != 0 && (b.OutSeen == 0 || b.OwnSocket) }

// seen says that the BYE itself was seen, not only a reply to it, which anybody
// could have made up.
func (b *Bye) seen() bool { return b.OutSeen != 0 || b.InSeen != 0 }

// reached says that the BYE went on towards the leg: it was forwarded, or the
// leg answered. A BYE that the proxy refused went nowhere; a local 408 after
// forwarding is a silence of the leg, not a refusal. One for which the leg wants
// credentials that its sender did not have ended nothing either: it may be
// forged, and a genuine sender comes again with them.
func (b *Bye) reached() bool {
	switch {
	case b.OutSeen != 0:
		return true
	case b.InSeen == 0, needsCredentials(b.Code):
		return false
	case b.Code != 0 && b.Code != 408:
		return true
	}
	return b.forwarded()
}

// forwarded says that the proxy passed an end point's BYE on. Its own 408 comes
// after that.
func (b *Bye) forwarded() bool { return b.FwdSeen != 0 && (b.Refused == 0 || b.Refused == 408) }

// needsCredentials says that a code refuses who asks, not what is asked.
func needsCredentials(code int) bool { return code == 401 || code == 403 || code == 407 }

// gone says that the leg does not know the dialog any more: 481 closes a leg
// only if it came from the current target.
func (b *Bye) gone() bool { return b.Code == 481 && !b.Stale && b.seen() }

// confirmed says that the leg itself answered 2xx: from its current target, or
// from where it is known to be. A BYE that somebody led elsewhere by its
// Request-URI confirms nothing.
func (b *Bye) confirmed() bool {
	return b.Code >= 200 && b.Code < 300 && b.seen() && (b.Vouched || !b.Stale)
}

// bye returns the record of the BYE with that CSeq, made if need be. nil means
// that the leg's records are full of newer ones.
func (l *Leg) bye(cseq uint32) *Bye {
	for i := range l.Byes {
		if l.Byes[i].CSeq == cseq {
			return &l.Byes[i]
		}
	}
	if len(l.Byes) < maxByes {
		l.Byes = append(l.Byes, Bye{CSeq: cseq})
		return &l.Byes[len(l.Byes)-1]
	}
	var least *Bye
	for i := range l.Byes {
		if b := &l.Byes[i]; b.worth() < keepAlways && (least == nil || b.worth() < least.worth()) {
			least = b
		}
	}
	if least != nil {
		*least = Bye{CSeq: cseq}
	}
	return least
}

const keepAlways = 3

// worth ranks records by what they prove: when a leg's records are full, the
// one that proves least makes room. What the proxy or byeguard built stays.
func (b *Bye) worth() int {
	switch {
	case b.OutSeen != 0:
		return keepAlways
	case !b.KnownPath:
		return 0
	case needsCredentials(b.Code):
		return 1
	}
	return 2
}

// proxyBye returns the first BYE to the leg that Kamailio built on its own.
func (l *Leg) proxyBye() *Bye {
	var first *Bye
	for i := range l.Byes {
		b := &l.Byes[i]
		if b.OutSeen != 0 && !b.Ours && (first == nil || b.OutSeen < first.OutSeen) {
			first = b
		}
	}
	return first
}

// lastBye returns the newest BYE that went towards the leg, nil if none did.
func (l *Leg) lastBye() *Bye {
	var last *Bye
	for i := range l.Byes {
		b := &l.Byes[i]
		if b.reached() && (last == nil || b.sentSeen() > last.sentSeen()) {
			last = b
		}
	}
	return last
}

func (b *Bye) sentSeen() int64 { return max(b.OutSeen, b.FwdSeen, b.InSeen) }
