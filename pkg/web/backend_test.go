package web_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/web"
)

// memory is a Backend whose changes and faults a test decides on. That of byeguard
// itself is tested in pkg/app, with PostgreSQL and Kamailio.
type memory struct {
	mu      sync.Mutex
	changes []web.Change
	away    bool
	audit   []web.AuditEntry
	live    int64
}

func (m *memory) change(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for range n {
		id := int64(len(m.changes) + 1)
		m.changes = append(m.changes, web.Change{Number: id, Incident: web.Incident{ID: id, Kind: "one_sided_bye", Severity: "warning", State: "open",
			Detail: strings.Repeat("x", 200)}})
	}
}

func (m *memory) Overview() web.Overview {
	m.mu.Lock()
	defer m.mu.Unlock()
	return web.Overview{Now: web.Time{Time: time.Now()}, Mode: "observe", Live: m.live, Nodes: []web.Node{}, Switches: []web.Switch{}, Database: "ok"}
}
func (m *memory) Health() (bool, any) {
	return false, map[string]any{"ready": false, "why": "a secret place"}
}
func (m *memory) Status() any { return map[string]string{"instance": "test"} }

func (m *memory) Incidents(context.Context, web.Query) (web.Page[web.Incident], error) {
	if m.away {
		return web.Page[web.Incident]{}, web.ErrAway
	}
	return web.Page[web.Incident]{Items: []web.Incident{}}, nil
}
func (m *memory) Incident(context.Context, int64) (web.Incident, error) {
	return web.Incident{}, web.ErrNotFound
}
func (m *memory) HandleIncident(_ context.Context, id int64, _ bool, by, note string) (web.Incident, bool, error) {
	return web.Incident{ID: id, AckedBy: by, Note: note, Severity: "info", State: "acknowledged"}, true, nil
}
func (m *memory) CDRs(context.Context, web.Query) (web.Page[web.CDR], error) {
	return web.Page[web.CDR]{Items: []web.CDR{}}, nil
}
func (m *memory) WriteCDRs(_ context.Context, _ web.Query, w io.Writer) error {
	_, err := io.WriteString(w, "schema\r\n")
	return err
}
func (m *memory) Calls(context.Context, web.Query) (web.Page[web.Call], error) {
	return web.Page[web.Call]{}, errors.New("a password is hunter2")
}
func (m *memory) Call(context.Context, string) ([]web.Story, error) { return nil, web.ErrNotFound }
func (m *memory) Search(_ context.Context, q string) (web.Found, error) {
	return web.Found{Query: q, Calls: []web.Call{}, CDRs: []web.CDR{}}, nil
}
func (m *memory) Report(_ context.Context, q web.ReportQuery) (web.Report, error) {
	return web.Report{By: q.By, Zone: q.Zone.String(), Lines: []web.ReportLine{}}, nil
}
func (m *memory) Reconciliations(context.Context, web.Query) (web.Page[web.Reconciliation], error) {
	return web.Page[web.Reconciliation]{Items: []web.Reconciliation{}}, nil
}
func (m *memory) Switch(context.Context, bool, string, string, string) ([]web.Switch, error) {
	return []web.Switch{}, nil
}
func (m *memory) Changes(_ context.Context, after, until int64, limit int) (web.Changes, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return web.Changes{}, web.ErrAway
	}
	end := int64(len(m.changes))
	c := web.Changes{Feed: "memory", End: end, Last: end}
	for n := after; n < min(end, until) && limit > 0; n++ {
		if len(c.Incidents) == limit {
			c.More = true
			break
		}
		c.Incidents = append(c.Incidents, m.changes[n])
	}
	return c, nil
}
func (m *memory) Audit(_ context.Context, e web.AuditEntry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.audit = append(m.audit, e)
}
func (m *memory) AuditLog(context.Context, web.Query) (web.Page[web.AuditEntry], error) {
	return web.Page[web.AuditEntry]{Items: []web.AuditEntry{}}, nil
}

func options(b web.Backend) web.Options {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return web.Options{Listen: "127.0.0.1:0", Backend: b, Logger: log}
}

func newServer(tb testing.TB, o web.Options) *web.Server {
	tb.Helper()
	s, err := web.New(o)
	require.NoError(tb, err)
	return s
}

// do makes a request of a server without a network.
func do(s http.Handler, method, path, body string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://127.0.0.1:9430"+path, strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:1234"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}
