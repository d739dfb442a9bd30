package store

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// Handling is what a person does about incidents.
type Handling struct {
	State IncidentState // IncidentAcknowledged or IncidentResolved
	By    string
	Note  string // "" leaves the note that is there
}

// HandleIncidents moves incidents on as a person asks: those that are there
// already, or further, stay as they are. It returns the incidents as they are
// then, by number; numbers that there are not are left out.
func (s *Store) HandleIncidents(ctx context.Context, ids []int64, h Handling) (changed int64, list []Incident, err error) {
	return s.handle(ctx, "id = any($1)", pq.Array(ids), h)
}

// HandleAllIncidents is HandleIncidents for all that are open and that the
// filter's Since, Until, Node and CallID, and kind ("" = any), allow. It returns
// none of them.
func (s *Store) HandleAllIncidents(ctx context.Context, f Filter, kind string, h Handling) (changed int64, err error) {
	f.State = ""
	w := f.where("opened_at", "id", "bigint")
	if kind != "" {
		w.add("kind = ?", kind)
	}
	cond := w.String()
	if len(cond) > len(" where ") {
		cond = cond[len(" where "):]
	} else {
		cond = "true"
	}
	return s.handleWhere(ctx, cond, w.args, h)
}

func (s *Store) handle(ctx context.Context, cond string, ids any, h Handling) (changed int64, list []Incident, err error) {
	if changed, err = s.handleWhere(ctx, cond, []any{ids}, h); err != nil {
		return 0, nil, err
	}
	err = s.read(ctx, "incidents", func(tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &list, "select "+incidentColumns+" from byeguard.incidents where "+cond+" order by id", ids)
	})
	return changed, list, err
}

func (s *Store) handleWhere(ctx context.Context, cond string, args []any, h Handling) (int64, error) {
	n := len(args)
	set := fmt.Sprintf("state = 'acknowledged', acked_at = clock_timestamp(), acked_by = $%d", n+1)
	from := "state = 'open'"
	if h.State == IncidentResolved {
		set = fmt.Sprintf("state = 'resolved', resolved_at = clock_timestamp(), resolved_by = $%d", n+1)
		from = "state <> 'resolved'"
	}
	res, err := s.db.ExecContext(ctx, fmt.Sprintf(`update byeguard.incidents set %s, updated_at = clock_timestamp(),
note = case when $%d = '' then note else $%d end where %s and (%s)`, set, n+2, n+2, from, cond), append(args, Escape(h.By), Escape(h.Note))...)
	if err != nil {
		return 0, fmt.Errorf("change incidents in database %s: %w", s.target, err)
	}
	return res.RowsAffected()
}
