package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// AlertNews is a change of an incident that was not filed yet.
type AlertNews struct {
	Change   string
	Incident IncidentFacts
}

// AlertPlacement files an incident under a message, see alert.Placement.
type AlertPlacement struct {
	Route, Group, Node, Severity string
	Incident                     int64
	Due, GiveUp                  time.Time
	Over                         bool // not if the route was told that it is over
}

// newsAtOnce is how many changes one transaction takes.
const newsAtOnce = 1000

// newsOf takes news of the nodes that this byeguard acts for, of none, and of
// those that nobody acts for.
const newsOf = `
with taken as (
  delete from byeguard.alert_news where id in (
    select n.id from byeguard.alert_news n left join byeguard.incidents i on i.id = n.incident
    where i.id is null or i.node = '' or i.node = any($1)
      or not exists (select 1 from byeguard.leases l where l.node = i.node and l.instance <> '')
    order by n.id limit %d for update of n skip locked)
  returning id, incident, change
)
select t.change as "n.change", ` + factColumns + `
from taken t join byeguard.incidents i on i.id = t.incident` + factJoin + ` order by t.id`

// TakeAlertNews hands changes of incidents to plan and files what it returns
// under messages, in one transaction. nodes are those that this byeguard acts
// for. plan is called once at most. It returns how many changes there were.
func (s *Store) TakeAlertNews(ctx context.Context, nodes []string, plan func([]AlertNews) []AlertPlacement) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, alertPatience)
	defer cancel()
	// Most looks find nothing: no transaction is begun for them.
	var waits bool
	if err := s.db.GetContext(ctx, &waits, "select exists (select 1 from byeguard.alert_news)"); err != nil || !waits {
		return 0, s.alertError("read news of incidents", err)
	}
	err = inTx(ctx, s.db, func(tx *sqlx.Tx) error {
		rows, err := tx.QueryxContext(ctx, fmt.Sprintf(newsOf, newsAtOnce), pq.Array(escapeAll(nodes)))
		if err != nil {
			return err
		}
		news, err := scanNews(rows)
		if err != nil {
			return err
		}
		n = len(news)
		return place(ctx, tx, plan(news))
	})
	return n, s.alertError("file news of incidents", err)
}

// alertPatience bounds one look at what is to be sent.
const alertPatience = 10 * time.Second

func (s *Store) alertError(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s in database %s: %w", what, s.target, err)
}

func scanNews(rows *sqlx.Rows) (list []AlertNews, err error) {
	defer rows.Close()
	for rows.Next() {
		var row struct {
			N struct {
				Change string `db:"change"`
			} `db:"n"`
			incidentFacts
		}
		if err := rows.StructScan(&row); err != nil {
			return nil, err
		}
		list = append(list, AlertNews{Change: row.N.Change, Incident: row.facts()})
	}
	return list, rows.Err()
}

const gatherAlert = `
insert into byeguard.alerts as t (id, route, grp, node, state, due_at, give_up_at, severity)
values ($1, $2, $3, $4, 'gathering', $5, $6, $7)
on conflict (route, grp) where state = 'gathering' do update set due_at = least(t.due_at, excluded.due_at)
returning id`

// An incident that the route knows to be over is not told again.
const addItems = `
insert into byeguard.alert_items (alert, incident)
select $1, i.id from unnest($2::bigint[], $3::bool[]) as i (id, over)
where not (i.over and exists (select 1 from byeguard.alert_items o join byeguard.alerts a on a.id = o.alert
  where o.incident = i.id and a.route = $4 and o.told = 'resolved'))
on conflict do nothing`

// place files incidents under messages.
func place(ctx context.Context, tx *sqlx.Tx, list []AlertPlacement) error {
	type key struct{ route, group string }
	type items struct {
		first *AlertPlacement
		ids   []int64
		over  []bool
	}
	groups := map[key]*items{}
	var order []key
	for i := range list {
		p := &list[i]
		k := key{p.Route, p.Group}
		g := groups[k]
		if g == nil {
			g = &items{first: p}
			groups[k] = g
			order = append(order, k)
		}
		g.ids, g.over = append(g.ids, p.Incident), append(g.over, p.Over)
	}
	for _, k := range order {
		g := groups[k]
		p := g.first
		var id string
		if err := tx.GetContext(ctx, &id, gatherAlert, newAlertID(), p.Route, p.Group, Escape(p.Node),
			p.Due.UTC(), p.GiveUp.UTC(), p.Severity); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, addItems, id, pq.Array(g.ids), pq.Array(g.over), p.Route); err != nil {
			return err
		}
	}
	return nil
}

func newAlertID() string {
	var random [16]byte
	_, _ = rand.Read(random[:]) // it does not fail (crypto/rand)
	return hex.EncodeToString(random[:])
}
