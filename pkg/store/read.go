package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/byeguard/byeguard/pkg/billing"
)

// ErrNotFound says that nothing has that name.
var ErrNotFound = errors.New("not found")

// ErrNoAnswer says that PostgreSQL took longer than Options.ReadTimeout.
var ErrNoAnswer = errors.New("no answer")

// Filter narrows a list. Zero fields do not narrow.
type Filter struct {
	Since  time.Time // of the call's start, or the incident's opening; included
	Until  time.Time // excluded
	Node   string    // raw text, as in the configuration
	CallID string    // raw bytes
	State  string    // as the list's own states are called
	Limit  int       // 0 = 100
	After  Cursor    // goes on after the last row of an earlier page

	CDRs      CDRFilter      // of CDRs only; of live calls its Number too
	Incidents IncidentFilter // of incidents only
}

// IncidentFilter narrows lists of incidents further. Zero fields do not narrow.
type IncidentFilter struct {
	Kind       string // a call.IncidentKind
	Severity   string
	Unresolved bool // open and acknowledged ones
}

// CDRFilter narrows lists and exports of CDRs further; State of the Filter is a
// billing.RecordState there. Zero fields do not narrow.
type CDRFilter struct {
	Number     string        // digits that stand in the caller's or callee's number
	ReleasedBy string        // a call.Releaser
	Repaired   *bool         // whether byeguard had to close a side
	LateAfter  time.Duration // what makes a record late: billing.Rates.LateAfter; 0 = nothing
	Troubled   bool          // only calls of which a side may not have been told of the end
}

// Cursor marks a row in a list; the zero value is before the first.
type Cursor struct {
	At time.Time
	ID string // Dialog.Key, CDR.Key, or the Incident's ID in decimal
}

// DefaultLimit is the length of a list whose Filter has no Limit.
const DefaultLimit = 100

// where builds the conditions of a list: newest first by the time column and,
// among equals, by id.
type where struct {
	conds []string
	args  []any
}

func (w *where) add(cond string, args ...any) {
	for _, a := range args {
		w.args = append(w.args, a)
		cond = strings.Replace(cond, "?", fmt.Sprintf("$%d", len(w.args)), 1)
	}
	w.conds = append(w.conds, cond)
}

func (f *Filter) where(at, id, idType string) *where {
	w := &where{}
	if !f.Since.IsZero() {
		w.add(at+" >= ?", f.Since.UTC())
	}
	if !f.Until.IsZero() {
		w.add(at+" < ?", f.Until.UTC())
	}
	if f.Node != "" {
		w.add("node = ?", Escape(f.Node))
	}
	if f.CallID != "" {
		w.add("call_id = ?", Escape(f.CallID))
	}
	if f.State != "" {
		w.add("state = ?", f.State)
	}
	if f.After != (Cursor{}) {
		f.after(w, at, id, idType)
	}
	return w
}

func (f *Filter) after(w *where, at, id, idType string) {
	value := "?::" + idType
	if idType == "bytea" {
		value = "decode(?, 'hex')"
	}
	// The bound on the time alone lets an index help.
	w.add(at+" <= ?", f.After.At.UTC())
	w.add("("+at+", "+id+") < (?, "+value+")", f.After.At.UTC(), f.After.ID)
}

// cdrs builds the conditions on CDRs, without After.
func (f *Filter) cdrs() *where {
	g := *f
	g.State, g.After = "", Cursor{}
	w := g.where("started", "", "")
	const closedAfter = "closed_at - coalesce(ended_at, closed_at) > ? * interval '1 microsecond'"
	late := f.CDRs.LateAfter.Microseconds()
	if late == 0 {
		late = math.MaxInt64 / 1000
	}
	switch billing.RecordState(f.State) {
	case billing.RecordOpen:
		w.add("state = 'open'")
	case billing.RecordFinal:
		w.add("state = 'final' and revision = 1 and not ("+closedAfter+")", late)
	case billing.RecordLate:
		w.add("state = 'final' and revision = 1 and "+closedAfter, late)
	case billing.RecordCorrected:
		w.add("state = 'final' and revision > 1")
	}
	if f.CDRs.ReleasedBy != "" {
		w.add("released_by = ?", f.CDRs.ReleasedBy)
	}
	if f.CDRs.Repaired != nil {
		w.add("repaired = ?", *f.CDRs.Repaired)
	}
	if f.CDRs.Troubled {
		w.add(troubled)
	}
	f.CDRs.number(w)
	return w
}

func (f *CDRFilter) number(w *where) {
	if n := f.Number; n != "" {
		// Before the @, so that no address matches; position knows no wildcards.
		w.add("(position(? in split_part(caller_uri, '@', 1)) > 0 or position(? in split_part(callee_uri, '@', 1)) > 0)", n, n)
	}
}

// incidents builds the conditions on incidents.
func (f *Filter) incidents() *where {
	w := f.where("opened_at", "id", "bigint")
	if f.Incidents.Kind != "" {
		w.add("kind = ?", f.Incidents.Kind)
	}
	if f.Incidents.Severity != "" {
		w.add("severity = ?", f.Incidents.Severity)
	}
	if f.Incidents.Unresolved {
		w.add("state <> 'resolved'")
	}
	return w
}

func (w *where) String() string {
	if len(w.conds) == 0 {
		return ""
	}
	return " where " + strings.Join(w.conds, " and ")
}

func (f *Filter) limit() int {
	if f.Limit <= 0 {
		return DefaultLimit
	}
	return f.Limit
}

// read runs f in a read-only snapshot that the server ends after ReadTimeout.
func (s *Store) read(ctx context.Context, what string, f func(*sqlx.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.ReadTimeout+time.Second)
	defer cancel()
	tx, err := s.db.BeginTxx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err == nil {
		_, err = tx.ExecContext(ctx, fmt.Sprintf("set local statement_timeout = %d", s.opts.ReadTimeout.Milliseconds()))
		if err == nil {
			err = f(tx)
		}
		_ = tx.Rollback() // it has only read
	}
	if pe, ok := errors.AsType[*pq.Error](err); ok && pe.Code == pqerror.QueryCanceled && ctx.Err() == nil {
		return fmt.Errorf("read %s: %w within %s: ask for a shorter time", what, ErrNoAnswer, s.opts.ReadTimeout)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	return nil
}

// Texts in the types below are as the database has them: [Escape]d, so valid
// UTF-8 without NUL, but possibly with other control characters.

// Dialog is a live call as the shadow has it.
type Dialog struct {
	Key           string         `db:"key" json:"key"` // call.Key in hex
	Version       int64          `db:"version" json:"version"`
	Node          string         `db:"node" json:"node"`
	State         string         `db:"state" json:"state"`
	CallID        string         `db:"call_id" json:"call_id"`
	CallerTag     string         `db:"caller_tag" json:"caller_tag"`
	CalleeTag     string         `db:"callee_tag" json:"callee_tag"`
	CallerURI     string         `db:"caller_uri" json:"caller_uri"`
	CalleeURI     string         `db:"callee_uri" json:"callee_uri"`
	CallerContact string         `db:"caller_contact" json:"caller_contact"`
	CalleeContact string         `db:"callee_contact" json:"callee_contact"`
	CallerState   string         `db:"caller_state" json:"caller_state"`
	CalleeState   string         `db:"callee_state" json:"callee_state"`
	ProxyDialogs  pq.StringArray `db:"proxy_dialogs" json:"proxy_dialogs"` // node/h_entry:h_id
	OpenIncidents int            `db:"open_incidents" json:"open_incidents"`
	NotSeen       string         `db:"not_seen" json:"not_seen,omitempty"` // call.Touch, "" = all was seen
	Started       time.Time      `db:"started" json:"started"`
	Setup         *time.Time     `db:"setup_at" json:"setup,omitempty"`
	Answered      *time.Time     `db:"answered_at" json:"answered,omitempty"`
	Ended         *time.Time     `db:"ended_at" json:"ended,omitempty"`
	Updated       time.Time      `db:"updated_at" json:"updated"`
}

const dialogColumns = `encode(call_key, 'hex') as key, version, node, state, call_id, caller_tag, callee_tag,
caller_uri, callee_uri, caller_contact, callee_contact, caller_state, callee_state, proxy_dialogs, open_incidents, not_seen,
started, setup_at, answered_at, ended_at, updated_at`

// ListDialogs returns live calls, newest first.
func (s *Store) ListDialogs(ctx context.Context, f Filter) (list []Dialog, err error) {
	w := f.where("started", "call_key", "bytea")
	f.CDRs.number(w)
	err = s.read(ctx, "dialogs", func(tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &list, fmt.Sprintf("select %s from byeguard.dialogs%s order by started desc, call_key desc limit %d",
			dialogColumns, w, f.limit()), w.args...)
	})
	return list, err
}

// GetDialog returns the live calls with that key (in hex) or Call-ID: a fork
// has several. ErrNotFound says that none is live.
func (s *Store) GetDialog(ctx context.Context, id string) (list []Dialog, err error) {
	err = s.read(ctx, "dialog", func(tx *sqlx.Tx) error {
		keys, err := findCalls(ctx, tx, id)
		if err != nil || len(keys) == 0 {
			return err
		}
		return tx.SelectContext(ctx, &list, "select "+dialogColumns+" from byeguard.dialogs where call_key = any($1) order by started, call_key", keys)
	})
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("live call %q: %w", Escape(id), ErrNotFound)
	}
	return list, err
}

// findCalls returns the keys of the calls with that key or Call-ID. Every call
// that got beyond its first moment has a CDR.
func findCalls(ctx context.Context, tx *sqlx.Tx, id string) (keys pq.ByteaArray, err error) {
	var rows [][]byte
	err = tx.SelectContext(ctx, &rows, "select distinct call_key from byeguard.cdrs where call_id = $1", Escape(id))
	if key, ok := parseKey(id); ok && err == nil && len(rows) == 0 {
		rows = append(rows, key)
	}
	return rows, err
}

// CDR is a call's record.
type CDR struct {
	Key         string     `db:"key" json:"key"`
	Version     int64      `db:"version" json:"version"`
	Revision    int        `db:"revision" json:"revision"` // above 1: a final record was corrected
	Why         string     `db:"revision_reason" json:"revision_reason"`
	Seq         *int64     `db:"seq" json:"seq,omitempty"` // its place in the order of hand-over
	Parts       int        `db:"parts" json:"parts"`       // partial records handed over before
	State       string     `db:"state" json:"state"`
	Disposition string     `db:"disposition" json:"disposition"`
	Node        string     `db:"node" json:"node"`
	CallID      string     `db:"call_id" json:"call_id"`
	CallerTag   string     `db:"caller_tag" json:"caller_tag"`
	CalleeTag   string     `db:"callee_tag" json:"callee_tag"`
	CallerURI   string     `db:"caller_uri" json:"caller_uri"`
	CalleeURI   string     `db:"callee_uri" json:"callee_uri"`
	CallerAddr  string     `db:"caller_addr" json:"caller_addr"` // "ip:port" its messages come from
	CalleeAddr  string     `db:"callee_addr" json:"callee_addr"`
	Started     time.Time  `db:"started" json:"started"`
	Setup       *time.Time `db:"setup_at" json:"setup,omitempty"`
	Answered    *time.Time `db:"answered_at" json:"answered,omitempty"`
	Confirmed   *time.Time `db:"confirmed_at" json:"confirmed,omitempty"`
	Ended       *time.Time `db:"ended_at" json:"ended,omitempty"`
	DurationMS  *int64     `db:"duration_ms" json:"duration_ms,omitempty"`
	CallerEnd   *time.Time `db:"caller_end" json:"caller_end,omitempty"`
	CallerHow   string     `db:"caller_how" json:"caller_how"`
	CalleeEnd   *time.Time `db:"callee_end" json:"callee_end,omitempty"`
	CalleeHow   string     `db:"callee_how" json:"callee_how"`
	ReleasedBy  string     `db:"released_by" json:"released_by"`
	Code        int        `db:"code" json:"code"`
	Cause       string     `db:"cause" json:"cause"`
	OverrunMS   int64      `db:"overrun_ms" json:"overrun_ms"`
	Repaired    bool       `db:"repaired" json:"repaired"`
	RepairedLeg string     `db:"repaired_leg" json:"repaired_leg"`
	RepairWhy   string     `db:"repair_why" json:"repair_why"`
	Attempts    int        `db:"attempts" json:"attempts"`
	NotSeen     string     `db:"not_seen" json:"not_seen,omitempty"` // call.Touch, "" = all was seen
	Closed      *time.Time `db:"closed_at" json:"closed,omitempty"`  // when it became final
	Updated     time.Time  `db:"updated_at" json:"updated"`
}

const cdrColumns = `encode(call_key, 'hex') as key, version, revision, revision_reason, seq, parts, closed_at, caller_addr, callee_addr, state, disposition, node, call_id, caller_tag, callee_tag,
caller_uri, callee_uri, started, setup_at, answered_at, confirmed_at, ended_at, duration_ms, caller_end, caller_how,
callee_end, callee_how, released_by, code, cause, overrun_ms, repaired, repaired_leg, repair_why, attempts, not_seen, updated_at`

// ListCDRs returns records, newest start first.
func (s *Store) ListCDRs(ctx context.Context, f Filter) (list []CDR, err error) {
	w := f.cdrs()
	if f.After != (Cursor{}) {
		f.after(w, "started", "call_key", "bytea")
	}
	w.add("started > '-infinity'") // the condition of the index cdrs_started
	err = s.read(ctx, "CDRs", func(tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &list, fmt.Sprintf("select %s from byeguard.cdrs%s order by started desc, call_key desc limit %d",
			cdrColumns, w, f.limit()), w.args...)
	})
	return list, err
}

// Incident is trouble of one leg or call.
type Incident struct {
	ID       int64         `db:"id" json:"id"`
	Key      string        `db:"key" json:"key"`
	CallID   string        `db:"call_id" json:"call_id"`
	Node     string        `db:"node" json:"node"`
	Kind     string        `db:"kind" json:"kind"`
	Severity string        `db:"severity" json:"severity"`
	State    IncidentState `db:"state" json:"state"`
	Leg      string        `db:"leg" json:"leg"`
	Reason   string        `db:"reason" json:"reason"`
	Detail   string        `db:"detail" json:"detail"`
	Opened   time.Time     `db:"opened_at" json:"opened"`
	Updated  time.Time     `db:"updated_at" json:"updated"`
	Resolved *time.Time    `db:"resolved_at" json:"resolved,omitempty"`

	Acked      *time.Time `db:"acked_at" json:"acked,omitempty"`
	AckedBy    string     `db:"acked_by" json:"acked_by,omitempty"`
	ResolvedBy string     `db:"resolved_by" json:"resolved_by,omitempty"` // a person; "" = byeguard itself
	Note       string     `db:"note" json:"note,omitempty"`               // the person's words
}

const incidentColumns = `id, encode(call_key, 'hex') as key, call_id, node, kind, severity, state, leg, reason, detail,
opened_at, updated_at, resolved_at, acked_at, acked_by, resolved_by, note`

// ListIncidents returns incidents, newest first.
func (s *Store) ListIncidents(ctx context.Context, f Filter) (list []Incident, err error) {
	w := f.incidents()
	err = s.read(ctx, "incidents", func(tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &list, fmt.Sprintf("select %s from byeguard.incidents%s order by opened_at desc, id desc limit %d",
			incidentColumns, w, f.limit()), w.args...)
	})
	return list, err
}

// GetIncident returns one incident, or ErrNotFound.
func (s *Store) GetIncident(ctx context.Context, id int64) (in Incident, err error) {
	err = s.read(ctx, "incident", func(tx *sqlx.Tx) error {
		return tx.GetContext(ctx, &in, "select "+incidentColumns+" from byeguard.incidents where id = $1", id)
	})
	if errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("incident %d: %w", id, ErrNotFound)
	}
	return in, err
}

// Command is a BYE of the outbox.
type Command struct {
	ID      string       `db:"id" json:"id"`
	Node    string       `db:"node" json:"node"`
	Leg     string       `db:"leg" json:"leg"`
	Attempt int          `db:"attempt" json:"attempt"`
	CSeq    int64        `db:"cseq" json:"cseq"`
	Reason  string       `db:"reason" json:"reason"`
	State   CommandState `db:"state" json:"state"`
	Code    *int         `db:"code" json:"code,omitempty"`
	Created time.Time    `db:"created_at" json:"created"`
	Done    *time.Time   `db:"done_at" json:"done,omitempty"`
}

// Event is a row of evidence. What is not known is zero.
type Event struct {
	At     time.Time `db:"at" json:"at"`         // the proxy's clock
	LagUS  int64     `db:"lag_us" json:"lag_us"` // byeguard saw it so many µs later
	Node   string    `db:"node" json:"node"`
	Boot   int64     `db:"boot" json:"boot,omitempty"`
	Seq    int64     `db:"seq" json:"seq,omitempty"`
	Kind   string    `db:"kind" json:"kind"`
	Src    string    `db:"src" json:"src"`
	Dst    string    `db:"dst" json:"dst,omitempty"`
	Method string    `db:"method" json:"method,omitempty"`
	CSeq   int64     `db:"cseq" json:"cseq,omitempty"`
	Code   int       `db:"code" json:"code,omitempty"`
	Reason string    `db:"reason" json:"reason,omitempty"`
	Detail Detail    `db:"detail" json:"detail"`
}

// Node is what byeguard last heard of a proxy.
type Node struct {
	Name      string     `db:"name" json:"name"`
	Boot      int64      `db:"boot" json:"boot"`
	LastSeq   int64      `db:"last_seq" json:"last_seq"`
	LastEvent *time.Time `db:"last_event_at" json:"last_event,omitempty"`
	Connected bool       `db:"connected" json:"connected"`
	Detail    string     `db:"detail" json:"detail"`
	Updated   time.Time  `db:"updated_at" json:"updated"`
}

// Nodes returns all nodes that were ever heard of, by name.
func (s *Store) Nodes(ctx context.Context) (list []Node, err error) {
	err = s.read(ctx, "nodes", func(tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &list, "select name, boot, last_seq, last_event_at, connected, detail, updated_at from byeguard.nodes order by name")
	})
	return list, err
}
