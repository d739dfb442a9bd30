package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// Lease says which byeguard acts for a node.
type Lease struct {
	Node     string `db:"node"`
	Instance string `db:"instance"` // "" = given up
	Session  string `db:"session"`  // one run of that instance
	Epoch    int64  `db:"epoch"`    // grows with each change of the holder
	Renewed  int64  `db:"renewed"`  // grows while the holder lives
	Written  int64  `db:"written_at"`
}

// lockTimeout bounds the wait for a row that a stopped holder's transaction
// may hold; the next round tries again.
const lockTimeout = "set local lock_timeout = '600ms'"

// RenewLeases tells that the session lives, and returns the leases of the nodes
// as they are now. written says up to which moment on each node's clock (Unix
// µs) all is stored.
func (s *Store) RenewLeases(ctx context.Context, session string, nodes []string) ([]Lease, error) {
	names, written := make([]string, len(nodes)), make([]int64, len(nodes))
	for i, n := range nodes {
		names[i], written[i] = Escape(n), s.roles.writtenUpto(n)
	}
	var pid any
	var start any
	if b := s.backend.Load(); b != nil {
		pid, start = b.pid, b.start
	}
	var rows []Lease
	err := inTx(ctx, s.quick, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, lockTimeout); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `
update byeguard.leases l set renewed = renewed + 1, written_at = greatest(written_at, i.written),
  writer_pid = $4, writer_start = $5
from unnest($2::text[], $3::bigint[]) as i (node, written) where l.node = i.node and l.session = $1`,
			session, pq.Array(names), pq.Array(written), pid, start); err != nil {
			return err
		}
		return tx.SelectContext(ctx, &rows, `
select node, instance, session, epoch, renewed, written_at from byeguard.leases where node = any($1)`, pq.Array(names))
	})
	if err != nil {
		return nil, fmt.Errorf("renew the lease in database %s: %w", s.target, err)
	}
	for i := range rows {
		rows[i].Node, rows[i].Instance = Unescape(rows[i].Node), Unescape(rows[i].Instance)
	}
	return rows, nil
}

// TakeLease makes the session the holder of a node, if the lease is still as it
// was seen; the zero Lease means that there is none. It ends the connection that
// the holder before writes by, so that nothing of it is under way any more. ok
// is false if somebody was faster or the holder lives.
func (s *Store) TakeLease(ctx context.Context, node, instance, session string, seen Lease) (epoch int64, ok bool, err error) {
	name := Escape(node)
	if seen.Epoch > 0 {
		// Of our own role this is allowed. Without the right, the old holder's
		// transaction ends by itself, or by the server's time-outs.
		_, _ = s.quick.ExecContext(ctx, `
select pg_terminate_backend(a.pid) from byeguard.leases l join pg_stat_activity a on a.pid = l.writer_pid and a.backend_start = l.writer_start
where l.node = $1 and l.epoch = $2 and l.renewed = $3`, name, seen.Epoch, seen.Renewed)
	}
	err = inTx(ctx, s.quick, func(tx *sqlx.Tx) error {
		if _, err := tx.ExecContext(ctx, lockTimeout); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `
insert into byeguard.leases (node, instance, session, epoch) values ($1, '', '', 0) on conflict do nothing`, name); err != nil {
			return err
		}
		// Not before writers of the old epoch are through: they hold the row for
		// key share.
		var have struct{ Epoch, Renewed int64 }
		if err := tx.GetContext(ctx, &have, "select epoch, renewed from byeguard.leases where node = $1 for update", name); err != nil {
			return err
		}
		if have.Epoch != seen.Epoch || have.Renewed != seen.Renewed {
			return nil
		}
		ok = true
		return tx.GetContext(ctx, &epoch, `
update byeguard.leases set instance = $2, session = $3, epoch = epoch + 1, renewed = 0, taken_at = clock_timestamp(),
  writer_pid = null, writer_start = null where node = $1 returning epoch`, name, Escape(instance), session)
	})
	if err != nil {
		return 0, false, fmt.Errorf("take the lease of node %s in database %s: %w", node, s.target, err)
	}
	return epoch, ok, nil
}

// GiveUpLeases ends what the session holds: a standby takes over at once.
func (s *Store) GiveUpLeases(ctx context.Context, session string) error {
	_, err := s.quick.ExecContext(ctx, `
update byeguard.leases set instance = '', session = '', renewed = renewed + 1 where session = $1`, session)
	if err != nil {
		return fmt.Errorf("give up the lease in database %s: %w", s.target, err)
	}
	return nil
}

// backend is the server's side of the connection that writes.
type backend struct {
	pid   int64
	start time.Time
}
