package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/call"
)

// upsertCDRs files a record under the day of its start. Should another writer
// have filed the call under another start (it saw the call begin later, say),
// that row is the one: the look-up and the insert are atomic through cdrLock.
// What this writer has filed itself needs no look-up; $35 and $36 bound the
// days that it goes through. A final record gets its number in the order of
// hand-over here: under cdrLock, so that numbers are committed in their order.
//
// A call may have several lives: two nodes see it and each has a byeguard of its
// own, or a stray BYE comes when it is long forgotten. Whoever saw it end closes
// the record, whatever it says of its start; what the others know better stays.
// A final record is corrected by the life that wrote it alone, or by one that
// saw more than its end, or repaired it. One that saw nothing but a BYE may have taken the sides
// for each other: it counts only if no record stands under the mirrored key.
const upsertCDRs = `
insert into byeguard.cdrs as t (call_key, started, version, state, disposition, node, call_id,
  caller_tag, callee_tag, caller_uri, callee_uri, setup_at, answered_at, confirmed_at, ended_at, duration_ms,
  caller_end, caller_how, callee_end, callee_how, released_by, code, cause, overrun_ms,
  repaired, repaired_leg, repair_why, attempts, caller_addr, callee_addr, not_seen, life, seq, closed_at)
select i.call_key, case when i.filed then i.started else coalesce((select c.started from byeguard.cdrs c
    where c.call_key = i.call_key and c.started >= $35::timestamptz and c.started < $36::timestamptz limit 1), i.started) end,
  version, state, disposition, node, call_id,
  caller_tag, callee_tag, caller_uri, callee_uri, setup_at, answered_at, confirmed_at, ended_at, duration_ms,
  caller_end, caller_how, callee_end, callee_how, released_by, code, cause, overrun_ms,
  repaired, repaired_leg, repair_why, attempts, caller_addr, callee_addr, not_seen, life,
  case when state = 'final' then nextval('byeguard.cdr_seq') end, case when state = 'final' then now() end
from unnest($1::bytea[], $2::timestamptz[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],
  $8::text[], $9::text[], $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[], $14::timestamptz[],
  $15::timestamptz[], $16::bigint[], $17::timestamptz[], $18::text[], $19::timestamptz[], $20::text[], $21::text[],
  $22::int[], $23::text[], $24::bigint[], $25::bool[], $26::text[], $27::text[], $28::int[], $29::text[], $30::text[], $31::text[], $32::timestamptz[],
  $33::bytea[], $34::bool[])
  as i (call_key, started, version, state, disposition, node, call_id,
  caller_tag, callee_tag, caller_uri, callee_uri, setup_at, answered_at, confirmed_at, ended_at, duration_ms,
  caller_end, caller_how, callee_end, callee_how, released_by, code, cause, overrun_ms,
  repaired, repaired_leg, repair_why, attempts, caller_addr, callee_addr, not_seen, life, mirror, filed)
where i.mirror is null or not exists (select 1 from byeguard.cdrs c
    where c.call_key = i.mirror and c.started >= $35::timestamptz and c.started < $36::timestamptz)
on conflict (call_key, started) do update set
  version = excluded.version, state = excluded.state, disposition = case when excluded.disposition = 'partial' then t.disposition else excluded.disposition end,
  caller_tag = excluded.caller_tag, callee_tag = excluded.callee_tag,
  caller_uri = coalesce(nullif(excluded.caller_uri, ''), t.caller_uri), callee_uri = coalesce(nullif(excluded.callee_uri, ''), t.callee_uri),
  setup_at = coalesce(excluded.setup_at, t.setup_at), answered_at = coalesce(excluded.answered_at, t.answered_at), confirmed_at = coalesce(excluded.confirmed_at, t.confirmed_at),
  ended_at = excluded.ended_at, duration_ms = coalesce(excluded.duration_ms, round(extract(epoch from excluded.ended_at - t.answered_at) * 1000)::bigint),
  caller_end = excluded.caller_end, caller_how = excluded.caller_how,
  callee_end = excluded.callee_end, callee_how = excluded.callee_how,
  released_by = excluded.released_by, code = excluded.code, cause = excluded.cause,
  overrun_ms = excluded.overrun_ms, repaired = excluded.repaired, repaired_leg = excluded.repaired_leg,
  repair_why = excluded.repair_why, attempts = excluded.attempts, updated_at = excluded.updated_at,
  caller_addr = coalesce(nullif(excluded.caller_addr, ''), t.caller_addr), callee_addr = coalesce(nullif(excluded.callee_addr, ''), t.callee_addr), seq = excluded.seq, closed_at = excluded.closed_at,
  not_seen = excluded.not_seen, life = excluded.life
where case
  when t.state = 'open' then t.version < excluded.version or excluded.state = 'final'
  when excluded.state = 'open' then false
  when t.life = excluded.life then t.version < excluded.version
  else t.disposition = 'partial' and excluded.disposition <> 'partial' or excluded.repaired and not t.repaired end
returning call_key, started`

// lookAround is how much earlier or later than its own start another writer
// may have filed the same call, where both know when it was set up.
const lookAround = int64(time.Hour / time.Microsecond)

// maxFiled bounds the memory of where records are filed (some 60 bytes each).
// Forgetting costs a look-up a record.
const maxFiled = 4 << 20

// writeCDRs writes the records of the batch, and notes which calls' states
// were accepted as news.
func (w *writer) writeCDRs(ctx context.Context, es []*entry) error {
	w.accepted = make(map[call.Key]int64, len(es))
	cols := w.cdrs.begin(oidBytea, oidTimestamptz, oidInt8, oidText, oidText, oidText, oidText,
		oidText, oidText, oidText, oidText, oidTimestamptz, oidTimestamptz, oidTimestamptz,
		oidTimestamptz, oidInt8, oidTimestamptz, oidText, oidTimestamptz, oidText, oidText,
		oidInt4, oidText, oidInt8, oidBool, oidText, oidText, oidInt4, oidText, oidText, oidText, oidTimestamptz,
		oidBytea, oidBool)
	since, until := int64(math.MaxInt64), time.Now().UnixMicro()
	for _, e := range es {
		if !e.hasCall {
			continue
		}
		r, ok := billing.FromCall(&e.call)
		if !ok {
			continue
		}
		at, filed := w.filedAt[e.key]
		if !filed {
			at = started(&e.call)
			since = min(since, earliest(&e.call)-lookAround)
			until = max(until, at+lookAround)
		}
		cols[0].key(r.Key)
		cols[1].micros(at)
		cols[2].int8(int64(r.Version))
		cols[3].text(string(r.State))
		cols[4].text(string(r.Disposition))
		for i, s := range [...]string{r.Node, r.CallID, r.CallerTag, r.CalleeTag, r.CallerURI, r.CalleeURI} {
			cols[5+i].text(Escape(s))
		}
		outcome(cols[11:], &r)
		cols[28].text(Escape(r.CallerAddr))
		cols[29].text(Escape(r.CalleeAddr))
		cols[30].text(e.call.Touched.String())
		cols[31].micros(started(&e.call))
		if r.Disposition == billing.DispositionPartial {
			cols[32].key(call.NewKey(r.CallID, r.CalleeTag, r.CallerTag, call.DialogID{}))
		} else {
			cols[32].null()
		}
		cols[33].bool(filed)
	}
	if w.cdrs.len() == 0 {
		return nil
	}
	return w.returning(ctx, upsertCDRs, w.cdrs.params(
		time.UnixMicro(clampMicros(since)).UTC(), time.UnixMicro(clampMicros(until)).UTC()))
}

// outcome fills the columns from setup_at on.
func outcome(cols []array, r *billing.CDR) {
	cols[0].time(r.Setup)
	cols[1].time(r.Answer)
	cols[2].time(r.Confirm)
	cols[3].time(r.End)
	if r.Answer.IsZero() || r.End.IsZero() {
		cols[4].null()
	} else {
		cols[4].int8(r.Duration.Milliseconds())
	}
	cols[5].time(r.CallerEnd)
	cols[6].text(string(r.CallerHow))
	cols[7].time(r.CalleeEnd)
	cols[8].text(string(r.CalleeHow))
	cols[9].text(string(r.Released))
	cols[10].int4(r.Code)
	cols[11].text(Escape(r.Cause))
	cols[12].int8(r.Overrun.Milliseconds())
	cols[13].bool(r.Repaired)
	cols[14].text(r.RepairedLeg.String())
	cols[15].text(string(r.RepairWhy))
	cols[16].int4(r.Attempts)
}

// returning runs a statement that returns the key and start of each record it
// wrote.
func (w *writer) returning(ctx context.Context, query string, args []any) error {
	st, err := w.stmt(ctx, query) //nolint:sqlclosecheck // kept with the connection
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var key sql.RawBytes
	var at time.Time
	for rows.Next() {
		if err := rows.Scan(&key, &at); err != nil {
			return err
		}
		if len(key) != len(call.Key{}) {
			return fmt.Errorf("a call key of %d bytes came back", len(key))
		}
		w.accepted[call.Key(key)] = at.UnixMicro()
	}
	return rows.Err()
}

// remember notes, after the commit, where the records of live calls are.
func (w *writer) remember(es []*entry) {
	if len(w.filedAt) > maxFiled {
		w.filedAt = map[call.Key]int64{}
	}
	for _, e := range es {
		if !e.hasCall {
			continue
		}
		if at, ok := w.accepted[e.key]; ok && !e.call.State.Final() {
			w.filedAt[e.key] = at
		} else {
			delete(w.filedAt, e.key)
		}
	}
}

// started is the time that a call's record is filed under.
func started(c *call.Call) int64 {
	if at := c.StartedAt(); at != 0 {
		return at
	}
	return max(c.FirstSeen, 1)
}

// earliest is when the call may have begun, 0 if that is not known: then all
// days are searched for an earlier record of it.
func earliest(c *call.Call) int64 {
	if c.SetupAt == 0 && c.State == call.StateFailed {
		return c.FirstAt // its only event
	}
	if c.SetupAt == 0 {
		return 0
	}
	return min(c.SetupAt, started(c))
}

const upsertDialogs = `
insert into byeguard.dialogs as t (call_key, version, node, state, call_id, caller_tag, callee_tag, caller_uri, callee_uri,
  caller_contact, callee_contact, caller_state, callee_state, proxy_dialogs, open_incidents,
  started, setup_at, answered_at, ended_at, blob, not_seen)
select call_key, version, node, state, call_id, caller_tag, callee_tag, caller_uri, callee_uri,
  caller_contact, callee_contact, caller_state, callee_state, string_to_array(proxy_dialogs, ' '), open_incidents,
  started, setup_at, answered_at, ended_at, blob, not_seen
from unnest($1::bytea[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
  $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::int[],
  $16::timestamptz[], $17::timestamptz[], $18::timestamptz[], $19::timestamptz[], $20::bytea[], $21::text[])
  as i (call_key, version, node, state, call_id, caller_tag, callee_tag, caller_uri, callee_uri,
  caller_contact, callee_contact, caller_state, callee_state, proxy_dialogs, open_incidents,
  started, setup_at, answered_at, ended_at, blob, not_seen)
on conflict (call_key) do update set
  version = excluded.version, node = excluded.node, state = excluded.state,
  caller_tag = excluded.caller_tag, callee_tag = excluded.callee_tag,
  caller_uri = excluded.caller_uri, callee_uri = excluded.callee_uri,
  caller_contact = excluded.caller_contact, callee_contact = excluded.callee_contact,
  caller_state = excluded.caller_state, callee_state = excluded.callee_state,
  proxy_dialogs = excluded.proxy_dialogs, open_incidents = excluded.open_incidents,
  setup_at = excluded.setup_at, answered_at = excluded.answered_at, ended_at = excluded.ended_at,
  updated_at = excluded.updated_at, blob = excluded.blob, not_seen = excluded.not_seen
where t.version < excluded.version`

// writeDialogs keeps the shadow of the live calls whose record was accepted:
// what came too late for the record must not bring a done call back to life.
func (w *writer) writeDialogs(ctx context.Context, es []*entry) error {
	cols := w.dialogs.begin(oidBytea, oidInt8, oidText, oidText, oidText, oidText, oidText, oidText,
		oidText, oidText, oidText, oidText, oidText, oidText, oidInt4,
		oidTimestamptz, oidTimestamptz, oidTimestamptz, oidTimestamptz, oidBytea, oidText)
	for _, e := range es {
		if !e.hasCall || e.call.State.Final() {
			continue
		}
		if _, news := w.accepted[e.key]; !news {
			continue
		}
		c := &e.call
		w.blob.Reset()
		if err := encodeTo(&w.blob, c); err != nil {
			return err
		}
		a, b := c.Leg(call.Caller), c.Leg(call.Callee)
		cols[0].key(c.Key)
		cols[1].int8(int64(c.Version))
		cols[2].text(Escape(c.Node))
		cols[3].text(c.State.String())
		for i, s := range [...]string{c.CallID, a.Tag, b.Tag, a.URI, b.URI, a.Contact, b.Contact} {
			cols[4+i].text(Escape(s))
		}
		cols[11].text(string(a.Status()))
		cols[12].text(string(b.Status()))
		cols[13].text(Escape(proxyDialogs(c)))
		cols[14].int4(bits.OnesCount32(c.Open))
		cols[15].micros(started(c))
		cols[16].micros(c.SetupAt)
		cols[17].micros(c.AnswerAt)
		cols[18].micros(c.EndAt)
		cols[19].bytes(w.blob.Bytes())
		cols[20].text(c.Touched.String())
	}
	if w.dialogs.len() == 0 {
		return nil
	}
	return w.exec(ctx, upsertDialogs, w.dialogs.params()...)
}

// proxyDialogs names the proxy's dialogs, node/h_entry:h_id each, separated by
// spaces (which a node's name in the list loses).
func proxyDialogs(c *call.Call) string {
	var b []byte
	for i, d := range c.Dialogs {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(b, strings.ReplaceAll(d.Node, " ", "_")...)
		b = strconv.AppendUint(append(b, '/'), uint64(d.Dialog.Entry), 10)
		b = strconv.AppendUint(append(b, ':'), uint64(d.Dialog.ID), 10)
	}
	return string(b)
}

const deleteDialogs = `
delete from byeguard.dialogs t using unnest($1::bytea[], $2::bigint[], $3::bool[]) as i (call_key, version, closed)
where t.call_key = any($1) and t.call_key = i.call_key and (t.version <= i.version or i.closed)`

// deleteDialogs removes the shadow of calls that are accounted for: also what
// another life of the call wrote, if this one closed the record.
func (w *writer) deleteDialogs(ctx context.Context, es []*entry) error {
	cols := w.ended.begin(oidBytea, oidInt8, oidBool)
	for _, e := range es {
		if e.hasCall && e.call.State.Final() {
			cols[0].key(e.key)
			cols[1].int8(int64(e.call.Version))
			_, closed := w.accepted[e.key]
			cols[2].bool(closed)
		}
	}
	if w.ended.len() == 0 {
		return nil
	}
	return w.exec(ctx, deleteDialogs, w.ended.params()...)
}
