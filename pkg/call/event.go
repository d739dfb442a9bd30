package call

import "strconv"

// Kind names what an event says. The first group comes from Kamailio through
// the routes in kamailio-cfg, the second is made by byeguard itself.
type Kind uint8

// Kinds of events from the proxy.
const (
	KindUnknown    Kind = iota // never valid
	KindStart                  // 200 OK to INVITE, dialog:start
	KindAnswer                 // 2xx to INVITE that starts no dialog in the proxy
	KindConfirm                // ACK through loose_route
	KindTarget                 // in-dialog request that moves CSeq, or 2xx to re-INVITE/UPDATE
	KindByeIn                  // BYE from an end point, at the top of the request route
	KindByeFwd                 // that BYE after it was relayed
	KindByeRefused             // that BYE answered by the proxy itself
	KindByeOut                 // BYE that the proxy built: its own or byeguard's
	KindByeReply               // reply to a BYE
	KindEnd                    // dialog:end
	KindFail                   // dialog:failed: the call was never answered
	KindLost                   // Kamailio's log line "BYE not sent"

	KindTick   // time passed; only Seen and At are set
	KindAsked  // answer to EffectAsk
	KindResult // outcome of a BYE that byeguard sent: Code, 0 = not sent, CodeOpen = sent or not

	KindListed    // a snapshot shows a live dialog with both sides
	KindVanished  // two looks that agree did not find the dialog
	KindRestarted // the proxy was restarted: it has forgotten the dialog
	KindProbed    // outcome of EffectProbe: Leg, Code (408 = no answer, 0 = not sent), RURI = the target that was asked
	KindDeferred  // a command of byeguard waits: it may not be sent now
	KindWithdrawn // that command will not be sent: it is decided anew
)

var kindNames = [...]string{
	KindUnknown: "unknown", KindStart: "start", KindAnswer: "answer", KindConfirm: "confirm",
	KindTarget: "target", KindByeIn: "bye_in", KindByeFwd: "bye_fwd", KindByeRefused: "bye_refused",
	KindByeOut: "bye_out", KindByeReply: "bye_reply", KindEnd: "end", KindFail: "fail",
	KindLost: "lost", KindTick: "tick", KindAsked: "asked", KindResult: "result",
	KindListed: "listed", KindVanished: "vanished", KindRestarted: "restarted",
	KindProbed:   "probed",
	KindDeferred: "deferred", KindWithdrawn: "withdrawn",
}

// KindCount is how many kinds there are, KindUnknown included: every kind is
// below it.
const KindCount = len(kindNames)

// String returns the name used on the wire, in the database and in logs.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[KindUnknown]
}

// CodeOpen is the code of a KindResult without an answer, where the proxy may
// have sent the BYE or not: its JSON-RPC broke off. Like SIP's 100 it promises
// that a final reply may still come.
const CodeOpen = 100

// ParseKind returns the kind of that name, or KindUnknown.
func ParseKind(name string) Kind {
	for k, n := range kindNames {
		if n == name {
			return Kind(k)
		}
	}
	return KindUnknown
}

// Side is one end of a call: the one that sent the INVITE, or the other.
type Side uint8

// Sides of a call.
const (
	SideNone Side = iota
	Caller
	Callee
)

// Other returns the opposite side; SideNone stays.
func (s Side) Other() Side {
	switch s {
	case Caller:
		return Callee
	case Callee:
		return Caller
	}
	return SideNone
}

// String returns "caller", "callee" or "".
func (s Side) String() string {
	switch s {
	case Caller:
		return "caller"
	case Callee:
		return "callee"
	}
	return ""
}

// DialogID is Kamailio's name of one dialog: its hash entry and its id in it.
// The zero value means "not known".
type DialogID struct {
	Entry uint32 `cbor:"1,keyasint,omitempty"`
	ID    uint32 `cbor:"2,keyasint,omitempty"`
}

// IsZero says that the dialog is not known.
func (d DialogID) IsZero() bool { return d == DialogID{} }

// String returns "entry:id", as Kamailio logs it.
func (d DialogID) String() string {
	return strconv.FormatUint(uint64(d.Entry), 10) + ":" + strconv.FormatUint(uint64(d.ID), 10)
}

// Dialog states of Kamailio's dialog module (its docs, "dlg.list"; dlg_hash.h).
const (
	DialogConfirmedNA = 3 // 200 OK seen, no ACK yet
	DialogConfirmed   = 4
	DialogDeleted     = 5
)

// Endpoint is what the proxy knows of one side of a dialog: the values of
// $dlg(from_...) or $dlg(to_...). Empty means "not told".
type Endpoint struct {
	URI      string // From or To URI, as in the dialog-forming INVITE
	Contact  string // remote target: a URI, or a Contact header body
	RouteSet string // the route set as the proxy would send it to this side
	Socket   string // the proxy's socket towards this side, "udp:192.0.2.1:5060"
	CSeq     uint32 // CSeq of this side's own requests
}

// Event is one thing that happened. Texts are raw bytes from SIP messages, and
// hostile: they may hold anything but are never longer than a frame.
//
// An Event is read-only after it was made; Step copies what it keeps.
type Event struct {
	Kind Kind
	Node string // the node's name in byeguard's configuration
	Boot int64  // boot identity of the proxy: changes with each start
	Seq  uint64 // the proxy's number of the event; 0 for events of byeguard
	Sent uint64 // the proxy's count of relayed events, to be acknowledged
	At   int64  // the proxy's clock, Unix time in µs
	Seen int64  // byeguard's clock when the event arrived, Unix time in µs

	CallID  string
	FromTag string // as in the message: the From tag is the requester's
	ToTag   string
	// CallerTag tells which of the two tags is the caller's, where the message
	// alone cannot (a BYE may go either way); "" = not told.
	CallerTag string
	Dialog    DialogID

	CSeq       uint32 // of the request, or of the request that is answered
	Method     string
	Code       int    // SIP status code
	Reason     string // reason phrase, or the Reason header of a BYE
	Source     string // "ip:port" the message came from
	Socket     string // the proxy's receiving or sending socket
	PeerSource string // KindStart: "ip:port" the 200 OK came from

	RURI        string // Request-URI
	NextHop     string // $du of a request that the proxy built or forwards
	Contact     string // Contact header body of the message
	RecordRoute string // all Record-Route headers of the message, comma-joined
	CommandID   string // KindByeOut, KindResult, KindProbed, KindDeferred, KindWithdrawn: which command of byeguard; "" = not ours

	State int   // KindEnd, KindFail, KindListed: $dlg(state)
	Setup int64 // when the INVITE came in, Unix µs; 0 = not told
	Held  Held  // KindAsked
	Leg   Side  // KindResult, KindProbed, KindDeferred, KindWithdrawn: the leg that the request was for

	Answer int64 // KindListed: when the call was answered, in whole seconds of Unix time as µs; 0 = not told
	Since  int64 // KindRestarted: not 0 = its end may have been missed before. KindVanished: Seen of when the first look began; what the proxy told later wins

	// Caller and Callee are the proxy's own notion of the dialog's sides,
	// whoever sent the message.
	Caller, Callee Endpoint
}

// Held is the proxy's answer to the question whether it still holds a dialog
// in state 3 or 4.
type Held uint8

// Answers to EffectAsk. HeldUnknown (no answer, an error, another boot
// identity) is never a reason to do anything but ask again.
const (
	HeldUnknown Held = iota
	HeldYes
	HeldNo
)

// String returns "unknown", "held" or "gone".
func (h Held) String() string {
	switch h {
	case HeldYes:
		return "held"
	case HeldNo:
		return "gone"
	}
	return "unknown"
}
