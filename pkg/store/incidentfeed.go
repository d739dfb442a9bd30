package store

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"
)

// IncidentChange is an incident as its newest change left it. Numbers are given in
// the order in which changes are committed: who has seen one will never see a
// lower one come.
type IncidentChange struct {
	Number int64
	IncidentFacts
}

// IncidentFeed is a part of the changes of incidents.
type IncidentFeed struct {
	ID   string // names the database that the numbers belong to, see [Feed.ID]
	End  int64  // number of the newest change that is committed; 0 = none
	Last int64  // highest number ever given: a cursor above it is of another database
	List []IncidentChange
	More bool // there are more than the limit
}

const feedEnd = `select (select id from byeguard.cdr_feed) as id,
(select coalesce(max(change), 0) from byeguard.incidents) as "end", (select last_value from byeguard.incident_seq) as last`

// IncidentChanges returns the changes numbered above after, up to until, in order,
// limit of them at most; 0 asks for the end alone. An incident that was changed
// several times is there once, under its newest number.
func (s *Store) IncidentChanges(ctx context.Context, after, until int64, limit int) (f IncidentFeed, err error) {
	// Most looks find nothing: no transaction is begun for them.
	var row struct {
		ID   string `db:"id"`
		End  int64  `db:"end"`
		Last int64  `db:"last"`
	}
	if err := s.db.GetContext(ctx, &row, feedEnd); err != nil {
		return f, fmt.Errorf("read changes of incidents: %w", err)
	}
	if limit > 0 && row.End > after {
		err = s.read(ctx, "changes of incidents", func(tx *sqlx.Tx) error {
			if err := tx.GetContext(ctx, &row, feedEnd); err != nil {
				return err
			}
			f.List, err = changesBetween(ctx, tx, after, until, limit+1)
			return err
		})
	}
	f.ID, f.End, f.Last = row.ID, row.End, row.Last
	if len(f.List) > limit {
		f.List, f.More = f.List[:limit], true
	}
	return f, err
}

func changesBetween(ctx context.Context, tx *sqlx.Tx, after, until int64, limit int) (list []IncidentChange, err error) {
	rows, err := tx.QueryxContext(ctx, fmt.Sprintf(`select i.change as "n.change", %s
from (select * from byeguard.incidents where change > $1 and change <= $2 order by change limit %d) i%s order by i.change`,
		factColumns, limit, factJoin), after, until)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var row struct {
			N struct {
				Change int64 `db:"change"`
			} `db:"n"`
			incidentFacts
		}
		if err := rows.StructScan(&row); err != nil {
			return nil, err
		}
		list = append(list, IncidentChange{Number: row.N.Change, IncidentFacts: row.facts()})
	}
	return list, rows.Err()
}
