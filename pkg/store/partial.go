package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// insertPartials makes one partial record of each answered call that is up and
// has outlived another whole multiple of $1 (in µs) since its last one. The
// shadow is what is live; the record is locked before it is read.
const insertPartials = `
with live as (
  select d.call_key from byeguard.dialogs d
  where d.answered_at < $2::timestamptz - $1::bigint * interval '1 microsecond' and d.ended_at is null
), due as (
  select c.call_key, c.started, n.part
  from byeguard.cdrs c
  cross join lateral (select floor(extract(epoch from $2::timestamptz - c.answered_at) * 1000000 / $1::bigint)::int as part) n
  where c.call_key = any(array(select call_key from live)) and c.state = 'open' and c.ended_at is null and n.part > c.parts
), marked as (
  update byeguard.cdrs c set parts = due.part from due
  where c.call_key = due.call_key and c.started = due.started and c.state = 'open'
  returning c.*
)
insert into byeguard.cdr_partials (call_key, part, until, record)
select m.call_key, m.parts, m.answered_at + m.parts * $1::bigint * interval '1 microsecond', to_jsonb(m) from marked m
on conflict (call_key, part) do nothing`

// MakePartials makes the partial records that are due at now, one a call at most,
// and returns how many. A call whose end was seen has none any more.
func (s *Store) MakePartials(ctx context.Context, every time.Duration, now time.Time) (made int64, err error) {
	err = s.tx(ctx, func(tx *sqlx.Tx) error {
		// Numbers are taken under the writer's lock, see cdr_seq.
		if _, err := tx.ExecContext(ctx, fmt.Sprintf("set local lock_timeout = '10s'; select pg_advisory_xact_lock(%d)", cdrLock)); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, insertPartials, every.Microseconds(), now.UTC())
		if err != nil {
			return err
		}
		made, err = res.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("make partial records: %w", err)
	}
	return made, nil
}

// housekeep does what the writer must not wait for, until ctx ends.
func (s *Store) housekeep(ctx context.Context) {
	select {
	case <-s.link.once:
	case <-ctx.Done():
		return
	}
	retain := time.NewTimer(0)
	defer retain.Stop()
	var partials <-chan time.Time
	if every := s.opts.LongCallEvery; every > 0 {
		// Often enough to be on time, not so often that reading all live calls shows.
		t := time.NewTicker(min(max(every/10, time.Minute), 15*time.Minute))
		defer t.Stop()
		partials = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-retain.C:
			s.retain(ctx)
			retain.Reset(maintainEvery)
		case <-partials:
			if _, err := s.MakePartials(ctx, s.opts.LongCallEvery, time.Now()); err != nil && ctx.Err() == nil {
				s.log.WithError(err).Warn("cannot make partial records of long calls; trying again")
			}
		}
	}
}
