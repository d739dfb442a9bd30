package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// AlertState says how far a message is.
type AlertState string

// States of a message.
const (
	AlertGathering AlertState = "gathering" // byeguard: it is not due yet, incidents join it
	AlertSending   AlertState = "sending"   // byeguard: until its receiver takes it, for a day
	AlertSent      AlertState = "sent"
	AlertDead      AlertState = "dead" // given up; a person may have it sent again
)

// Alert is a message to one route.
type Alert struct {
	ID        string     `db:"id" json:"id"` // its idempotency key
	Route     string     `db:"route" json:"route"`
	State     AlertState `db:"state" json:"state"`
	Created   time.Time  `db:"created_at" json:"created"`
	Due       time.Time  `db:"due_at" json:"due"` // the next try is not before
	GiveUp    time.Time  `db:"give_up_at" json:"give_up"`
	Tries     int        `db:"tries" json:"tries"`
	LastError string     `db:"last_error" json:"last_error,omitempty"`
	Sent      *time.Time `db:"sent_at" json:"sent,omitempty"`
	Severity  string     `db:"severity" json:"severity"`
	Incidents int        `db:"incidents" json:"incidents"`
	Title     string     `db:"title" json:"title"`
}

// alertColumns count the incidents of what is gathering.
const alertColumns = `a.id, a.route, a.state, a.created_at, a.due_at, a.give_up_at, a.tries, a.last_error, a.sent_at, a.severity, a.title,
case when a.message is null then (select count(*) from byeguard.alert_items i where i.alert = a.id) else a.incidents end as incidents`

// ListAlerts returns messages, newest first. Node of the filter names a route.
func (s *Store) ListAlerts(ctx context.Context, f Filter) (list []Alert, err error) {
	f.CallID = ""
	route := f.Node
	f.Node = ""
	w := f.where("created_at", "id", "text")
	if route != "" {
		w.add("route = ?", route)
	}
	err = s.read(ctx, "alerts", func(tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &list, fmt.Sprintf("select %s from byeguard.alerts a%s order by created_at desc, id desc limit %d",
			alertColumns, w, f.limit()), w.args...)
	})
	return list, err
}

// AlertClaim is a message that is to be sent now; Message is nil where it is to
// be composed.
type AlertClaim struct {
	ID      string `db:"id"`
	Tries   int    `db:"tries"`
	Message []byte `db:"message"`
}

const claimAlerts = `
with due as (
  select id from byeguard.alerts
  where route = $1 and state in ('gathering', 'sending') and due_at <= $2 and (claimed_until is null or claimed_until < clock_timestamp())
    and (node = '' or node = any($3) or not exists (select 1 from byeguard.leases l where l.node = alerts.node and l.instance <> ''))
  order by due_at, id limit $4 for update skip locked
)
update byeguard.alerts a set state = 'sending', claimed_by = $5, claimed_until = clock_timestamp() + $6 * interval '1 second', tries = a.tries + 1
from due where a.id = due.id returning a.id, a.tries, a.message`

// ClaimAlerts returns messages of a route that are due at now, and keeps other
// byeguards from them for so long. nodes are those that this one acts for.
func (s *Store) ClaimAlerts(ctx context.Context, by, route string, nodes []string, now time.Time, limit int, hold time.Duration) (list []AlertClaim, err error) {
	ctx, cancel := context.WithTimeout(ctx, alertPatience)
	defer cancel()
	err = s.db.SelectContext(ctx, &list, claimAlerts, route, now.UTC(), pq.Array(escapeAll(nodes)), limit, by, hold.Seconds())
	return list, s.alertError("claim alerts", err)
}

// ReleaseAlerts gives up what an earlier run of the same byeguard had claimed:
// nobody knows whether it was sent, so it is sent again.
func (s *Store) ReleaseAlerts(ctx context.Context, by string) error {
	ctx, cancel := context.WithTimeout(ctx, alertPatience)
	defer cancel()
	_, err := s.db.ExecContext(ctx, "update byeguard.alerts set claimed_until = null, claimed_by = '' where state = 'sending' and claimed_by = $1", by)
	return s.alertError("release alerts", err)
}

// ComposedAlert is what a message says, to be kept.
type ComposedAlert struct {
	Message         []byte // JSON
	Title, Severity string
	Incidents       int
}

// ComposeAlert hands the incidents of a message to add, in the order of their
// numbers, and keeps what done returns. nil drops the message.
func (s *Store) ComposeAlert(ctx context.Context, id string, add func(*IncidentFacts), done func() (*ComposedAlert, error)) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.ReadTimeout)
	defer cancel()
	err := inTx(ctx, s.db, func(tx *sqlx.Tx) error {
		// Repeatable: what is noted as told is what is read.
		if _, err := tx.ExecContext(ctx, "set transaction isolation level repeatable read"); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `update byeguard.alert_items t set told = i.state
from byeguard.incidents i where t.alert = $1 and i.id = t.incident`, id); err != nil {
			return err
		}
		rows, err := tx.QueryxContext(ctx, "select "+factColumns+" from byeguard.alert_items t join byeguard.incidents i on i.id = t.incident"+
			factJoin+" where t.alert = $1 order by i.id", id)
		if err != nil {
			return err
		}
		if err := eachFact(rows, add); err != nil {
			return err
		}
		c, err := done()
		if err != nil {
			return err
		}
		if c == nil {
			_, err = tx.ExecContext(ctx, "delete from byeguard.alerts where id = $1", id)
			return err
		}
		_, err = tx.ExecContext(ctx, "update byeguard.alerts set message = $2, title = $3, severity = $4, incidents = $5 where id = $1",
			id, string(c.Message), Escape(c.Title), c.Severity, c.Incidents)
		return err
	})
	return s.alertError("compose alert "+id, err)
}

// AlertSent ends a message that its receiver took.
func (s *Store) AlertSent(ctx context.Context, id string) error {
	_, err := s.db.ExecContext(ctx, `update byeguard.alerts set state = 'sent', sent_at = clock_timestamp(), claimed_until = null, last_error = ''
where id = $1`, id)
	return s.alertError("note alert "+id+" as sent", err)
}

// AlertFailed notes a try that failed, and when the next one is due. dead says
// that there is none.
func (s *Store) AlertFailed(ctx context.Context, id, why string, next time.Time) (dead bool, err error) {
	var state []AlertState
	err = s.db.SelectContext(ctx, &state, `update byeguard.alerts set state = case when $3 > give_up_at then 'dead' else 'sending' end,
due_at = $3, last_error = $2, claimed_until = null where id = $1 and state = 'sending' returning state`, id, Escape(why), next.UTC())
	return len(state) == 1 && state[0] == AlertDead, s.alertError("note alert "+id+" as failed", err)
}

// SweepAlerts ends messages that nobody has tried until an hour after their
// time: their route is gone.
func (s *Store) SweepAlerts(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, alertPatience)
	defer cancel()
	_, err := s.db.ExecContext(ctx, `update byeguard.alerts set state = 'dead',
last_error = case when last_error = '' then 'no byeguard has this route' else last_error end
where state in ('gathering', 'sending') and give_up_at < clock_timestamp() - interval '1 hour' and (claimed_until is null or claimed_until < clock_timestamp())`)
	return s.alertError("end old alerts", err)
}

// RetryAlerts has dead messages sent again, for another day: those with these
// ids, or, where there are none, all of a route ("" = of all routes). It
// returns how many. ErrNotFound says that an id is no dead message.
func (s *Store) RetryAlerts(ctx context.Context, ids []string, route string) (n int, err error) {
	err = inTx(ctx, s.db, func(tx *sqlx.Tx) error {
		cond, arg := "($1 = '' or route = $1)", any(route)
		if len(ids) > 0 {
			cond, arg = "id = any($1)", pq.Array(ids)
		}
		res, err := tx.ExecContext(ctx, `update byeguard.alerts set state = 'sending', due_at = clock_timestamp() - interval '1 minute', tries = 0,
give_up_at = clock_timestamp() + interval '1 day', claimed_until = null where state = 'dead' and `+cond, arg)
		if err != nil {
			return err
		}
		rows, err := res.RowsAffected()
		if n = int(rows); err == nil && len(ids) > 0 && n < len(ids) {
			err = fmt.Errorf("%d of %d: %w among those that were given up", len(ids)-n, len(ids), ErrNotFound)
		}
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return 0, err
	}
	return n, s.alertError("retry alerts", err)
}

// AlertCount is how many messages of a route are in a state.
type AlertCount struct {
	Route  string     `db:"route" json:"route"`
	State  AlertState `db:"state" json:"state"`
	Count  int        `db:"count" json:"count"`
	Oldest time.Time  `db:"oldest" json:"oldest"`
}

// CountAlerts counts the messages that are not sent, by route and state.
func (s *Store) CountAlerts(ctx context.Context) (list []AlertCount, err error) {
	err = s.read(ctx, "alerts", func(tx *sqlx.Tx) error {
		return tx.SelectContext(ctx, &list, `select route, state, count(*) as count, min(created_at) as oldest
from byeguard.alerts where state <> 'sent' group by 1, 2 order by 1, 2`)
	})
	return list, err
}
