package store

import (
	"context"
	"time"
)

// upsertIncidents updates what is open and inserts the rest. An incident that
// opened and was resolved within one flush is inserted as resolved, so that it
// is seen and counted.
const upsertIncidents = `
with i as (
  select * from unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::timestamptz[], $10::timestamptz[], $11::bool[], $12::bool[])
    as i (call_key, call_id, node, kind, severity, leg, reason, detail, opened_at, updated_at, opens, resolved)
), updated as (
  update byeguard.incidents t set
    severity = case when i.opens then i.severity else t.severity end,
    reason = case when i.reason <> '' then i.reason else t.reason end,
    detail = i.detail, -- of a resolved one: how it was resolved
    state = case when i.resolved then 'resolved' else t.state end,
    updated_at = i.updated_at,
    resolved_at = case when i.resolved then i.updated_at end
  from i
  where t.call_key = any($1) and t.call_key = i.call_key and t.kind = i.kind and t.leg = i.leg and t.state <> 'resolved'
  returning t.call_key, t.kind, t.leg
)
insert into byeguard.incidents (call_key, call_id, node, kind, severity, state, leg, reason, detail, opened_at, updated_at, resolved_at)
select call_key, call_id, node, kind, severity, case when resolved then 'resolved' else 'open' end, leg, reason, detail,
  opened_at, updated_at, case when resolved then updated_at end
from i
where opens and not exists (select 1 from updated u where u.call_key = i.call_key and u.kind = i.kind and u.leg = i.leg)
  -- One that was over before another byeguard died: it has written it.
  and not (i.resolved and exists (select 1 from byeguard.incidents x where x.call_key = any($1) and x.call_key = i.call_key
    and x.kind = i.kind and x.leg = i.leg and x.state = 'resolved' and x.opened_at between i.opened_at - interval '10 s' and i.opened_at + interval '10 s'))
order by opened_at, call_id, kind, leg -- the order of the ids
on conflict (call_key, kind, leg) where state <> 'resolved' do nothing`

// writeIncidents goes in rounds, since one statement may touch an incident
// only once: nearly always there is one round or none.
func (w *writer) writeIncidents(ctx context.Context, es []*entry) error {
	for round := 0; ; round++ {
		cols := w.incidents.begin(oidBytea, oidText, oidText, oidText, oidText, oidText, oidText, oidText,
			oidTimestamptz, oidTimestamptz, oidBool, oidBool)
		for _, e := range es {
			for i := range e.incidents {
				op := &e.incidents[i]
				if roundOf(e.incidents, i) != round {
					continue
				}
				cols[0].key(e.key)
				for j, s := range [...]string{op.callID, op.node, string(op.Kind), string(op.Severity),
					op.Leg.String(), string(op.reason), op.Detail} {
					cols[1+j].text(Escape(s))
				}
				cols[8].micros(max(op.at, 1))
				cols[9].micros(max(op.updated, 1))
				cols[10].bool(op.opens)
				cols[11].bool(op.Resolved)
			}
		}
		if w.incidents.len() == 0 {
			return nil
		}
		if err := w.exec(ctx, upsertIncidents, w.incidents.params()...); err != nil {
			return err
		}
	}
}

// roundOf counts the earlier operations on the same incident.
func roundOf(ops []incidentOp, i int) (n int) {
	for j := range i {
		if ops[j].Kind == ops[i].Kind && ops[j].Leg == ops[i].Leg {
			n++
		}
	}
	return n
}

const insertCommands = `
insert into byeguard.outbox (call_key, id, node, leg, attempt, cseq, reason, state, code, created_at, done_at, request)
select * from unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::int[], $6::bigint[], $7::text[], $8::text[],
  $9::int[], $10::timestamptz[], $11::timestamptz[], $12::bytea[])
on conflict (call_key, id) do nothing`

// state says what a result means: only a 2xx or a 481 (gone already)
// did what the command was for.
func (op *commandOp) state() string {
	switch code := op.code; {
	case op.withdrawn:
		return string(CommandWithdrawn)
	case code >= 200 && code < 300 || code == 481:
		return string(CommandDone)
	}
	return string(CommandFailed)
}

func (w *writer) openCommands(ctx context.Context, es []*entry) error {
	cols := w.opened.begin(oidBytea, oidText, oidText, oidText, oidInt4, oidInt8, oidText, oidText,
		oidInt4, oidTimestamptz, oidTimestamptz, oidBytea)
	for _, e := range es {
		for i := range e.commands {
			op := &e.commands[i]
			if !op.opens {
				continue
			}
			w.blob.Reset()
			if err := encodeTo(&w.blob, &op.Command); err != nil {
				return err
			}
			cols[0].key(e.key)
			cols[1].text(Escape(op.id))
			cols[2].text(Escape(op.Node))
			cols[3].text(op.Leg.String())
			cols[4].int4(op.Attempt)
			cols[5].int8(int64(op.CSeq))
			cols[6].text(string(op.Reason))
			cols[9].micros(max(op.at, 1))
			if op.closes {
				cols[7].text(op.state())
				cols[8].int4(op.code)
				cols[10].micros(max(op.doneAt, 1))
			} else {
				cols[7].text(string(CommandPending))
				cols[8].null()
				cols[10].null()
			}
			cols[11].bytes(w.blob.Bytes())
		}
	}
	if w.opened.len() == 0 {
		return nil
	}
	return w.exec(ctx, insertCommands, w.opened.params()...)
}

const closeCommands = `
update byeguard.outbox t set state = i.state, code = i.code, done_at = i.done_at
from unnest($1::bytea[], $2::text[], $3::text[], $4::int[], $5::timestamptz[]) as i (call_key, id, state, code, done_at)
where t.call_key = any($1) and t.call_key = i.call_key and t.id = i.id and t.state = 'pending'`

// closeCommands ends commands, those written by an earlier run or by a second
// store included.
func (w *writer) closeCommands(ctx context.Context, es []*entry) error {
	cols := w.closed.begin(oidBytea, oidText, oidText, oidInt4, oidTimestamptz)
	for _, e := range es {
		for i := range e.commands {
			if op := &e.commands[i]; op.closes {
				cols[0].key(e.key)
				cols[1].text(Escape(op.id))
				cols[2].text(op.state())
				cols[3].int4(op.code)
				cols[4].micros(max(op.doneAt, 1))
			}
		}
	}
	if w.closed.len() == 0 {
		return nil
	}
	return w.exec(ctx, closeCommands, w.closed.params()...)
}

const upsertNode = `
insert into byeguard.nodes as t (name, boot, last_seq, last_event_at, connected, detail)
values ($1, coalesce($2::bigint, 0), coalesce($3::bigint, 0), $4::timestamptz, coalesce($5::bool, false), coalesce($6::text, ''))
on conflict (name) do update set boot = coalesce($2, t.boot), last_seq = coalesce($3, t.last_seq),
  last_event_at = coalesce($4, t.last_event_at), connected = coalesce($5, t.connected),
  detail = coalesce($6, t.detail), updated_at = now()`

func (w *writer) writeNodes(ctx context.Context, nodes map[string]nodeSeen) error {
	for name, n := range nodes {
		args := []any{Escape(name), nil, nil, nil, nil, nil}
		if n.hasEvent {
			args[1], args[2] = n.boot, int64(n.seq)
			args[3] = time.UnixMicro(clampMicros(n.at)).UTC()
		}
		if n.hasState {
			args[4], args[5] = n.connected, Escape(n.detail)
		}
		if err := w.exec(ctx, upsertNode, args...); err != nil {
			return err
		}
	}
	return nil
}
