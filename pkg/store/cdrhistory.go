package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/byeguard/byeguard/pkg/billing"
	"github.com/byeguard/byeguard/pkg/call"
)

// CDRHistory is a call's record and all that it said before.
type CDRHistory struct {
	CDR       CDR          `json:"cdr"`
	Revisions []CDR        `json:"revisions"` // replaced ones, oldest first
	Partials  []CDRPartial `json:"partials"`
}

// CDRPartial is a partial record of a long call.
type CDRPartial struct {
	Key   string    `db:"key" json:"-"`
	Part  int       `db:"part" json:"part"`
	Seq   int64     `db:"seq" json:"seq"`
	Until time.Time `db:"until" json:"until"` // the time up to which it counts
	Made  time.Time `db:"made_at" json:"made"`
}

// CDRHistories returns the records of the calls with that Call-ID, or with that
// key in hex, oldest first. ErrNotFound says that there is none.
func (s *Store) CDRHistories(ctx context.Context, id string) (list []CDRHistory, err error) {
	err = s.read(ctx, "CDR", func(tx *sqlx.Tx) error {
		keys, err := findCalls(ctx, tx, id)
		if err != nil || len(keys) == 0 {
			return err
		}
		var cdrs, revisions []CDR
		var partials []CDRPartial
		for _, q := range []struct {
			into  any
			query string
		}{
			{&cdrs, "select " + cdrColumns + " from byeguard.cdrs where call_key = any($1) order by started, call_key"},
			{&revisions, "select " + cdrColumns + ` from (select c.* from byeguard.cdr_revisions v
cross join lateral jsonb_populate_record(null::byeguard.cdrs, v.record) c where v.call_key = any($1)) c order by revision`},
			{&partials, "select encode(call_key, 'hex') as key, part, seq, until, made_at from byeguard.cdr_partials where call_key = any($1) order by part"},
		} {
			if err := tx.SelectContext(ctx, q.into, q.query, keys); err != nil {
				return err
			}
		}
		for _, c := range cdrs {
			h := CDRHistory{CDR: c, Revisions: []CDR{}, Partials: []CDRPartial{}}
			for _, r := range revisions {
				if r.Key == c.Key {
					h.Revisions = append(h.Revisions, r)
				}
			}
			for _, p := range partials {
				if p.Key == c.Key {
					h.Partials = append(h.Partials, p)
				}
			}
			list = append(list, h)
		}
		return nil
	})
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("record of call %q: %w", Escape(id), ErrNotFound)
	}
	return list, err
}

// Row returns the record as billing reckons with it.
func (c *CDR) Row() billing.Row {
	r := billing.Row{
		Started: c.Started.UnixMicro(), Revision: c.Revision, Why: c.Why,
		State: c.State, Disposition: c.Disposition, Node: Unescape(c.Node), CallID: Unescape(c.CallID),
		CallerTag: Unescape(c.CallerTag), CalleeTag: Unescape(c.CalleeTag),
		CallerURI: Unescape(c.CallerURI), CalleeURI: Unescape(c.CalleeURI),
		CallerAddr: Unescape(c.CallerAddr), CalleeAddr: Unescape(c.CalleeAddr),
		Setup: micros(c.Setup), Answered: micros(c.Answered), Confirmed: micros(c.Confirmed), Ended: micros(c.Ended),
		DurationMS: -1, CallerEnd: micros(c.CallerEnd), CallerHow: c.CallerHow, CalleeEnd: micros(c.CalleeEnd), CalleeHow: c.CalleeHow,
		Closed: micros(c.Closed), Released: c.ReleasedBy, Code: c.Code, Cause: Unescape(c.Cause),
		Repaired: c.Repaired, RepairedLeg: c.RepairedLeg, RepairWhy: c.RepairWhy, Attempts: c.Attempts, NotSeen: c.NotSeen,
	}
	if key, ok := call.ParseKey(c.Key); ok {
		r.Key = key
	}
	if c.Seq != nil {
		r.Seq = *c.Seq
	}
	if c.DurationMS != nil {
		r.DurationMS = *c.DurationMS
	}
	return r
}

func micros(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return t.UnixMicro()
}
