package store

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/byeguard/byeguard/pkg/billing"
)

// IncidentFacts is an incident and what the call's record says.
type IncidentFacts struct {
	Incident
	Row billing.Row // State is "" where the call has no record, or there is no call
}

// incidentFacts is a row of factColumns.
type incidentFacts struct {
	Incident
	C struct {
		Found bool `db:"found"`
		CDR
	} `db:"c"`
}

func (f *incidentFacts) facts() IncidentFacts {
	out := IncidentFacts{Incident: f.Incident}
	if f.C.Found {
		out.Row = f.C.Row()
	}
	return out
}

// factColumns and factJoin read incidents "i" with their calls' newest records.
const factColumns = `i.id, encode(i.call_key, 'hex') as key, i.call_id, i.node, i.kind, i.severity, i.state, i.leg, i.reason, i.detail,
i.opened_at, i.updated_at, i.resolved_at, i.acked_at, i.acked_by, i.resolved_by, i.note,
c.call_key is not null as "c.found", coalesce(encode(c.call_key, 'hex'), '') as "c.key", coalesce(c.state, '') as "c.state",
coalesce(c.disposition, '') as "c.disposition", coalesce(c.node, '') as "c.node", coalesce(c.call_id, '') as "c.call_id",
coalesce(c.caller_uri, '') as "c.caller_uri", coalesce(c.callee_uri, '') as "c.callee_uri",
coalesce(c.caller_addr, '') as "c.caller_addr", coalesce(c.callee_addr, '') as "c.callee_addr",
coalesce(c.started, 'epoch') as "c.started", c.answered_at as "c.answered_at", c.ended_at as "c.ended_at", c.duration_ms as "c.duration_ms",
c.caller_end as "c.caller_end", coalesce(c.caller_how, '') as "c.caller_how", c.callee_end as "c.callee_end",
coalesce(c.callee_how, '') as "c.callee_how", coalesce(c.released_by, '') as "c.released_by", c.closed_at as "c.closed_at",
coalesce(c.repaired, false) as "c.repaired", coalesce(c.repaired_leg, '') as "c.repaired_leg", coalesce(c.revision, 1) as "c.revision"`

const factJoin = ` left join lateral (select * from byeguard.cdrs where call_key = i.call_key order by started desc limit 1) c on true`

// ListIncidentFacts is ListIncidents with what the calls' records say.
func (s *Store) ListIncidentFacts(ctx context.Context, f Filter) (list []IncidentFacts, err error) {
	w := f.incidents()
	err = s.read(ctx, "incidents", func(tx *sqlx.Tx) error {
		rows, err := tx.QueryxContext(ctx, fmt.Sprintf(`select %s from (select * from byeguard.incidents%s order by opened_at desc, id desc limit %d) i%s
order by i.opened_at desc, i.id desc`, factColumns, w, f.limit(), factJoin), w.args...)
		if err != nil {
			return err
		}
		return eachFact(rows, func(in *IncidentFacts) { list = append(list, *in) })
	})
	return list, err
}

// GetIncidentFacts returns one incident with what its call's record says, or
// ErrNotFound.
func (s *Store) GetIncidentFacts(ctx context.Context, id int64) (in IncidentFacts, err error) {
	found := false
	err = s.read(ctx, "incident", func(tx *sqlx.Tx) error {
		rows, err := tx.QueryxContext(ctx, "select "+factColumns+" from byeguard.incidents i"+factJoin+" where i.id = $1", id)
		if err != nil {
			return err
		}
		return eachFact(rows, func(one *IncidentFacts) { in, found = *one, true })
	})
	if err == nil && !found {
		err = fmt.Errorf("incident %d: %w", id, ErrNotFound)
	}
	return in, err
}

func eachFact(rows *sqlx.Rows, f func(*IncidentFacts)) error {
	defer rows.Close()
	for rows.Next() {
		var row incidentFacts
		if err := rows.StructScan(&row); err != nil {
			return err
		}
		in := row.facts()
		f(&in)
	}
	return rows.Err()
}
