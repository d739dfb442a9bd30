package main

import (
	"context"
	"fmt"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/lab"
	"github.com/byeguard/byeguard/pkg/lab/judge"
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
	if e.Records, err = judge.Records(ctx, s.db); err != nil {
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
	c := judge.FromRecords(&caller, &callee)
	c.Stay, c.Proof = stay, s.proofs[c.ID]
	return c
}

// complaints counts the lines of Kamailio's own log that say that it did not
// send a BYE. Its words differ by version (5.6, and 5.7 to 6.0), and versions
// that say nothing exist.
func (s *show) complaints() int {
	return len(s.kam.LogLines("terminating non-confirmed dialogs not supported")) +
		len(s.kam.LogLines("already in deleted state, BYE not sent"))
}
