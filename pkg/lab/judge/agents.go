package judge

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/byeguard/byeguard/pkg/lab"
)

// FromRecords is a call as its two agents recorded it.
func FromRecords(caller, callee *lab.Record) Call {
	return Call{ID: caller.CallID, Caller: end(caller, callee), Callee: end(callee, caller)}
}

func end(r, peer *lab.Record) End {
	e := End{Up: r.State.Live(), Began: r.Invited, Answered: r.Answered, Ended: r.Ended}
	for i := range r.Byes {
		b := &r.Byes[i]
		if b.Sent {
			if e.SentBye.IsZero() {
				e.SentBye = b.At
			}
			continue
		}
		e.Byes = append(e.Byes, Bye{
			At: b.At, Ahead: int64(b.CSeq) - int64(peer.LocalCSeq),
			Ended: r.EndedBy == "remote" && !b.Late && b.Violated == "" && (b.Code/100 == 2 || b.Code == 481),
		})
	}
	for i := range r.Violations {
		v := &r.Violations[i]
		// A number that the peer never reached is somebody else's request. One
		// that is the last itself is the peer's own request again, by way of a
		// proxy that was restarted and does not know it any more.
		if v.Kind == lab.ViolationCSeq && v.CSeq <= peer.LocalCSeq && v.CSeq < v.Last {
			e.Upset = append(e.Upset, v.String())
		}
	}
	return e
}

// Records reads all rows of byeguard.cdrs.
func Records(ctx context.Context, db *sqlx.DB) ([]Record, error) {
	var rows []struct {
		CallID      string        `db:"call_id"`
		State       string        `db:"state"`
		Disposition string        `db:"disposition"`
		ReleasedBy  string        `db:"released_by"`
		Repaired    bool          `db:"repaired"`
		RepairedLeg string        `db:"repaired_leg"`
		Duration    sql.NullInt64 `db:"duration_ms"`
	}
	err := db.SelectContext(ctx, &rows, `SELECT call_id, state, disposition, released_by, repaired, repaired_leg, duration_ms
		FROM byeguard.cdrs ORDER BY call_id`)
	if err != nil {
		return nil, fmt.Errorf("read CDRs: %w", err)
	}
	records := make([]Record, 0, len(rows))
	for i := range rows {
		r := &rows[i]
		duration := -time.Millisecond
		if r.Duration.Valid {
			duration = time.Duration(r.Duration.Int64) * time.Millisecond
		}
		records = append(records, Record{
			CallID: r.CallID, Final: r.State == "final", Disposition: r.Disposition, ReleasedBy: r.ReleasedBy,
			Repaired: r.Repaired, RepairedLeg: r.RepairedLeg, Duration: duration,
		})
	}
	return records, nil
}

// OpenIncidents reads how many incidents of each call are open, by Call-ID; ""
// are those that belong to no call.
func OpenIncidents(ctx context.Context, db *sqlx.DB) (map[string]int, error) {
	var rows []struct {
		CallID string `db:"call_id"`
		N      int    `db:"n"`
	}
	err := db.SelectContext(ctx, &rows, `SELECT call_id, count(*) AS n FROM byeguard.incidents WHERE state <> 'resolved' GROUP BY call_id`)
	if err != nil {
		return nil, fmt.Errorf("read incidents: %w", err)
	}
	open := make(map[string]int, len(rows))
	for _, r := range rows {
		open[r.CallID] += r.N
	}
	return open, nil
}
