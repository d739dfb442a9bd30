package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

const upsertPosition = `
insert into byeguard.journals as t (id, stored) values ($1, $2)
on conflict (id) do update set stored = excluded.stored, updated_at = now() where t.stored < excluded.stored`

// mark notes, with the batch itself, up to which position of the journal all is
// stored.
func (w *writer) mark(ctx context.Context, upto uint64) error {
	o := &w.s.opts
	if upto == 0 || o.Journal == "" {
		return nil
	}
	if o.Trying != nil {
		o.Trying(upto)
	}
	return w.exec(ctx, upsertPosition, o.Journal, int64(upto))
}

// StoredUpto returns up to which position of a journal all is stored, 0 where
// nothing is known of it.
func (s *Store) StoredUpto(ctx context.Context, journal string) (uint64, error) {
	var upto int64
	err := s.db.GetContext(ctx, &upto, "select stored from byeguard.journals where id = $1", journal)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("read journal position from database %s: %w", s.target, err)
	}
	return uint64(upto), nil
}
