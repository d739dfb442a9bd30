package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/lab"
	"github.com/byeguard/byeguard/pkg/web"
)

// ask makes a request of the API and returns its answer.
func (s *site) ask(method, path, csrf string, body any, into any) (code int) {
	s.t.Helper()
	var text io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		require.NoError(s.t, err)
		text = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(s.ctx, method, "http://"+s.app.HTTPAddr()+path, text)
	require.NoError(s.t, err)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if csrf != "" {
		r.Header.Set("X-CSRF-Token", csrf)
	}
	res, err := http.DefaultClient.Do(r)
	require.NoError(s.t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(s.t, err)
	if strings.HasPrefix(path, "/api/") {
		validate(s.t, r, res, answer)
	}
	if into != nil {
		require.NoError(s.t, json.Unmarshal(answer, into), "%s", answer)
	}
	return res.StatusCode
}

// validate holds an answer against the description of the API.
func validate(t *testing.T, r *http.Request, res *http.Response, body []byte) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(web.OpenAPI())
	require.NoError(t, err)
	router, err := legacy.NewRouter(doc)
	require.NoError(t, err)
	described := r.Clone(r.Context())
	described.URL.Scheme, described.URL.Host = "", ""
	route, params, err := router.FindRoute(described)
	require.NoError(t, err, "%s is not described", r.URL)
	in := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
		Status:                 res.StatusCode, Header: res.Header, Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	in.SetBodyBytes(body)
	require.NoError(t, openapi3filter.ValidateResponse(r.Context(), in), "%s %s", r.Method, r.URL)
}

func (s *site) csrf() string {
	s.t.Helper()
	var session struct{ CSRF string }
	s.ask(http.MethodGet, "/api/v1/session", "", nil, &session)
	require.NotEmpty(s.t, session.CSRF)
	return session.CSRF
}

// told is a message of the feed.
type told struct {
	Type     string
	Cursor   *string
	Incident *struct {
		ID                        int64
		Kind, State               string
		Opened                    time.Time
		CallID                    string `json:"call_id"`
		AckedBy                   string `json:"acked_by"`
		Repaired                  bool
		Caller, Callee, KindWords string
	}
	Overview *struct {
		Live int64 `json:"live_calls"`
	}
}

// listen opens the feed and hands on what it tells.
func (s *site) listen(after string) (*websocket.Conn, <-chan told) {
	s.t.Helper()
	path := "ws://" + s.app.HTTPAddr() + "/api/v1/feed"
	if after != "" {
		path += "?after=" + url.QueryEscape(after)
	}
	conn, res, err := websocket.DefaultDialer.DialContext(s.ctx, path, nil)
	require.NoError(s.t, err)
	defer res.Body.Close()
	s.t.Cleanup(func() { conn.Close() })
	out := make(chan told, 1000)
	go func() {
		defer close(out)
		for {
			var m told
			if conn.ReadJSON(&m) != nil {
				return
			}
			out <- m
		}
	}()
	return conn, out
}

// until reads the feed until a message is the wanted one.
func (s *site) until(feed <-chan told, limit time.Duration, ok func(told) bool) told {
	s.t.Helper()
	end := time.NewTimer(limit)
	defer end.Stop()
	for {
		select {
		case m, open := <-feed:
			require.True(s.t, open, "the feed was closed")
			if ok(m) {
				return m
			}
		case <-end.C:
			require.FailNow(s.t, "the feed did not tell in time")
		}
	}
}

func withHTTP(cfg *app.Config) { cfg.HTTP = "127.0.0.1:0" }

// TestWebTellsOfOneSidedBye: a one-sided BYE of a real Kamailio is on the feed
// within a second of its detection, in the lists, and in the call's story; who
// acknowledges it in one place is told in the others.
func TestWebTellsOfOneSidedBye(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{config: withHTTP})
	_, feed := s.listen("")
	hello := s.until(feed, 10*time.Second, func(m told) bool { return m.Type == "hello" })
	require.NotNil(t, hello.Cursor)
	p := s.call(lab.CallOptions{})
	s.until(feed, 10*time.Second, func(m told) bool { return m.Type == "overview" && m.Overview.Live == 1 })
	s.forceRace(p)
	_, second := s.listen(*hello.Cursor)
	m := s.until(feed, 30*time.Second, func(m told) bool { return m.Type == "incident" && m.Incident.Kind == "one_sided_bye" })
	late := time.Since(m.Incident.Opened)
	t.Logf("on the feed %v after its detection", late)
	require.Less(t, late, time.Second)
	s.until(second, 10*time.Second, func(o told) bool { return o.Type == "incident" && *o.Cursor == *m.Cursor })
	require.Equal(t, p.Caller.CallID(), m.Incident.CallID)
	s.final(p.Caller.CallID())

	var list web.Page[json.RawMessage]
	s.ask(http.MethodGet, "/api/v1/incidents?kind=one_sided_bye", "", nil, &list)
	require.Len(t, list.Items, 1)
	require.NotEmpty(t, list.Feed)
	var stories struct {
		Items []struct {
			Ladder []web.Step
			Events []json.RawMessage
			CDR    struct {
				Repaired bool
				State    string
			}
		}
	}
	s.ask(http.MethodGet, "/api/v1/calls/"+url.PathEscape(p.Caller.CallID()), "", nil, &stories)
	require.Len(t, stories.Items, 1)
	require.True(t, stories.Items[0].CDR.Repaired)
	require.Len(t, stories.Items[0].Ladder, len(stories.Items[0].Events))
	for _, path := range []string{"overview", "cdrs", "cdrs?repaired=true&state=final&number=bob", "calls", "search?q=" + url.QueryEscape(p.Caller.CallID()),
		"search?q=12345", "reports", "reports?by=hour", "reports?by=node&zone=Europe/Berlin", "reports?by=carrier", "reconciliations", "audit",
		fmt.Sprintf("incidents/%d", m.Incident.ID), "incidents?state=unresolved&severity=critical", "incidents/999999", "calls/nothing", "session"} {
		s.ask(http.MethodGet, "/api/v1/"+path, "", nil, &json.RawMessage{})
	}
	var cdrs struct{ Items []struct{ Repaired bool } }
	s.ask(http.MethodGet, "/api/v1/cdrs?repaired=true", "", nil, &cdrs)
	require.Len(t, cdrs.Items, 1)
	s.eventually("figures of the day", 30*time.Second, func() bool {
		var o struct {
			Today *struct {
				OneSided int64 `json:"one_sided"`
				Repaired int64
			}
		}
		s.ask(http.MethodGet, "/api/v1/overview", "", nil, &o)
		return o.Today != nil && o.Today.OneSided == 1 && o.Today.Repaired == 1
	})
}

// TestWebHandlesIncidents: what is acknowledged in one place is told in the others,
// and stands in the audit log; pausing works as on the command line.
func TestWebHandlesIncidents(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{config: withHTTP})
	_, feed := s.listen("")
	s.until(feed, 10*time.Second, func(m told) bool { return m.Type == "hello" })
	in := call.NodeIncident("lab", call.IncidentZombie, "=HYPERLINK(\"http://x\")<script>")
	s.app.Store().PutIncident("lab", in, time.Now())
	m := s.until(feed, 10*time.Second, func(m told) bool { return m.Type == "incident" })
	path := fmt.Sprintf("/api/v1/incidents/%d/ack", m.Incident.ID)
	body := map[string]string{"note": "asked the carrier"}
	require.Equal(t, http.StatusForbidden, s.ask(http.MethodPost, path, "", body, nil), "no X-CSRF-Token")
	csrf := s.csrf()
	require.Equal(t, http.StatusOK, s.ask(http.MethodPost, path, csrf, body, nil))
	acked := s.until(feed, 10*time.Second, func(m told) bool { return m.Type == "incident" })
	require.Equal(t, "acknowledged", acked.Incident.State)
	require.Equal(t, "local", acked.Incident.AckedBy)

	_, again := s.listen(*m.Cursor)
	missed := s.until(again, 10*time.Second, func(m told) bool { return m.Type == "incident" })
	require.Equal(t, *acked.Cursor, *missed.Cursor, "what was missed comes first")

	var held struct{ Switches []web.Switch }
	require.Equal(t, http.StatusOK, s.ask(http.MethodPost, "/api/v1/pause", csrf, map[string]string{"node": "lab", "reason": "works"}, &held))
	require.Len(t, held.Switches, 1)
	require.Equal(t, "works", held.Switches[0].Reason)
	require.Equal(t, http.StatusOK, s.ask(http.MethodPost, "/api/v1/resume", csrf, map[string]string{"node": "lab"}, &held))
	require.Empty(t, held.Switches)
	require.Equal(t, http.StatusBadRequest, s.ask(http.MethodPost, "/api/v1/pause", csrf, map[string]string{"node": "nobody", "reason": "x"}, nil))

	var log web.Page[struct{ Action, User, Outcome string }]
	s.ask(http.MethodGet, "/api/v1/audit", "", nil, &log)
	require.Len(t, log.Items, 4)
	require.Equal(t, "400 Bad Request", log.Items[0].Outcome)
	require.Equal(t, "incident.ack", log.Items[3].Action)
	require.Equal(t, 4, s.count("SELECT count(*) FROM byeguard.audit_log WHERE who = 'local'"))
}
