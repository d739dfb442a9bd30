package call

// State says how far a call is, and who moves it next.
type State uint8

// States of a call. The diagram is in docs/architecture.md.
const (
	StateNew    State = iota // only strays were seen: the next event or one second settles it
	StateUp                  // answered: the end points or the proxy move it
	StateEnding              // one leg ended or the proxy let go: byeguard moves it
	StateDone                // both legs accounted for: only late evidence moves it
	StateFailed              // never answered
)

var stateNames = [...]string{"new", "up", "ending", "done", "failed"}

// String returns the name used in the database.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unknown"
}

// Final says that the call's CDR is complete.
func (s State) Final() bool { return s == StateDone || s == StateFailed }

// ProxyDialog is one dialog of a proxy that carries the call. A spiral has two
// in one proxy, a call through two nodes one in each.
type ProxyDialog struct {
	Node   string   `cbor:"1,keyasint,omitempty"`
	Boot   int64    `cbor:"2,keyasint,omitempty"`
	Dialog DialogID `cbor:"3,keyasint,omitempty"`

	GoneSeen  int64 `cbor:"4,keyasint,omitempty"` // Seen of KindVanished; 0 = as far as is known, it is held
	Forgotten bool  `cbor:"5,keyasint,omitempty"` // the proxy was restarted since: nobody can be asked any more
}

// Releaser says who ended a call.
type Releaser string

// Releasers.
const (
	ReleasedUnknown  Releaser = "unknown"
	ReleasedCaller   Releaser = "caller"
	ReleasedCallee   Releaser = "callee"
	ReleasedProxy    Releaser = "proxy"
	ReleasedByeguard Releaser = "byeguard"
)

// Call is everything byeguard knows of one call between two end points. It is
// owned by whoever steps it; a plain copy is a snapshot, except that it shares
// the legs' BYE records and Probing until [Call.Clone] is used.
//
// Fields ending in At are on the proxy's clock, those ending in Seen on
// byeguard's, both Unix time in µs; 0 means "not yet". Deadlines are reckoned in
// Seen alone and durations in At alone, so a skew between the clocks harms
// neither.
type Call struct {
	Key     Key    `cbor:"1,keyasint"`
	Version uint64 `cbor:"2,keyasint"` // grows with each change; the store keeps the highest
	CallID  string `cbor:"4,keyasint,omitempty"`
	Node    string `cbor:"5,keyasint,omitempty"` // the node that saw it first, and sends its BYEs
	Boot    int64  `cbor:"6,keyasint,omitempty"`

	Legs    [2]Leg        `cbor:"7,keyasint"` // [Caller-1], [Callee-1]; use Leg
	Dialogs []ProxyDialog `cbor:"8,keyasint,omitempty"`

	FirstAt   int64  `cbor:"9,keyasint,omitempty"`  // the first event
	SetupAt   int64  `cbor:"10,keyasint,omitempty"` // INVITE
	AnswerAt  int64  `cbor:"11,keyasint,omitempty"` // 200 OK
	ConfirmAt int64  `cbor:"12,keyasint,omitempty"` // ACK
	EndAt     int64  `cbor:"13,keyasint,omitempty"` // the first BYE seen or built, or the failure
	Cause     string `cbor:"16,keyasint,omitempty"` // Reason header of the BYE, or reason phrase of the failure

	FirstSeen int64 `cbor:"17,keyasint,omitempty"`
	EndedSeen int64 `cbor:"18,keyasint,omitempty"` // dialog:end with state 3 or 4: Kamailio ended the call
	GoneSeen  int64 `cbor:"19,keyasint,omitempty"` // dialog:end with state 5: the proxy forgot it
	LostSeen  int64 `cbor:"20,keyasint,omitempty"` // log line "BYE not sent"
	DoneSeen  int64 `cbor:"21,keyasint,omitempty"`

	Probing *Probing `cbor:"31,keyasint,omitempty"` // what asking the end points has shown; nil = never asked

	Asks     Asks     `cbor:"22,keyasint,omitempty"`
	EndedAt  int64    `cbor:"27,keyasint,omitempty"` // EndedSeen on the proxy's clock
	Repaired Reason   `cbor:"24,keyasint,omitempty"` // why byeguard sent a BYE that was confirmed by 2xx
	Released Releaser `cbor:"25,keyasint,omitempty"`

	// VanishedSeen is when the last of the call's dialogs had vanished from the
	// proxies: two looks that agree did not find it, the proxy was not restarted
	// meanwhile, and told nothing of the call since the first look. It is no
	// evidence that a leg ended (table, row 6).
	VanishedSeen int64 `cbor:"28,keyasint,omitempty"`
	HeardSeen    int64 `cbor:"29,keyasint,omitempty"` // newest event from a proxy; not stored for its own sake

	// Wake is when the call wants a Tick (Seen, µs); 0 = never. Forget says
	// that the call may be dropped from memory. Both follow from the rest and
	// are set by each Step.
	Wake   int64 `cbor:"-"`
	Forget bool  `cbor:"-"`

	changed bool

	// Small ones side by side: a call that is up is all that most memory is for.
	State      State  `cbor:"3,keyasint,omitempty"`
	Known      bool   `cbor:"26,keyasint,omitempty"` // start, answer or confirm was seen
	Touched    Touch  `cbor:"30,keyasint,omitempty"` // what byeguard did not see of it
	Code       int32  `cbor:"15,keyasint,omitempty"` // final SIP code of the INVITE
	InviteCSeq uint32 `cbor:"14,keyasint,omitempty"`
	Open       uint32 `cbor:"23,keyasint,omitempty"` // open incidents, one bit a kind
}

// Asks is the state of asking the proxy whether it still holds the dialog.
type Asks struct {
	Last    int64 `cbor:"2,keyasint,omitempty"` // Seen of the last answer
	Since   int64 `cbor:"5,keyasint,omitempty"` // Seen of the first "held"
	Count   int32 `cbor:"1,keyasint,omitempty"` // answers so far
	Pending bool  `cbor:"-"`                    // lost with a restart: asked again
	Gone    bool  `cbor:"3,keyasint,omitempty"` // the proxy said: not held
	Held    bool  `cbor:"4,keyasint,omitempty"` // the proxy once said: held, after the grace time
}

// Leg returns the leg of a side; s must be Caller or Callee.
func (c *Call) Leg(s Side) *Leg { return &c.Legs[s-Caller] }

// Clone returns a snapshot that shares nothing mutable with c.
func (c *Call) Clone() Call {
	s := *c
	s.Dialogs = append([]ProxyDialog(nil), c.Dialogs...)
	for i := range s.Legs {
		s.Legs[i].Byes = append([]Bye(nil), c.Legs[i].Byes...)
	}
	if c.Probing != nil {
		g := *c.Probing
		s.Probing = &g
	}
	return s
}

// Ended says that the proxy itself ended the call: it says so, or it sent BYEs
// to both sides, or it sent one and let go of the dialog.
func (c *Call) Ended() bool {
	return c.EndedSeen != 0 || c.Asks.Gone ||
		c.Leg(Caller).proxyBye() != nil && c.Leg(Callee).proxyBye() != nil
}

// StartedAt is the time a CDR is filed under: it never changes once the call is
// settled, whatever is learnt later.
func (c *Call) StartedAt() int64 { return c.FirstAt }

// RepairedLeg returns the leg whose BYE of byeguard was confirmed by a 2xx.
func (c *Call) RepairedLeg() Side {
	for _, s := range [...]Side{Caller, Callee} {
		for i := range c.Leg(s).Byes {
			if b := &c.Leg(s).Byes[i]; b.Ours && b.confirmed() {
				return s
			}
		}
	}
	return SideNone
}

// epochShift leaves room for a trillion changes of a call in one epoch.
const epochShift = 40

// Enter has the call's versions outrank all those of earlier epochs: whoever
// takes over from another byeguard counted differently.
func (c *Call) Enter(epoch int64) {
	if e := uint64(epoch) << epochShift; epoch > 0 && c.Version < e {
		c.Version = e | c.Version&(1<<epochShift-1)
	}
}
