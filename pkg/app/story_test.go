package app_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/byeguard/byeguard/pkg/lab"
	"github.com/byeguard/byeguard/pkg/store"
)

// maxStories bounds what a failed test tells: under load hundreds of calls may be open.
const maxStories = 5

// storyRows are the rows that a call's story is made of, as JSON.
var storyRows = []struct{ table, query string }{
	{"cdrs", `SELECT to_jsonb(t) FROM byeguard.cdrs t WHERE call_key = $1`},
	{"dialogs", `SELECT to_jsonb(t) - 'blob' FROM byeguard.dialogs t WHERE call_key = $1`},
	{"incidents", `SELECT to_jsonb(t) FROM byeguard.incidents t WHERE call_key = $1 ORDER BY id`},
	{"outbox", `SELECT to_jsonb(t) - 'request' FROM byeguard.outbox t WHERE call_key = $1 ORDER BY created_at`},
	{"events", `SELECT jsonb_strip_nulls(to_jsonb(t)) - 'call_key' FROM byeguard.events t WHERE call_key = $1 ORDER BY at, ord`},
}

// tellStories prints, for a test that failed, all that is known of each call that is
// not final or that an end point takes for live, and which dialogs each Kamailio has:
// a call that hangs says nothing of itself.
func (s *site) tellStories() {
	// The test's own time may be what ran out.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var b strings.Builder
	for _, k := range append([]*lab.Kamailio{s.kam}, s.more...) {
		list, err := lab.Dialogs(ctx, k.RPC())
		fmt.Fprintf(&b, "%s holds %d dialogs (%v)\n", k.SIPAddr, len(list), err)
		for i := 0; i < min(len(list), 4*maxStories); i++ {
			fmt.Fprintf(&b, "  %+v\n", list[i])
		}
	}
	if db, err := sqlx.Open("postgres", s.db); err != nil {
		fmt.Fprintf(&b, "no database: %v\n", err)
	} else {
		defer func() { _ = db.Close() }()
		s.storiesOf(ctx, db, &b)
	}
	for _, ua := range []*lab.UA{s.caller, s.callee} {
		for _, v := range ua.Violations() {
			fmt.Fprintf(&b, "%s saw a violation: %+v\n", ua.Name(), v)
		}
	}
	s.t.Log("calls that are up or not final:\n" + b.String())
}

// agentsOf prints what the end points say of a call.
func (s *site) agentsOf(callID string, b *strings.Builder) {
	for _, ua := range []*lab.UA{s.caller, s.callee} {
		if c := ua.Find(callID); c != nil {
			r := c.Record()
			fmt.Fprintf(b, "  %s: %s, ended by %q at %s\n", ua.Name(), r.State, r.EndedBy, stamp(r.Ended))
			for _, bye := range r.Byes {
				fmt.Fprintf(b, "    BYE sent=%t cseq=%d peer=%s at %s: %d at %s %s\n",
					bye.Sent, bye.CSeq, bye.Peer, stamp(bye.At), bye.Code, stamp(bye.ReplyAt), bye.Violated)
			}
		}
	}
}

func stamp(t time.Time) string { return t.UTC().Format("15:04:05.000000") }

// up lists the calls that an end point takes for live.
func (s *site) up() (ids []string) {
	for _, ua := range []*lab.UA{s.caller, s.callee} {
		for _, c := range ua.Calls() {
			if c.State().Live() {
				ids = append(ids, store.Escape(c.CallID()))
			}
		}
	}
	return ids
}

func (s *site) storiesOf(ctx context.Context, db *sqlx.DB, b *strings.Builder) {
	var keys []struct {
		Key    []byte `db:"call_key"`
		CallID string `db:"call_id"`
	}
	if err := db.SelectContext(ctx, &keys, `SELECT call_key, call_id FROM byeguard.cdrs WHERE state <> 'final'
		UNION SELECT call_key, call_id FROM byeguard.dialogs WHERE state <> 'done'
		UNION SELECT call_key, call_id FROM byeguard.cdrs WHERE call_id = ANY($1) ORDER BY 2`, pq.Array(s.up())); err != nil {
		fmt.Fprintf(b, "cannot read the calls: %v\n", err)
		return
	}
	for i, k := range keys {
		if i == maxStories {
			fmt.Fprintf(b, "and %d more\n", len(keys)-i)
			return
		}
		fmt.Fprintf(b, "call %s (%x)\n", k.CallID, k.Key)
		s.agentsOf(k.CallID, b)
		for _, r := range storyRows {
			var rows []string
			if err := db.SelectContext(ctx, &rows, r.query, k.Key); err != nil {
				fmt.Fprintf(b, "  %s: %v\n", r.table, err)
			}
			for _, row := range rows {
				fmt.Fprintf(b, "  %s %s\n", r.table, row)
			}
		}
	}
}
