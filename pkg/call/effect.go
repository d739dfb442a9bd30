package call

// EffectKind says what an effect asks for.
type EffectKind uint8

// Kinds of effects.
const (
	EffectAsk      EffectKind = iota + 1 // ask the proxy Question; answer with KindAsked
	EffectBye                            // send Command; answer with KindResult
	EffectIncident                       // open or resolve Incident
	EffectProbe                          // send Command, an OPTIONS; answer with KindProbed
)

// Effect is one thing to do, as data. Effects of one Step are carried out in
// their order, after the call's new state was handed to the store.
type Effect struct {
	Kind     EffectKind
	Reason   Reason
	Question Question // EffectAsk
	Command  Command  // EffectBye, EffectProbe
	Incident Incident // EffectIncident
}

// Question asks the proxy Node whether it holds one very dialog in state 3 or 4.
type Question struct {
	Key     Key
	Node    string
	Boot    int64 // an answer from another boot counts as HeldUnknown
	Dialog  DialogID
	CallID  string
	FromTag string // the caller's
	ToTag   string // the callee's
}

// Methods of commands.
const (
	MethodBye     = "BYE"
	MethodOptions = "OPTIONS"
)

// Command is one request to one leg, complete: whoever carries it out needs no
// other knowledge of the call. A BYE is written down before or with being sent;
// sending it twice is harmless (the second gets a 481). An OPTIONS changes
// nothing, and is asked anew after a restart.
type Command struct {
	ID       string // unique; also the value of the marker header
	Key      Key
	Node     string // the node that sends it
	Method   string // MethodBye or MethodOptions; "" = MethodBye
	Leg      Side   // who gets it
	Attempt  int    // 1 for the first
	Reason   Reason
	CallID   string
	FromURI  string // the side that seems to send it (the other one)
	FromTag  string
	ToURI    string // the side that gets it
	ToTag    string
	Target   string // remote target of Leg: a URI or a Contact header body
	RouteSet string // as Endpoint.RouteSet
	Socket   string // the proxy's socket towards Leg, "" = let the proxy choose
	Source   string // "ip:port" that Leg is reached at behind NAT where Target no longer says so; "" = go by Target
	CSeq     uint32
	Patient  bool // OPTIONS: better not sent (Code 0) than ahead of one that is pressing
}

// Severity of an incident.
type Severity string

// Severities, from least to most pressing.
const (
	SeverityInfo     Severity = "info"
	SeverityWarning  Severity = "warning"
	SeverityCritical Severity = "critical"
)

// IncidentKind is the stable name of a kind of trouble.
type IncidentKind string

// Kinds of incidents that one call can raise.
const (
	IncidentOneSided    IncidentKind = "one_sided_bye"    // a leg got no BYE from the proxy; resolved when repaired
	IncidentUnconfirmed IncidentKind = "leg_unconfirmed"  // BYEs to a leg failed for good
	IncidentStuck       IncidentKind = "dialog_stuck"     // one leg closed, the proxy holds the dialog
	IncidentRefused     IncidentKind = "bye_refused"      // an end point's BYE went nowhere
	IncidentForgotten   IncidentKind = "dialog_forgotten" // the proxy dropped a call whose legs may live
	IncidentHalfGone    IncidentKind = "leg_gone"         // one leg answers OPTIONS with 481, and nothing else says that the call ended
	IncidentZombie      IncidentKind = "zombie"           // up for longer than max_age, or a leg that answers nothing
)

// Kinds of incidents of a node, which stand for all of its calls.
const (
	IncidentRestarted IncidentKind = "node_restarted"  // the proxy forgot its calls, byeguard did not
	IncidentMissed    IncidentKind = "events_missed"   // events of the proxy were never seen
	IncidentHidden    IncidentKind = "topology_hidden" // the proxy hides topology: its calls are only observed
)

// Kinds of incidents of a node that concern byeguard's own work.
const (
	IncidentMassAction IncidentKind = "mass_action" // too many BYEs rested on inference: they are stopped until a person has looked
	IncidentClock      IncidentKind = "clock_skew"  // clocks differ by more than they should
	IncidentWrongNode  IncidentKind = "wrong_node"  // JSON-RPC is answered by another Kamailio than the one that sends events
	IncidentNodeLost   IncidentKind = "node_lost"   // no connection to the node's events
)

// Kinds of incidents that a comparison of records finds.
const (
	IncidentCDRMissing IncidentKind = "cdr_missing"    // somebody else has a record of an answered call, byeguard has none
	IncidentMismatch   IncidentKind = "records_differ" // somebody else's record says something else than byeguard's
)

// NodeIncident returns an incident of a node. A node has at most one open
// incident of a kind.
func NodeIncident(node string, kind IncidentKind, detail string) Incident {
	return Incident{Key: NewKey("", node, string(kind), DialogID{}), Kind: kind, Severity: SeverityWarning, Detail: detail}
}

// Incident is what a person should see. One leg has at most one open
// incident of a kind; Resolved closes it.
type Incident struct {
	Key      Key
	CallID   string
	Kind     IncidentKind
	Severity Severity
	Resolved bool
	Leg      Side
	Detail   string // one sentence, for people
}
