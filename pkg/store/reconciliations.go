package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// Reconciliation is the outcome of a comparison with another list.
type Reconciliation struct {
	ID            int64      `db:"id"`
	At            time.Time  `db:"at"` // PostgreSQL's clock
	By            string     `db:"by_whom"`
	What          string     `db:"what"` // acc, csv or live
	Source        string     `db:"source"`
	Since         *time.Time `db:"since"`
	Until         *time.Time `db:"until"`
	Node          string     `db:"node"`
	Carrier       string     `db:"carrier"`
	Calls         int64      `db:"calls"`
	Discrepancies int64      `db:"discrepancies"`
	Lines         []byte     `db:"lines"` // JSON
}

// PutReconciliation keeps the outcome of a comparison.
func (s *Store) PutReconciliation(ctx context.Context, r *Reconciliation) error {
	utc := func(t *time.Time) any {
		if t == nil {
			return nil
		}
		return t.UTC()
	}
	_, err := s.db.ExecContext(ctx, `insert into byeguard.reconciliations
(by_whom, what, source, since, until, node, carrier, calls, discrepancies, lines)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::jsonb)`, Escape(r.By), r.What, Escape(r.Source), utc(r.Since), utc(r.Until),
		Escape(r.Node), Escape(r.Carrier), r.Calls, r.Discrepancies, string(r.Lines))
	if err != nil {
		return fmt.Errorf("keep the reconciliation in database %s: %w", s.target, err)
	}
	return nil
}

// ListReconciliations returns comparisons, newest first; of the filter Since,
// Until, Limit and After count.
func (s *Store) ListReconciliations(ctx context.Context, f Filter) (list []Reconciliation, err error) {
	f = Filter{Since: f.Since, Until: f.Until, Limit: f.Limit, After: f.After}
	w := f.where("at", "id", "bigint")
	err = s.read(ctx, "reconciliations", func(tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &list, fmt.Sprintf(`select id, at, by_whom, what, source, since, until, node, carrier, calls, discrepancies, lines::text as lines
from byeguard.reconciliations%s order by at desc, id desc limit %d`, w, f.limit()), w.args...)
	})
	return list, err
}
