package store

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/byeguard/byeguard/pkg/call"
)

// FiledIncident is an incident that no call raised and no daemon writes: what a
// comparison of records found.
type FiledIncident struct {
	Key      call.Key // what it is about; there is one open incident of a kind about it
	Node     string   // "" = of all
	Kind     call.IncidentKind
	Severity call.Severity
	Reason   string
	Detail   string // one sentence for people
}

// FileIncidents opens incidents in one transaction; those that are open already get
// the new detail. settled names what was open and is not any more, with the words
// for it. Alerts follow, as of any other incident.
func (s *Store) FileIncidents(ctx context.Context, list []FiledIncident, settled []call.Key, words string) (opened, resolved int64, err error) {
	err = inTx(ctx, s.db, func(tx *sqlx.Tx) error {
		for i := range list {
			in := &list[i]
			res, err := tx.ExecContext(ctx, `update byeguard.incidents set detail = $4, severity = $5, updated_at = clock_timestamp()
where call_key = $1 and kind = $2 and leg = $3 and state <> 'resolved'`, in.Key[:], string(in.Kind), "", Escape(in.Detail), string(in.Severity))
			if err != nil {
				return err
			}
			if n, err := res.RowsAffected(); err != nil || n > 0 {
				if err != nil {
					return err
				}
				continue
			}
			res, err = tx.ExecContext(ctx, `insert into byeguard.incidents (call_key, call_id, node, kind, severity, state, leg, reason, detail, opened_at, updated_at)
values ($1, '', $2, $3, $4, 'open', '', $5, $6, clock_timestamp(), clock_timestamp())
on conflict (call_key, kind, leg) where state <> 'resolved' do nothing`,
				in.Key[:], Escape(in.Node), string(in.Kind), string(in.Severity), Escape(in.Reason), Escape(in.Detail))
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			opened += n
		}
		keys := make(pq.ByteaArray, len(settled))
		for i := range settled {
			keys[i] = settled[i][:]
		}
		res, err := tx.ExecContext(ctx, `update byeguard.incidents set state = 'resolved', detail = $2, resolved_at = clock_timestamp(), updated_at = clock_timestamp()
where call_key = any($1) and state <> 'resolved'`, keys, Escape(words))
		if err != nil {
			return err
		}
		resolved, err = res.RowsAffected()
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("file incidents in database %s: %w", s.target, err)
	}
	return opened, resolved, nil
}
