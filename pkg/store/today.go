package store

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"
)

// Counts are figures of all calls that began since some time.
type Counts struct {
	Attempts, Answered int64
	Open               map[string]int64 // incidents that are not resolved, of any time, by severity
}

// Count counts calls and open incidents.
func (s *Store) Count(ctx context.Context, since time.Time) (c Counts, err error) {
	c.Open = map[string]int64{}
	err = s.read(ctx, "figures of the day", func(tx *sqlx.Tx) error {
		if err := tx.QueryRowxContext(ctx, `select count(*), count(*) filter (where disposition <> 'failed')
from byeguard.cdrs where started >= $1 and started > '-infinity'`, since.UTC()).Scan(&c.Attempts, &c.Answered); err != nil {
			return err
		}
		var rows []struct {
			Severity string `db:"severity"`
			N        int64  `db:"n"`
		}
		err := tx.SelectContext(ctx, &rows, "select severity, count(*) as n from byeguard.incidents where state <> 'resolved' group by severity")
		for _, r := range rows {
			c.Open[r.Severity] = r.N
		}
		return err
	})
	return c, err
}

// troubled is the condition on records of calls of which a side may not have been
// told of the end; billing has the last word.
const troubled = "(repaired or attempts > 0 or caller_how = 'unconfirmed' or callee_how = 'unconfirmed' or " +
	"caller_end - ended_at >= interval '1 s' or callee_end - ended_at >= interval '1 s')"
