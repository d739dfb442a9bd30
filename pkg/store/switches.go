package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/byeguard/byeguard/pkg/control"
)

// SwitchChange is one row of the record of who paused and resumed.
type SwitchChange struct {
	At      time.Time      `db:"at"`
	Action  control.Action `db:"action"`
	Kind    control.Kind   `db:"kind"`
	Node    string         `db:"node"`
	By      string         `db:"by_whom"`
	Reason  string         `db:"reason"`
	Changed int            `db:"changed"`
}

// Switches returns what holds sending back.
func (s *Store) Switches(ctx context.Context) ([]control.Switch, error) {
	rows, err := switches(ctx, s.quick)
	if err != nil {
		return nil, fmt.Errorf("read switches from database %s: %w", s.target, err)
	}
	return rows, nil
}

func switches(ctx context.Context, q sqlx.QueryerContext) ([]control.Switch, error) {
	var rows []struct {
		Node   string    `db:"node"`
		Kind   string    `db:"kind"`
		By     string    `db:"by_whom"`
		Reason string    `db:"reason"`
		At     time.Time `db:"set_at"`
	}
	if err := sqlx.SelectContext(ctx, q, &rows, "select node, kind, by_whom, reason, set_at from byeguard.switches order by set_at, node, kind"); err != nil {
		return nil, err
	}
	out := make([]control.Switch, len(rows))
	for i, r := range rows {
		out[i] = control.Switch{Node: Unescape(r.Node), Kind: control.Kind(r.Kind), By: Unescape(r.By), Reason: Unescape(r.Reason), At: r.At}
	}
	return out, nil
}

// doOp makes one change and records it. Its id makes a second time harmless.
const doOp = `
with told as (
  insert into byeguard.switch_log (op, asked_at, action, kind, node, by_whom, reason, changed)
  values ($1, $2, $3, $4, $5, $6, $7, 0) on conflict (op) do nothing returning id
), made as (
  insert into byeguard.switches (node, kind, by_whom, reason)
  select $5, $4, $6, $7 from told where $3 = 'set'
  on conflict (node, kind) do nothing returning 1
), gone as (
  delete from byeguard.switches w using told where $3 = 'clear' and ($5 = '' or w.node = $5) returning 1
)
select (select count(*) from told) as told, (select count(*) from made) + (select count(*) from gone) as changed`

// DoSwitch makes a change of the switches and records it, once however often it
// is asked for. It returns how many switches it set or cleared, 0 where all was
// as asked for already.
func (s *Store) DoSwitch(ctx context.Context, o control.Op) (changed int, err error) {
	if err := o.Validate(); err != nil {
		return 0, err
	}
	err = inTx(ctx, s.quick, func(tx *sqlx.Tx) error {
		var row struct{ Told, Changed int }
		if err := tx.GetContext(ctx, &row, doOp, o.ID, o.At.UTC(), string(o.Action), string(o.Kind),
			Escape(o.Node), Escape(o.By), Escape(o.Reason)); err != nil {
			return err
		}
		changed = row.Changed
		if row.Told == 0 {
			return nil
		}
		_, err := tx.ExecContext(ctx, "update byeguard.switch_log set changed = $2 where op = $1", o.ID, row.Changed)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("change switches in database %s: %w", s.target, err)
	}
	return changed, nil
}

// SwitchLog returns who paused and resumed, newest first.
func (s *Store) SwitchLog(ctx context.Context, limit int) ([]SwitchChange, error) {
	var rows []SwitchChange
	err := s.read(ctx, "record of pause and resume", func(tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &rows, `select at, action, kind, node, by_whom, reason, changed
from byeguard.switch_log order by id desc limit $1`, limit)
	})
	return rows, err
}
