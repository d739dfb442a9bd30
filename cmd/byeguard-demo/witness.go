package main

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/byeguard/byeguard/cmd/byeguard-demo/internal/judge"
	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/lab"
)

// judge gathers the evidence and has it judged.
func (s *show) judge(ctx context.Context) (judge.Verdict, error) {
	e := judge.Evidence{Step: app.DefaultConfig().CSeqStep}
	for _, p := range s.ended {
		e.Calls = append(e.Calls, s.seen(p, false))
	}
	for _, p := range s.stayed {
		e.Calls = append(e.Calls, s.seen(p, true))
	}
	for _, ua := range []*lab.UA{s.caller, s.callee} {
		for _, v := range ua.Violations() {
			e.Violations = append(e.Violations, ua.Name()+" saw "+v.String())
		}
	}
	dialogs, err := lab.Dialogs(ctx, s.kam.RPC())
	if err != nil {
		return judge.Verdict{}, fmt.Errorf("ask Kamailio for its dialogs: %w", err)
	}
	for _, d := range dialogs {
		if d.State == 3 || d.State == 4 { // confirmed; 5 is deleted
			e.Held = append(e.Held, d.CallID)
		}
	}
	if e.Records, err = s.records(ctx); err != nil {
		return judge.Verdict{}, err
	}
	err = s.db.SelectContext(ctx, &e.Incidents, `SELECT kind || ' of ' || call_id || ': ' || detail
		FROM byeguard.incidents WHERE state <> 'resolved' ORDER BY id`)
	if err != nil {
		return judge.Verdict{}, fmt.Errorf("read incidents: %w", err)
	}
	return judge.Judge(e), nil
}

// seen is what both agents recorded of a call.
func (s *show) seen(p lab.Pair, stay bool) judge.Call {
	caller, callee := p.Caller.Record(), p.Callee.Record()
	return judge.Call{
		ID: caller.CallID, Stay: stay, Proof: s.proofs[caller.CallID],
		Caller: end(&caller, &callee), Callee: end(&callee, &caller),
	}
}

func end(r, peer *lab.Record) judge.End {
	e := judge.End{Up: r.State.Live(), Answered: r.Answered, Ended: r.Ended}
	for _, b := range r.ByesReceived() {
		e.Byes = append(e.Byes, judge.Bye{At: b.At, Ahead: int64(b.CSeq) - int64(peer.LocalCSeq)})
	}
	return e
}

// records reads all CDRs.
func (s *show) records(ctx context.Context) ([]judge.Record, error) {
	var rows []struct {
		CallID      string        `db:"call_id"`
		State       string        `db:"state"`
		Disposition string        `db:"disposition"`
		ReleasedBy  string        `db:"released_by"`
		Repaired    bool          `db:"repaired"`
		RepairedLeg string        `db:"repaired_leg"`
		Duration    sql.NullInt64 `db:"duration_ms"`
	}
	err := s.db.SelectContext(ctx, &rows, `SELECT call_id, state, disposition, released_by, repaired, repaired_leg, duration_ms
		FROM byeguard.cdrs ORDER BY call_id`)
	if err != nil {
		return nil, fmt.Errorf("read CDRs: %w", err)
	}
	var records []judge.Record
	for i := range rows {
		r := &rows[i]
		duration := -time.Millisecond
		if r.Duration.Valid {
			duration = time.Duration(r.Duration.Int64) * time.Millisecond
		}
		records = append(records, judge.Record{
			CallID: r.CallID, Final: r.State == "final", Disposition: r.Disposition, ReleasedBy: r.ReleasedBy,
			Repaired: r.Repaired, RepairedLeg: r.RepairedLeg, Duration: duration,
		})
	}
	return records, nil
}

// complaints counts the lines of Kamailio's own log that say that it did not
// send a BYE. Its words differ by version (5.6, and 5.7 to 6.0), and versions
// that say nothing exist.
func (s *show) complaints() int {
	return len(s.kam.LogLines("terminating non-confirmed dialogs not supported")) +
		len(s.kam.LogLines("already in deleted state, BYE not sent"))
}
