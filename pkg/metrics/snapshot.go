package metrics

import (
	"time"

	"github.com/byeguard/byeguard/pkg/call"
)

// Snapshot is everything that is told at one scrape. Counters are since the start
// of the process. A zero time means "never" or "not known", and is not shown.
type Snapshot struct {
	Ready     bool
	Mode      string
	Nodes     []Node // in the order of the configuration
	Core      Core
	Database  Database
	Journal   *Journal // nil: there is none
	Alerts    []Route
	Incidents []Incidents
	SkewLimit time.Duration // above it clocks make an incident
	Quieted   uint64        // log lines that were summed up, not written
	Figures   *Figures      // nil: PostgreSQL was not asked yet
	Polled    time.Time     // when Figures were read
	PollFails uint64
}

// Node is one Kamailio.
type Node struct {
	Name      string
	Connected bool
	Active    bool // no other byeguard acts for it
	Sending   bool // BYEs on evidence go out
	Paused    bool // by a person
	MassStop  bool // BYEs on inference are stopped
	Fits      bool // JSON-RPC is answered by the Kamailio that sends the events
	Skew      *time.Duration

	Connects, Failures, Bytes, Bad, Refused, Missed, Acks uint64
	Events                                                [call.KindCount]uint64
	Gaps                                                  map[string]uint64 // by cause
	LastEvent                                             time.Time         // byeguard's clock
	CreditLimit, CreditUsed                               int64             // limit 0: the node has no gate
	GateOpen                                              bool

	Resyncs, ResyncFailures, Vanished uint64
	ResyncTook                        time.Duration // the last one that went through

	Byes, Probes Sends
}

// Sends is what became of one kind of request to end points.
type Sends struct {
	Queued, InFlight                                        int
	Confirmed, Gone, Refused, Unanswered, NotSent, Observed uint64
	Attempts, Retries, Deferred                             uint64
}

// Core is what steps the calls.
type Core struct {
	Kinds                 map[call.Kind]uint64
	Calls                 map[call.State]int64
	Legs                  map[call.LegState]int64
	Queued                []int // events that wait, by lane
	QueueLimit            int   // of a lane
	Pending               int
	Strays, Dropped, Done uint64
	Waiting               int64 // calls with a command that is held back
}

// Database is the way to PostgreSQL.
type Database struct {
	Up                                       bool
	AwaySince                                time.Time
	Skew                                     *time.Duration
	WaitingCalls, WaitingEvidence, OnDisk    int
	OnDiskBytes                              int64
	Flushes, Retries, Spilled, SpillFailures uint64
	Calls, CDRs, Finals, Evidence, Incidents uint64
	Commands, Dropped, SetAside, Unreadable  uint64
}

// Journal is the log on local disk.
type Journal struct {
	OK, Full, Failing                                        bool
	Appended, Written, Lost, Commits, Failures, Waived, Byte uint64
	CommitTime                                               time.Duration
	Damaged, Missing                                         uint64
	Size, Limit                                              int64
	Files, Waiting                                           int
}

// Route is where alerts go.
type Route struct {
	Name, Type         string
	Sent, Failed, Dead uint64
	LastSent           time.Time
}

// Incidents are those of one node and kind that were raised since the start.
type Incidents struct {
	Node     string
	Kind     call.IncidentKind
	Opened   uint64
	Resolved uint64
	Reasons  map[call.Reason]uint64 // of the opened ones
	Overrun  map[string]time.Duration
}

// Figures are those that PostgreSQL alone knows. They are of the whole database,
// whoever asks.
type Figures struct {
	OpenCDRs       int64
	Closed         map[string]uint64 // records by state, counted since the start
	Pending        int64             // commands without an outcome
	OldestPending  time.Time
	News           int64 // changes of incidents that were not filed yet
	Messages       []Messages
	IncidentsByWay []IncidentCount
}

// Messages of a route that are not sent.
type Messages struct {
	Route, State string
	Count        int64
	Oldest       time.Time
}

// IncidentCount is how many incidents are not resolved.
type IncidentCount struct {
	Kind, State string
	Count       int64
}
