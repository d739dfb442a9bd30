package web

import (
	"context"
	"errors"
	"io"
	"time"
)

// What a Backend's errors may be; any other is an internal one.
var (
	// ErrNotFound says that nothing has that name.
	ErrNotFound = errors.New("not found")
	// ErrAway says that PostgreSQL cannot be asked; the text says why.
	ErrAway = errors.New("database is away")
	// ErrTooMuch says that the answer would take too long; the text says what to ask.
	ErrTooMuch = errors.New("too much is asked for")
	// ErrInvalid says that the question makes no sense; the text says why.
	ErrInvalid = errors.New("invalid")
)

// Page is a part of a list.
type Page[T any] struct {
	Items []T     `json:"items"`
	Next  *string `json:"next"` // what to give as after for the next part; null: this is the last
	// Feed is of incidents: where the feed goes on from what the list says.
	Feed string `json:"feed,omitempty"`
}

// Query chooses of a list. Zero fields do not narrow.
type Query struct {
	Since, Until time.Time
	Node         string
	CallID       string
	State        string
	Kind         string
	Severity     string
	Number       string
	ReleasedBy   string
	Repaired     *bool
	Carrier      string
	Limit        int
	After        Cursor
}

// Cursor marks a row of a list; the zero value is before the first.
type Cursor struct {
	At time.Time
	ID string
}

// ReportQuery says which report.
type ReportQuery struct {
	By           string // day, hour, carrier or node
	Since, Until time.Time
	Zone         *time.Location
	Node         string
}

// Changes are what the feed tells next.
type Changes struct {
	Feed      string // name of the database's feed
	End       int64  // number of the newest change that is committed
	Last      int64  // highest number ever given
	Incidents []Change
	More      bool // there are more than were asked for
}

// Change is an incident as its newest change left it.
type Change struct {
	Number   int64
	Incident Incident
}

// Who asks for a change.
type Who struct {
	Name string
	Role Role
	Via  string // session, token or local
}

// Backend is what the server shows and changes. All methods may be called from
// any goroutine. Lists are newest first.
type Backend interface {
	// Overview never waits.
	Overview() Overview
	// Health is what /readyz answers, and whether byeguard is ready. It never waits.
	Health() (ready bool, answer any)
	// Status is what /status answers. It never waits.
	Status() any

	Incidents(ctx context.Context, q Query) (Page[Incident], error)
	Incident(ctx context.Context, id int64) (Incident, error)
	// HandleIncident acknowledges or, with resolve, resolves. changed says that it
	// was not so before.
	HandleIncident(ctx context.Context, id int64, resolve bool, by, note string) (in Incident, changed bool, err error)
	CDRs(ctx context.Context, q Query) (Page[CDR], error)
	// WriteCDRs writes all of them as CSV that no spreadsheet takes for formulas.
	WriteCDRs(ctx context.Context, q Query, w io.Writer) error
	Calls(ctx context.Context, q Query) (Page[Call], error)
	// Call returns the calls of that Call-ID, or with that key: a fork has several.
	Call(ctx context.Context, id string) ([]Story, error)
	Search(ctx context.Context, text string) (Found, error)
	Report(ctx context.Context, q ReportQuery) (Report, error)
	Reconciliations(ctx context.Context, q Query) (Page[Reconciliation], error)
	// Switch pauses, or resumes, sending for a node, "" = all. It works without
	// PostgreSQL.
	Switch(ctx context.Context, pause bool, node, by, reason string) ([]Switch, error)
	// Changes returns the changes numbered above after up to until, in order, at
	// most limit. A limit of 0 asks for the end alone.
	Changes(ctx context.Context, after, until int64, limit int) (Changes, error)

	// Audit keeps an entry. It does not wait for long; what PostgreSQL cannot take
	// now is kept until it can.
	Audit(ctx context.Context, e AuditEntry)
	AuditLog(ctx context.Context, q Query) (Page[AuditEntry], error)
}
