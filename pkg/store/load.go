package store

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/lib/pq"
	"golang.org/x/sync/errgroup"

	"github.com/byeguard/byeguard/pkg/call"
)

// Load hands every live call of the nodes (nil: of all) to f, in no order, so
// that byeguard can go on after a restart. The rows are streamed: memory does
// not grow with their number. An error of f ends it. A row that cannot be
// decoded is logged and passed over: one bad row must not keep byeguard from
// guarding the others. The calls are f's from then on.
func (s *Store) Load(ctx context.Context, nodes []string, f func(*call.Call) error) error {
	query, args := "select call_key, blob from byeguard.dialogs", []any(nil)
	if nodes != nil {
		query, args = query+" where node = any($1)", []any{pq.Array(escapeAll(nodes))}
	}
	// Decoding costs more than reading: it goes on beside it.
	type job struct{ key, blob []byte }
	jobs, calls := make(chan []job, 4), make(chan []*call.Call, 4)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(jobs)
		batch := make([]job, 0, loadBatch)
		hand := func() error {
			select {
			case jobs <- batch:
				batch = make([]job, 0, loadBatch)
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		err := s.blobs(ctx, query, args, func(key, blob []byte) error {
			if batch = append(batch, job{key, blob}); len(batch) < loadBatch {
				return nil
			}
			return hand()
		})
		if err != nil {
			return err
		}
		return hand()
	})
	var decoders sync.WaitGroup
	for range 2 {
		decoders.Add(1)
		group.Go(func() error {
			defer decoders.Done()
			for batch := range jobs {
				out := make([]*call.Call, 0, len(batch))
				for _, j := range batch {
					c, err := decodeCall(j.blob)
					if err != nil {
						s.log.WithError(err).WithField("call", fmt.Sprintf("%x", j.key)).Error("live call in the database cannot be read: passed over")
						continue
					}
					out = append(out, c)
				}
				select {
				case calls <- out:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
	}
	group.Go(func() error { decoders.Wait(); close(calls); return nil })
	for batch := range calls {
		for i := range batch {
			if err := f(batch[i]); err != nil {
				cancel()
				_ = group.Wait() // ended by this very error
				return err
			}
		}
	}
	return group.Wait()
}

// loadBatch is how many rows are decoded at once.
const loadBatch = 256

// PendingCommands hands every command of the nodes (nil: of all) to f that was
// written down and has no result yet, oldest first: they may or may not have
// been sent before the restart.
func (s *Store) PendingCommands(ctx context.Context, nodes []string, f func(call.Command) error) error {
	query, args := "select call_key, request from byeguard.outbox where state = 'pending'", []any(nil)
	if nodes != nil {
		query, args = query+" and node = any($1)", []any{pq.Array(escapeAll(nodes))}
	}
	return s.blobs(ctx, query+" order by created_at, id", args, func(key, blob []byte) error {
		c, err := decodeCommand(blob)
		if err != nil {
			s.log.WithError(err).WithField("call", fmt.Sprintf("%x", key)).Error("pending command in the database cannot be read: passed over")
			return nil
		}
		return f(c)
	})
}

// WithdrawOrphans closes the commands of the nodes that were never answered and
// whose call is accounted for: nobody waits for them.
func (s *Store) WithdrawOrphans(ctx context.Context, nodes []string) error {
	_, err := s.db.ExecContext(ctx, `
update byeguard.outbox o set state = 'withdrawn', done_at = now()
where state = 'pending' and node = any($1) and not exists (select 1 from byeguard.dialogs d where d.call_key = o.call_key)`,
		pq.Array(escapeAll(nodes)))
	if err != nil {
		return fmt.Errorf("close old commands in database %s: %w", s.target, err)
	}
	return nil
}

func (s *Store) blobs(ctx context.Context, query string, args []any, f func(key, blob []byte) error) (err error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("load from database %s: %w", s.target, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var key, blob []byte
		if err := rows.Scan(&key, &blob); err != nil {
			return fmt.Errorf("load from database %s: %w", s.target, err)
		}
		if err := f(key, blob); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("load from database %s: %w", s.target, err)
	}
	return nil
}

func escapeAll(in []string) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = Escape(s)
	}
	return out
}
