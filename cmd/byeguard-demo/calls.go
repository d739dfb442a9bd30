package main

import (
	"context"
	"fmt"
	"time"

	"github.com/byeguard/byeguard/pkg/lab"
)

const (
	// quiet is how long the demo goes on looking when all seems done: a wrong
	// BYE would come one grace time (250 ms) or one repetition (1 s) later.
	quiet = 1500 * time.Millisecond
	// callLimit bounds what each step with calls takes in all.
	callLimit = 5 * time.Minute
)

// place places n calls with Call-IDs that people can read.
func (s *show) place(ctx context.Context, text, name string, first, n int) ([]lab.Pair, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	st := s.steps.begin(text, n)
	pairs, err := lab.PlaceCalls(ctx, lab.LoadOptions{
		Callers: []*lab.UA{s.caller}, Callees: []*lab.UA{s.callee}, Calls: n,
		Options: func(i int) lab.CallOptions {
			st.at(i)
			return lab.CallOptions{CallID: fmt.Sprintf("%s-%04d", name, first+i)}
		},
	})
	if err == nil {
		st.at(n)
	}
	return pairs, st.end(err)
}

// placeStaying places the calls that must outlive the demo.
func (s *show) placeStaying(ctx context.Context) (err error) {
	n := s.opts.stay()
	s.stayed, err = s.place(ctx, fmt.Sprintf("placing %d calls that stay up", n), "stay", 1, n)
	return err
}

// round places calls, has Kamailio end them, and waits until all is settled.
func (s *show) round(ctx context.Context, round int) error {
	n, mark := s.opts.calls, ""
	if round > 1 {
		mark = fmt.Sprintf(" (round %d)", round)
	}
	pairs, err := s.place(ctx, fmt.Sprintf("placing %d calls%s", n, mark), "call", len(s.ended)+1, n)
	if err != nil {
		return err
	}
	s.ended = append(s.ended, pairs...)
	if err := s.endCalls(ctx, n, mark); err != nil {
		return err
	}
	return s.settle(ctx)
}

// endCalls tells Kamailio to end all calls but those that stay, as an
// operator's timer does.
func (s *show) endCalls(ctx context.Context, n int, mark string) error {
	stay := make(map[string]bool)
	for _, p := range s.stayed {
		stay[p.Caller.CallID()] = true
	}
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	st := s.steps.begin("telling Kamailio to end them"+mark, n)
	asked := 0
	report, err := lab.EndDialogs(ctx, s.kam.RPC(), lab.RaceParallelism, func(d lab.Dialog) bool {
		if stay[d.CallID] {
			return false
		}
		asked++
		st.at(asked)
		return true
	})
	if err == nil && (report.Asked != n || report.Failed > 0) {
		err = fmt.Errorf("end calls: %d were up, Kamailio knew %d of them and refused to end %d", n, report.Asked, report.Failed)
	}
	s.took += report.Took
	return st.end(err)
}

// settle waits until both ends of all ended calls are told and all CDRs are
// final. What is not so in time is for the judge.
func (s *show) settle(ctx context.Context) error {
	limit, cancel := context.WithTimeout(ctx, s.opts.patience)
	defer cancel()
	st := s.steps.begin("waiting until all CDRs are final", len(s.ended))
	err := poll(limit, 50*time.Millisecond, func() (bool, error) {
		var rows struct{ Final, Others, Owed int }
		err := s.db.GetContext(limit, &rows, `SELECT
			(SELECT count(*) FROM byeguard.cdrs WHERE state = 'final') AS final,
			(SELECT count(*) FROM byeguard.cdrs WHERE state <> 'final') AS others,
			(SELECT count(*) FROM byeguard.outbox WHERE state = 'pending')
				+ (SELECT count(*) FROM byeguard.incidents WHERE state <> 'resolved') AS owed`)
		if err != nil {
			return false, err
		}
		st.at(min(rows.Final, len(s.ended)))
		return rows.Final >= len(s.ended) && rows.Others >= len(s.stayed) && rows.Owed == 0 &&
			s.callee.Live() <= len(s.stayed) && s.caller.Live() <= len(s.stayed), nil
	})
	_ = st.end(err)
	// A query that the limit cut short fails with words of its own.
	if ctx.Err() == nil && limit.Err() != nil {
		return nil
	}
	return err
}

// prove goes on looking for a while, and then has each staying call carry a
// re-INVITE through Kamailio: only a call that is up at both ends answers 2xx.
func (s *show) prove(ctx context.Context) error {
	st := s.steps.begin("asking the calls that must be up", len(s.stayed))
	if err := watch(ctx, quiet); err != nil {
		return st.end(err)
	}
	for i, p := range s.stayed {
		limit, cancel := context.WithTimeout(ctx, 10*time.Second)
		reply, err := p.Caller.Reinvite(limit, lab.RequestOptions{})
		cancel()
		if err != nil && ctx.Err() != nil {
			return st.end(err)
		}
		// An agent whose call is over refuses to ask: 0 is for the judge.
		s.proofs[p.Caller.CallID()] = reply.Code
		st.at(i + 1)
	}
	return st.end(nil)
}
