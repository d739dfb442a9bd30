package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
)

// Instance is what one byeguard last said of itself.
type Instance struct {
	ID     string          `db:"id"`
	SeenAt time.Time       `db:"seen_at"` // PostgreSQL's clock
	Age    float64         `db:"age"`     // seconds since, on the same clock
	Status json.RawMessage `db:"status"`
}

// PutStatus keeps what a byeguard says of itself. It tries once.
func (s *Store) PutStatus(ctx context.Context, id string, status []byte) error {
	_, err := s.quick.ExecContext(ctx, `
insert into byeguard.instances as t (id, status) values ($1, $2::text::jsonb)
on conflict (id) do update set status = excluded.status, seen_at = clock_timestamp()`, Escape(id), string(status))
	if err != nil {
		return fmt.Errorf("keep the status in database %s: %w", s.target, err)
	}
	return nil
}

// DropStatus forgets a byeguard that ends, and those not heard of for a day.
func (s *Store) DropStatus(ctx context.Context, id string) error {
	_, err := s.quick.ExecContext(ctx, `
delete from byeguard.instances where id = $1 or seen_at < clock_timestamp() - interval '1 day'`, Escape(id))
	if err != nil {
		return fmt.Errorf("drop the status in database %s: %w", s.target, err)
	}
	return nil
}

// Instances returns what all byeguards of this database last said.
func (s *Store) Instances(ctx context.Context) ([]Instance, error) {
	var rows []Instance
	err := s.read(ctx, "status of byeguards", func(tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &rows, `
select id, seen_at, extract(epoch from clock_timestamp() - seen_at)::float8 as age, status from byeguard.instances order by id`)
	})
	return rows, err
}

// Clock asks PostgreSQL for its time. took is how long the answer took.
func (s *Store) Clock(ctx context.Context) (at time.Time, took time.Duration, err error) {
	began := time.Now()
	if err = s.quick.QueryRowContext(ctx, "select clock_timestamp()").Scan(&at); err != nil {
		return time.Time{}, 0, fmt.Errorf("ask database %s for the time: %w", s.target, err)
	}
	return at, time.Since(began), nil
}

// NodeNames returns the nodes that the database has heard of.
func (s *Store) NodeNames(ctx context.Context) ([]string, error) {
	var names []string
	err := s.read(ctx, "names of nodes", func(tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &names, "select name from byeguard.nodes order by name")
	})
	for i := range names {
		names[i] = Unescape(names[i])
	}
	return names, err
}

// Shared returns the nodes that other byeguards than this one serve too, or did
// within the last day. It tries once.
func (s *Store) Shared(ctx context.Context, id string) ([]string, error) {
	var names []string
	err := s.quick.SelectContext(ctx, &names, `
select distinct n->>'name' from byeguard.instances, jsonb_array_elements(status->'nodes') n
where id <> $1 and seen_at > clock_timestamp() - interval '1 day'`, Escape(id))
	if err != nil {
		return nil, fmt.Errorf("look for other byeguards in database %s: %w", s.target, err)
	}
	return names, nil
}
