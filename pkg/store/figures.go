package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// Figures are what only PostgreSQL knows, for metrics. They are of all nodes.
type Figures struct {
	OpenCDRs      int64
	Pending       int64      // commands without an outcome
	OldestPending *time.Time // nil: there is none
	News          int64      // changes of incidents that were not filed under a message yet
	Messages      []AlertCount
	Incidents     []IncidentCount
	Closed        []ClosedCount
	Upto          int64 // the last number that Closed goes by
}

// IncidentCount is how many incidents are not resolved.
type IncidentCount struct {
	Kind  string `db:"kind"`
	State string `db:"state"`
	Count int64  `db:"count"`
}

// ClosedCount is how many records were closed after a number in the order of
// hand-over.
type ClosedCount struct {
	State string `db:"state"` // final, late or corrected
	Count int64  `db:"count"`
}

// closedAtOnce bounds the records that one look counts; the next one goes on.
const closedAtOnce = 100_000

// Figures reads them; after is Upto of the last time, negative = begin with
// what is closed from now on. late is from when on a record counts as late.
// patience bounds it, on the server too.
func (s *Store) Figures(ctx context.Context, after int64, late, patience time.Duration) (f Figures, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience+time.Second)
	defer cancel()
	err = s.read(ctx, "figures", func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, fmt.Sprintf("set local statement_timeout = %d", patience.Milliseconds())); err != nil {
			return err
		}
		// Open records have no number, and the index on numbers holds the nulls apart.
		err := tx.QueryRowxContext(ctx, `select (select count(*) from byeguard.cdrs where seq is null),
  (select count(*) from byeguard.outbox where state = 'pending'), (select min(created_at) from byeguard.outbox where state = 'pending'),
  (select count(*) from byeguard.alert_news)`).Scan(&f.OpenCDRs, &f.Pending, &f.OldestPending, &f.News)
		if err != nil {
			return err
		}
		if err := tx.SelectContext(ctx, &f.Messages, `select route, state, count(*) as count, min(created_at) as oldest
from byeguard.alerts where state <> 'sent' group by 1, 2 order by 1, 2`); err != nil {
			return err
		}
		if err := tx.SelectContext(ctx, &f.Incidents, `select kind, state, count(*) as count
from byeguard.incidents where state <> 'resolved' group by 1, 2 order by 1, 2`); err != nil {
			return err
		}
		if after < 0 {
			return tx.GetContext(ctx, &f.Upto, "select case when is_called then last_value else 0 end from byeguard.cdr_seq")
		}
		f.Upto = after
		rows := []struct {
			ClosedCount
			Upto int64 `db:"upto"`
		}{}
		err = tx.SelectContext(ctx, &rows, fmt.Sprintf(`select case when revision > 1 then 'corrected'
  when closed_at - ended_at > $2 * interval '1 microsecond' then 'late' else 'final' end as state, count(*) as count, max(seq) as upto
from (select seq, revision, closed_at, ended_at from byeguard.cdrs where seq > $1 order by seq limit %d) c group by 1`, closedAtOnce),
			after, late.Microseconds())
		for i := range rows {
			f.Closed = append(f.Closed, rows[i].ClosedCount)
			f.Upto = max(f.Upto, rows[i].Upto)
		}
		return err
	})
	return f, err
}
