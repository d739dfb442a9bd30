package alert

import (
	"slices"
	"time"

	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/call"
)

// Incident is one incident as messages tell of it. Texts are valid UTF-8; those
// of SIP are hostile all the same.
type Incident struct {
	ID       int64  // 0: PostgreSQL was away when it was told
	Key      string // of the call, in hex
	CallID   string
	Node     string
	Kind     string
	Severity string
	State    string // open, acknowledged, resolved, or given_up
	Leg      string // caller, callee or ""
	Reason   string
	Detail   string
	Opened   time.Time
	Resolved time.Time // zero: it is not
	By       string    // the person who resolved or acknowledged it; "" = nobody
	Caller   string    // number
	Callee   string
	Carrier  string // "" = not known
	Overrun  int64  // ms that the forgotten leg ran on; -1 = not known (yet)
	Repaired bool   // byeguard's BYE, or the leg's own, ended what was one-sided
	Stake    Stake
}

// StateGivenUp is an incident that is closed since another one, which is worse,
// has taken its place: nobody should read that it is well.
const StateGivenUp = "given_up"

// Stake is the money that an incident is about: what the carrier bills beyond
// the call's end for what is known now.
type Stake struct {
	Currency  string // "" = not known
	Amount    billing.Money
	PerMinute billing.Money // what each further minute costs while it is open; 0 = it is over
}

func (in *Incident) over() bool { return in.State == string(ChangeResolved) }

// kindWords says each kind to people who never saw SIP.
var kindWords = map[call.IncidentKind]string{
	call.IncidentOneSided:    "one side was not told of the end",
	call.IncidentUnconfirmed: "one side does not confirm the end",
	call.IncidentStuck:       "proxy still holds an ended call",
	call.IncidentRefused:     "hang-up went nowhere",
	call.IncidentForgotten:   "proxy forgot the call",
	call.IncidentHalfGone:    "one side seems to be gone",
	call.IncidentZombie:      "up for too long, or silent",
	call.IncidentHidden:      "proxy hides topology: only observed",
	call.IncidentRestarted:   "proxy was restarted",
	call.IncidentMissed:      "events were not seen",
	call.IncidentMassAction:  "too many BYEs on inference",
	call.IncidentClock:       "clocks differ",
	call.IncidentWrongNode:   "JSON-RPC of another proxy",
	call.IncidentNodeLost:    "no events from the proxy",
	call.IncidentCDRMissing:  "call without a record",
	call.IncidentMismatch:    "records do not agree",
}

// KindWords says a kind of incident to people; one that it does not know stays
// as it is.
func KindWords(kind string) string {
	if w := kindWords[call.IncidentKind(kind)]; w != "" {
		return w
	}
	return kind
}

// Kinds returns the kinds of incidents there are, by name.
func Kinds() []string {
	list := make([]string, 0, len(kindWords))
	for k := range kindWords {
		list = append(list, string(k))
	}
	slices.Sort(list)
	return list
}
