package web

import "encoding/json"

// The types below are the objects of the API. Texts that come from SIP are valid
// UTF-8 (a byte that is none stands as \xHH), but hostile all the same: whoever
// shows them encodes them for the place. Fields without omitempty are always there,
// null where nothing is known.

// Overview is the state of this byeguard. It never waits for PostgreSQL.
type Overview struct {
	Now       Time   `json:"now"`
	Instance  string `json:"instance"` // this byeguard's name
	Version   string `json:"version"`
	Mode      string `json:"mode"` // compensate or observe
	Started   Time   `json:"started"`
	Ready     bool   `json:"ready"`
	Live      int64  `json:"live_calls"`
	HeldBack  int64  `json:"held_back_calls"`      // calls with a BYE that is held back
	OneSided  int    `json:"one_sided_per_minute"` // opened within the last minute
	Database  string `json:"database"`             // "ok", or what is wrong
	Journal   string `json:"journal"`              // "ok", or what is wrong
	FeedDelay *int64 `json:"feed_delay_ms"`        // age of the feed's newest look at PostgreSQL; null: nobody is looking

	// RepairedShare is the part of today's one-sided calls that byeguard put right,
	// 0 to 1; null: there was none, or it is not known yet.
	RepairedShare *float64 `json:"repaired_share"`
	// PreventedMinutes are the minutes that today's repaired legs would have run on,
	// had nobody told them for an hour; null: not known yet.
	PreventedMinutes *float64 `json:"overrun_prevented_minutes"`
	Today            *Today   `json:"today"` // null: not known yet, or PostgreSQL is away

	Nodes    []Node   `json:"nodes"`
	Switches []Switch `json:"switches"`
}

// Today sums up the calls that began since midnight of byeguard's zone.
type Today struct {
	Since     Time              `json:"since"`
	AsOf      Time              `json:"as_of"`
	Attempts  int64             `json:"attempts"`
	Answered  int64             `json:"answered"`
	OneSided  int64             `json:"one_sided"`
	Repaired  int64             `json:"repaired"`
	Lost      int64             `json:"not_confirmed"`
	Suffered  float64           `json:"overrun_minutes_suffered"`
	Prevented float64           `json:"overrun_minutes_prevented"`
	Cost      map[string]string `json:"overrun_cost_suffered"`  // by currency
	Saved     map[string]string `json:"overrun_cost_prevented"` // by currency
	Open      map[string]int64  `json:"open_incidents"`         // by severity; those that are not resolved, of any day
}

// Node is one Kamailio as this byeguard sees it.
type Node struct {
	Name      string `json:"name"`
	Connected bool   `json:"connected"`
	Ready     bool   `json:"ready"`
	Reason    string `json:"reason"`      // why it is not ready; "" = it is
	Role      string `json:"role"`        // active or standby
	Sending   string `json:"sending"`     // yes, or why BYEs are not sent
	Gate      string `json:"credit_gate"` // open, closed or unknown: whether the proxy relays its events
	Backlog   int    `json:"backlog"`     // BYEs that wait for their turn
	InFlight  int    `json:"in_flight"`
	SkewMS    *int64 `json:"skew_ms"` // its clock minus byeguard's
}

// Switch holds sending back.
type Switch struct {
	Node   string `json:"node"` // "" = every node
	Kind   string `json:"kind"` // pause or mass_action
	By     string `json:"by"`
	Reason string `json:"reason"`
	At     Time   `json:"at"`
}

// Incident is what a person should see.
type Incident struct {
	ID          int64  `json:"id"`
	Kind        string `json:"kind"`
	KindWords   string `json:"kind_words"` // for people who never saw SIP
	Severity    string `json:"severity"`   // info, warning or critical
	State       string `json:"state"`      // open, acknowledged or resolved
	Leg         string `json:"leg"`        // caller, callee or ""
	Reason      string `json:"reason"`
	ReasonWords string `json:"reason_words"`
	Detail      string `json:"detail"`
	Node        string `json:"node"`
	CallID      string `json:"call_id"` // "" = it is about no single call
	Key         string `json:"key"`     // byeguard's name of the call
	Opened      Time   `json:"opened"`
	Updated     Time   `json:"updated"`
	Resolved    *Time  `json:"resolved"`
	ResolvedBy  string `json:"resolved_by"` // "" = byeguard itself, or nobody yet
	Acked       *Time  `json:"acked"`
	AckedBy     string `json:"acked_by"`
	Note        string `json:"note"`

	Caller    string `json:"caller"` // number
	Callee    string `json:"callee"`
	Carrier   string `json:"carrier"`    // "" = not known
	OverrunMS *int64 `json:"overrun_ms"` // how long the forgotten side ran on
	Repaired  bool   `json:"repaired"`   // that side was told of the end, and agreed
	Stake     *Stake `json:"stake"`      // null: no money is known
}

// Stake is the money that an incident is about.
type Stake struct {
	Currency  string `json:"currency"`
	Amount    string `json:"amount"`     // decimal
	PerMinute string `json:"per_minute"` // what each further minute costs; "0" = it is over
}

// CDR is a call's record and what follows from it.
type CDR struct {
	Key          string  `json:"key"`
	CallID       string  `json:"call_id"`
	Node         string  `json:"node"`
	State        string  `json:"state"` // open, final, late or corrected
	Disposition  string  `json:"disposition"`
	Revision     int     `json:"revision"`
	Why          string  `json:"revision_reason"`
	Caller       string  `json:"caller"` // number
	Callee       string  `json:"callee"`
	CallerURI    string  `json:"caller_uri"`
	CalleeURI    string  `json:"callee_uri"`
	CallerAddr   string  `json:"caller_address"`
	CalleeAddr   string  `json:"callee_address"`
	Started      Time    `json:"started"`
	Setup        *Time   `json:"setup"`
	Answered     *Time   `json:"answered"`
	Confirmed    *Time   `json:"confirmed"`
	Ended        *Time   `json:"ended"`
	DurationMS   *int64  `json:"duration_ms"`
	CallerEnd    *Time   `json:"caller_end"`
	CallerHow    string  `json:"caller_how"`
	CalleeEnd    *Time   `json:"callee_end"`
	CalleeHow    string  `json:"callee_how"`
	ReleasedBy   string  `json:"released_by"`
	Code         int     `json:"code"`
	Cause        string  `json:"cause"`
	Repaired     bool    `json:"repaired"`
	RepairedLeg  string  `json:"repaired_leg"`
	RepairWhy    string  `json:"repair_why"`
	RepairWords  string  `json:"repair_words"`
	Attempts     int     `json:"attempts"`
	OverrunLeg   string  `json:"overrun_leg"`
	OverrunMS    *int64  `json:"overrun_ms"`
	OverrunBound string  `json:"overrun_bound"` // exact, upper, unknown or ""
	Carrier      string  `json:"carrier"`
	BillableS    *int64  `json:"billable_s"`
	Currency     string  `json:"currency"`
	Cost         *string `json:"cost"`
	OverrunCost  *string `json:"overrun_cost"`
	NotSeen      string  `json:"not_seen"` // what of the call byeguard could not see; "" = nothing
	Closed       *Time   `json:"closed"`
	Updated      Time    `json:"updated"`
}

// Call is a live call.
type Call struct {
	Key           string `json:"key"`
	CallID        string `json:"call_id"`
	Node          string `json:"node"`
	State         string `json:"state"` // new, up, ending, done or failed
	StateWords    string `json:"state_words"`
	Caller        string `json:"caller"` // number
	Callee        string `json:"callee"`
	CallerURI     string `json:"caller_uri"`
	CalleeURI     string `json:"callee_uri"`
	CallerState   string `json:"caller_state"`
	CalleeState   string `json:"callee_state"`
	OpenIncidents int    `json:"open_incidents"`
	NotSeen       string `json:"not_seen"`
	Started       Time   `json:"started"`
	Answered      *Time  `json:"answered"`
	Ended         *Time  `json:"ended"`
	Updated       Time   `json:"updated"`
}

// Story is all that is known of one call.
type Story struct {
	Key       string     `json:"key"`
	CallID    string     `json:"call_id"`
	Outcome   string     `json:"outcome"` // one line for people
	CDR       *CDR       `json:"cdr"`     // null: dropped with its day
	Call      *Call      `json:"call"`    // null: it is over
	Parties   []string   `json:"parties"` // the three of the ladder, from left to right
	Ladder    []Step     `json:"ladder"`
	Events    []Event    `json:"events"` // in the order in which byeguard saw them
	Incidents []Incident `json:"incidents"`
	Commands  []Command  `json:"commands"`
	History   []CDR      `json:"history"` // what the record said before, oldest first
}

// Step is one line of a call's ladder.
type Step struct {
	At      Time   `json:"at"`
	SinceMS int64  `json:"since_ms"` // since the first step
	From    *int   `json:"from"`     // index of a party; null: no message, only a note
	To      *int   `json:"to"`
	Label   string `json:"label"` // on the arrow
	Note    string `json:"note"`  // what it means
	Own     bool   `json:"own"`   // byeguard did it, or it is the BYE of byeguard
	Node    string `json:"node"`
}

// Event is a row of evidence.
type Event struct {
	At     Time            `json:"at"` // the proxy's clock
	LagUS  int64           `json:"lag_us"`
	Node   string          `json:"node"`
	Kind   string          `json:"kind"`
	Src    string          `json:"src"`
	Dst    string          `json:"dst"`
	Method string          `json:"method"`
	CSeq   int64           `json:"cseq"`
	Code   int             `json:"code"`
	Reason string          `json:"reason"`
	Detail json.RawMessage `json:"detail"`
}

// Command is a request that byeguard had the proxy send.
type Command struct {
	ID      string `json:"id"`
	Node    string `json:"node"`
	Leg     string `json:"leg"`
	Attempt int    `json:"attempt"`
	CSeq    int64  `json:"cseq"`
	Reason  string `json:"reason"`
	Words   string `json:"reason_words"`
	State   string `json:"state"` // pending, done, failed or withdrawn
	Code    *int   `json:"code"`
	Created Time   `json:"created"`
	Done    *Time  `json:"done"`
}

// Found is what a search found, newest first, of each at most 50.
type Found struct {
	Query string `json:"query"`
	Calls []Call `json:"calls"`
	CDRs  []CDR  `json:"cdrs"`
	// NumberSince is from when on calls of a number were looked for; null: the query
	// is no number.
	NumberSince *Time `json:"number_since"`
}

// ReportLine is a line of a report.
type ReportLine struct {
	Hour      *Time             `json:"hour"` // of a report by hour
	Day       string            `json:"day"`  // of a report by day
	Node      string            `json:"node"`
	Carrier   string            `json:"carrier"`
	Attempts  int64             `json:"attempts"`
	Answered  int64             `json:"answered"`
	ASR       *float64          `json:"asr_percent"`
	NER       *float64          `json:"ner_percent"`
	ACDMS     *int64            `json:"acd_ms"`
	Minutes   float64           `json:"answered_minutes"`
	OneSided  int64             `json:"one_sided"`
	Repaired  int64             `json:"repaired"`
	RepairedP *float64          `json:"repaired_percent"`
	Lost      int64             `json:"not_confirmed"`
	Suffered  float64           `json:"overrun_minutes_suffered"`
	Prevented float64           `json:"overrun_minutes_prevented"`
	Cost      map[string]string `json:"cost"` // by currency, here and below
	Paid      map[string]string `json:"overrun_cost_suffered"`
	Saved     map[string]string `json:"overrun_cost_prevented"`
}

// Report is a report.
type Report struct {
	By    string       `json:"by"`
	Zone  string       `json:"zone"`
	Since Time         `json:"since"`
	Until Time         `json:"until"`
	Lines []ReportLine `json:"lines"`
}

// Reconciliation is one comparison of byeguard's records with somebody else's.
type Reconciliation struct {
	ID       int64                `json:"id"`
	At       Time                 `json:"at"`
	By       string               `json:"by"`
	What     string               `json:"what"` // acc, csv or live
	Source   string               `json:"source"`
	Since    *Time                `json:"since"`
	Until    *Time                `json:"until"`
	Node     string               `json:"node"`
	Carrier  string               `json:"carrier"`
	Calls    int64                `json:"calls"`
	Findings int64                `json:"discrepancies"`
	Lines    []ReconciliationLine `json:"lines"`
}

// ReconciliationLine counts the calls of one class.
type ReconciliationLine struct {
	Class      string  `json:"class"`
	Carrier    string  `json:"carrier"`
	Calls      int64   `json:"calls"`
	OursMS     int64   `json:"ours_ms"`
	TheirsMS   int64   `json:"theirs_ms"`
	Currency   string  `json:"currency"`
	OursCost   string  `json:"ours_cost"`
	TheirsCost *string `json:"theirs_cost"` // null: the other list gives no costs
}

// AuditEntry is one call that changed something, or tried to.
type AuditEntry struct {
	ID      int64  `json:"id"`
	At      Time   `json:"at"`
	User    string `json:"user"`
	Role    string `json:"role"`
	Via     string `json:"via"`    // session, token or local
	Remote  string `json:"remote"` // address
	Action  string `json:"action"`
	Target  string `json:"target"`
	Detail  string `json:"detail"`
	Outcome string `json:"outcome"` // ok, or what went wrong
	Request string `json:"request"` // id of the request, as in the log
}
