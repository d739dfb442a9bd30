package store

// CommandState says how far a command of the outbox is.
type CommandState string

// States of a command. The writer inserts it as pending with the state that
// asked for it; its result moves it on, once.
const (
	CommandPending CommandState = "pending" // byeguard sends it, again after a restart
	CommandDone    CommandState = "done"    // answered 2xx or 481
	CommandFailed  CommandState = "failed"  // any other answer, or none
	// CommandWithdrawn was not sent: it had to wait, and was decided anew.
	CommandWithdrawn CommandState = "withdrawn"
)

// IncidentState says who has seen an incident.
type IncidentState string

// States of an incident: they only move forward.
const (
	IncidentOpen         IncidentState = "open"         // a person or byeguard moves it
	IncidentAcknowledged IncidentState = "acknowledged" // a person has seen it
	IncidentResolved     IncidentState = "resolved"
)
