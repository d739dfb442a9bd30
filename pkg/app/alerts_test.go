package app_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/alert"
	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/cluster"
	"github.com/byeguard/byeguard/pkg/lab"
	"github.com/byeguard/byeguard/pkg/store"
)

const hookKey = "correct horse battery staple"

// hook is a receiver of webhooks that checks every signature.
type hook struct {
	*httptest.Server
	t    *testing.T
	mu   sync.Mutex
	got  []alert.Message
	at   []time.Time
	fail int // how many it refuses first
}

func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{t: t}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

// ServeHTTP takes a message.
func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if err := alert.Verify(hookKey, r.Header, body, time.Now(), time.Minute); err != nil {
		h.t.Errorf("a webhook that is not signed well: %v", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fail > 0 {
		h.fail--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	var m alert.Message
	if err := json.Unmarshal(body, &m); err != nil || m.ID != r.Header.Get(alert.HeaderKey) {
		h.t.Errorf("a webhook that cannot be read: %v\n%s", err, body)
	}
	h.got, h.at = append(h.got, m), append(h.at, time.Now())
}

func (h *hook) messages() []alert.Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]alert.Message(nil), h.got...)
}

// route is a webhook route to the hook.
func (h *hook) route(t *testing.T) alert.Route {
	t.Helper()
	key := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(key, []byte(hookKey+"\n"), 0o600))
	return alert.Route{Name: "billing", Type: alert.TypeWebhook, URL: h.URL, SecretFile: key}
}

// A one-sided BYE made by a real Kamailio is repaired, and the billing team's
// receiver has a signed message of it within seconds.
func TestRepairedCallIsTold(t *testing.T) {
	t.Parallel()
	h := newHook(t)
	s := newSite(t, siteOptions{config: func(c *app.Config) {
		r := h.route(t)
		r.Kinds = []string{"one_sided_bye", "leg_unconfirmed"}
		c.Alerts.Routes = []alert.Route{r}
	}})
	p := s.call(lab.CallOptions{})
	began := time.Now()
	s.forceRace(p)
	require.NoError(t, p.Callee.WaitEnded(s.ctx))
	s.eventually("a webhook", 20*time.Second, func() bool { return len(h.messages()) > 0 })
	took := h.at[0].Sub(began)
	t.Logf("told %v after the race began", took.Round(time.Millisecond))
	require.Less(t, took, 10*time.Second)
	m := h.messages()[0]
	require.Equal(t, "byeguard resolved: one-sided BYE repaired on lab", m.Title)
	require.Equal(t, 1, m.Count)
	require.Equal(t, 1, m.Resolved)
	in := m.Incidents[0]
	require.Equal(t, p.Caller.CallID(), in.CallID)
	require.Equal(t, "one_sided_bye", in.Kind)
	require.Equal(t, "callee", in.Leg)
	require.Equal(t, "resolved", in.State)
	require.NotNil(t, in.OverrunMS)
	require.Positive(t, *in.OverrunMS)
	s.final(p.Caller.CallID())
	require.Equal(t, 1, s.count("SELECT count(*) FROM byeguard.alerts WHERE state = 'sent'"))
	require.Zero(t, s.count("SELECT count(*) FROM byeguard.alert_news"))
	s.noViolations()
}

// 1,000 incidents that come at once are one message. Its receiver is down at
// first, and gets the same message later; another route's receiver, which never
// answers, delays nobody.
func TestManyIncidentsAreOneMessage(t *testing.T) {
	t.Parallel()
	h := newHook(t)
	h.fail = 1
	never := make(chan struct{})
	stuck := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-never }))
	t.Cleanup(stuck.Close)
	t.Cleanup(func() { close(never) })
	s := newSite(t, siteOptions{config: func(c *app.Config) {
		a := h.route(t)
		b := a
		b.Name, b.URL, b.Timeout = "stuck", stuck.URL, time.Minute
		c.Alerts.Routes = []alert.Route{b, a}
	}})
	_, err := s.sql.Exec(`insert into byeguard.incidents (call_key, call_id, node, kind, severity, state, leg, reason, detail, opened_at, updated_at)
select decode(md5(i::text), 'hex'), 'call-' || i, 'lab', 'leg_unconfirmed', 'critical', 'open', 'callee', 'attempts_exhausted', 'x', now(), now()
from generate_series(1, 1000) i`)
	require.NoError(t, err)
	s.eventually("the message", 30*time.Second, func() bool { return len(h.messages()) > 0 })
	m := h.messages()[0]
	require.Equal(t, 1000, m.Count)
	require.Equal(t, 980, m.Omitted)
	var row struct {
		ID    string `db:"id"`
		Tries int    `db:"tries"`
	}
	s.eventually("the message is sent", 10*time.Second, func() bool {
		return s.count("SELECT count(*) FROM byeguard.alerts WHERE route = 'billing' AND state = 'sent'") == 1
	})
	require.NoError(t, s.sql.Get(&row, "SELECT id, tries FROM byeguard.alerts WHERE route = 'billing'"))
	require.Equal(t, m.ID, row.ID)
	require.Equal(t, 2, row.Tries, "it was refused once")
	require.Equal(t, 1, s.count("SELECT count(*) FROM byeguard.alerts WHERE route = 'stuck' AND state = 'sending'"))
	// A person closes one: its route hears of that, of no other.
	_, _, err = s.app.Store().HandleIncidents(s.ctx, []int64{17}, store.Handling{State: store.IncidentResolved, By: "anna"})
	require.NoError(t, err)
	s.eventually("the second message", 30*time.Second, func() bool { // now, not after group_interval
		_, err = s.sql.Exec("update byeguard.alerts set due_at = now() where state = 'gathering' and route = 'billing'")
		require.NoError(t, err)
		return len(h.messages()) > 1
	})
	m = h.messages()[1]
	require.Equal(t, 1, m.Count)
	require.Equal(t, int64(17), m.Incidents[0].Number)
	require.Equal(t, "anna", m.Incidents[0].By)
	require.Equal(t, "resolved", m.Incidents[0].State)
}

// A message that its receiver does not take for a day is given up, stays
// visible, and is sent when a person asks for it.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	h := newHook(t)
	h.fail = 1
	s := newSite(t, siteOptions{config: func(c *app.Config) { c.Alerts.Routes = []alert.Route{h.route(t)} }})
	// In one statement: what has nothing in it is not sent.
	_, err := s.sql.Exec(`with a as (insert into byeguard.alerts (id, route, grp, node, state, due_at, give_up_at)
values ('old', 'billing', 'g', '', 'gathering', now() - interval '1 day', now() - interval '1 second')),
i as (insert into byeguard.incidents (call_key, call_id, node, kind, severity, state, leg, reason, detail, opened_at, updated_at)
values ('\x00', 'c', 'lab', 'zombie', 'info', 'open', '', '', 'x', now(), now()) returning id)
insert into byeguard.alert_items (alert, incident) select 'old', id from i`)
	require.NoError(t, err)
	s.eventually("it is given up", 20*time.Second, func() bool {
		return s.count("SELECT count(*) FROM byeguard.alerts WHERE id = 'old' AND state = 'dead' AND last_error LIKE '%503%'") == 1
	})
	require.Empty(t, h.messages())
	_, err = s.app.Store().RetryAlerts(s.ctx, []string{"old", "none"}, "")
	require.ErrorIs(t, err, store.ErrNotFound)
	n, err := s.app.Store().RetryAlerts(s.ctx, []string{"old"}, "")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	s.eventually("it is sent", 20*time.Second, func() bool {
		return s.count("SELECT count(*) FROM byeguard.alerts WHERE id = 'old' AND state = 'sent'") == 1
	})
	require.Equal(t, "old", h.messages()[0].ID)
}

// While PostgreSQL is away the billing team hears of a repaired call all the
// same, and not again when PostgreSQL is back.
func TestAlertsWithoutPostgreSQL(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "byeguard-alerts-") // not t.TempDir: the server's user must get in
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o711))
	pg, err := cluster.Start(t.Context(), cluster.Options{Dir: filepath.Join(dir, "pg"), Throwaway: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pg.Stop(context.Background())) })
	h := newHook(t)
	s := newSite(t, siteOptions{noGuard: true})
	s.db = pg.URL()
	s.guard(func(c *app.Config) {
		r := h.route(t)
		r.Kinds = []string{"one_sided_bye", "leg_unconfirmed", "zombie"}
		c.Alerts.Routes = []alert.Route{r}
	})
	p := s.call(lab.CallOptions{})
	s.open(p.Caller.CallID())
	require.NoError(t, pg.Kill())
	began := time.Now()
	s.forceRace(p)
	require.NoError(t, p.Callee.WaitEnded(s.ctx))
	s.eventually("a webhook without PostgreSQL", 30*time.Second, func() bool { return len(h.messages()) > 0 })
	t.Logf("told %v after the race began, without PostgreSQL", h.at[0].Sub(began).Round(time.Millisecond))
	m := h.messages()[0]
	require.Equal(t, p.Caller.CallID(), m.Incidents[0].CallID)
	require.Equal(t, "resolved", m.Incidents[0].State)
	require.Zero(t, m.Incidents[0].Number)

	require.NoError(t, pg.Restart(s.ctx))
	s.final(p.Caller.CallID())
	s.incident(p.Caller.CallID(), "one_sided_bye", "resolved")
	// Another incident, which comes after it in the news, is told: the one of the
	// outage was passed over by then.
	_, err = s.sql.Exec(`insert into byeguard.incidents (call_key, call_id, node, kind, severity, state, leg, reason, detail, opened_at, updated_at)
values ('\x00', 'c', 'lab', 'zombie', 'warning', 'open', '', '', 'x', now(), now())`)
	require.NoError(t, err)
	s.eventually("the next webhook", 30*time.Second, func() bool { return len(h.messages()) > 1 })
	require.Equal(t, "zombie", h.messages()[1].Incidents[0].Kind)
	require.Zero(t, s.count("SELECT count(*) FROM byeguard.alert_items i JOIN byeguard.incidents n ON n.id = i.incident WHERE n.kind = 'one_sided_bye'"))
}
