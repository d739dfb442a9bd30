package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// AuditEntry is a change by HTTP, or the try of one.
type AuditEntry struct {
	ID       int64     `db:"id"`
	At       time.Time `db:"at"`
	Instance string    `db:"instance"`
	Who      string    `db:"who"`
	Role     string    `db:"role"`
	Via      string    `db:"via"`
	Remote   string    `db:"remote"`
	Action   string    `db:"action"`
	Target   string    `db:"target"`
	Detail   string    `db:"detail"`
	Outcome  string    `db:"outcome"`
	Request  string    `db:"request"`
}

// PutAudit keeps an entry, once however often it is told.
func (s *Store) PutAudit(ctx context.Context, e *AuditEntry) error {
	_, err := s.db.ExecContext(ctx, `insert into byeguard.audit_log
(at, instance, who, role, via, remote, action, target, detail, outcome, request)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict (request) do nothing`,
		e.At.UTC(), Escape(e.Instance), Escape(e.Who), e.Role, e.Via, Escape(e.Remote), e.Action, Escape(e.Target), Escape(e.Detail), Escape(e.Outcome), e.Request)
	if err != nil {
		return fmt.Errorf("write the audit log in database %s: %w", s.target, err)
	}
	return nil
}

// ListAudit returns the audit log, newest first; of the filter Since, Until, Limit
// and After count.
func (s *Store) ListAudit(ctx context.Context, f Filter) (list []AuditEntry, err error) {
	f = Filter{Since: f.Since, Until: f.Until, Limit: f.Limit, After: f.After}
	w := f.where("at", "id", "bigint")
	err = s.read(ctx, "audit log", func(tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &list, fmt.Sprintf(`select id, at, instance, who, role, via, remote, action, target, detail, outcome, request
from byeguard.audit_log%s order by at desc, id desc limit %d`, w, f.limit()), w.args...)
	})
	return list, err
}
