package app_test

import (
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
	"github.com/byeguard/byeguard/pkg/lab"
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
