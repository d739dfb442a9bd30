package web_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/byeguard/byeguard/pkg/web"
)

const goodPassword = "correct horse battery"

// guardedServer has a user and a token of each kind, and a clock of the test's.
func guardedServer(t *testing.T, m *memory) (s *web.Server, tokens map[web.Role]string, forward func(time.Duration)) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(goodPassword), 10)
	require.NoError(t, err)
	o := options(m)
	o.Config.Users = []web.User{{Name: "ada", Role: web.RoleBilling, Hash: string(hash)}}
	tokens = map[web.Role]string{}
	for _, r := range []web.Role{web.RoleViewer, web.RoleBilling, web.RoleOperator} {
		token, sum := web.NewToken()
		tokens[r] = token
		o.Config.Tokens = append(o.Config.Tokens, web.Token{Name: "t-" + string(r), Role: r, Sum: sum})
	}
	var ahead atomic.Int64
	began := time.Now()
	o.Now = func() time.Time { return began.Add(time.Duration(ahead.Load())) }
	return newServer(t, o), tokens, func(d time.Duration) { ahead.Add(int64(d)) }
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

type sessionBody struct {
	User, Role, CSRF string
	LoginRequired    bool `json:"login_required"`
}

func login(t *testing.T, s *web.Server) (*http.Cookie, sessionBody) {
	t.Helper()
	res := do(s, http.MethodPost, "/api/v1/session", `{"user":"ada","password":"`+goodPassword+`"}`, nil)
	require.Equal(t, http.StatusOK, res.Code, res.Body)
	var b sessionBody
	require.NoError(t, json.Unmarshal(res.Body.Bytes(), &b))
	list := res.Result().Cookies()
	require.Len(t, list, 1)
	return list[0], b
}

// TestRoles: each route refuses whoever has no name, and roles that are too low.
func TestRoles(t *testing.T) {
	t.Parallel()
	s, tokens, _ := guardedServer(t, &memory{})
	for _, c := range []struct {
		method, path, body string
		need               web.Role
	}{
		{"GET", "/api/v1/overview", "", web.RoleViewer},
		{"GET", "/api/v1/incidents", "", web.RoleViewer},
		{"GET", "/api/v1/cdrs", "", web.RoleViewer},
		{"GET", "/api/v1/cdrs.csv", "", web.RoleBilling},
		{"POST", "/api/v1/incidents/1/ack", "{}", web.RoleBilling},
		{"POST", "/api/v1/incidents/1/resolve", "{}", web.RoleBilling},
		{"POST", "/api/v1/pause", `{"reason":"x"}`, web.RoleOperator},
		{"POST", "/api/v1/resume", "{}", web.RoleOperator},
		{"GET", "/api/v1/audit", "", web.RoleOperator},
	} {
		res := do(s, c.method, c.path, c.body, nil)
		require.Equal(t, http.StatusUnauthorized, res.Code, c.path)
		require.Equal(t, "application/problem+json", res.Header().Get("Content-Type"))
		for role, token := range tokens {
			want := http.StatusForbidden
			if role.May(c.need) {
				want = http.StatusOK
			}
			require.Equal(t, want, do(s, c.method, c.path, c.body, bearer(token)).Code, "%s %s as %s", c.method, c.path, role)
		}
	}
	require.Equal(t, http.StatusUnauthorized, do(s, "GET", "/api/v1/overview", "", bearer("bg_wrong")).Code)
	require.Equal(t, http.StatusOK, do(s, "GET", "/api/v1/session", "", nil).Code)
}

func TestSession(t *testing.T) {
	t.Parallel()
	m := &memory{}
	s, _, forward := guardedServer(t, m)
	cookie, b := login(t, s)
	require.Equal(t, "ada", b.User)
	require.True(t, b.LoginRequired)
	require.True(t, cookie.HttpOnly)
	require.Equal(t, http.SameSiteStrictMode, cookie.SameSite)
	ack := func(change func(*http.Request)) int {
		return do(s, "POST", "/api/v1/incidents/1/ack", `{"note":"n"}`, func(r *http.Request) {
			r.AddCookie(cookie)
			change(r)
		}).Code
	}
	require.Equal(t, http.StatusForbidden, ack(func(*http.Request) {}), "no token against CSRF")
	require.Equal(t, http.StatusForbidden, ack(func(r *http.Request) { r.Header.Set("X-CSRF-Token", "x") }))
	require.Equal(t, http.StatusOK, ack(func(r *http.Request) { r.Header.Set("X-CSRF-Token", b.CSRF) }))
	require.Equal(t, http.StatusForbidden, ack(func(r *http.Request) {
		r.Header.Set("X-CSRF-Token", b.CSRF)
		r.Header.Set("Origin", "https://evil.example")
	}), "another site")
	require.Equal(t, "incident.ack", m.audit[len(m.audit)-1].Action)
	require.Equal(t, "ada", m.audit[len(m.audit)-1].User)

	require.Equal(t, http.StatusNoContent, do(s, "DELETE", "/api/v1/session", "", func(r *http.Request) {
		r.AddCookie(cookie)
		r.Header.Set("X-CSRF-Token", b.CSRF)
	}).Code)
	require.Equal(t, http.StatusUnauthorized, ack(func(r *http.Request) { r.Header.Set("X-CSRF-Token", b.CSRF) }), "logged out")

	cookie, b = login(t, s)
	forward(web.DefaultSessionIdle + time.Minute)
	require.Equal(t, http.StatusUnauthorized, ack(func(r *http.Request) { r.Header.Set("X-CSRF-Token", b.CSRF) }), "idle for too long")
}

// TestLoginLimit: who guesses has to wait, and the right password does not help
// before that.
func TestLoginLimit(t *testing.T) {
	t.Parallel()
	m := &memory{}
	s, _, forward := guardedServer(t, m)
	try := func(password string) *httptest.ResponseRecorder {
		return do(s, "POST", "/api/v1/session", `{"user":"ada","password":"`+password+`"}`, nil)
	}
	for range 5 {
		require.Equal(t, http.StatusUnauthorized, try("guess").Code)
	}
	res := try(goodPassword)
	require.Equal(t, http.StatusTooManyRequests, res.Code)
	require.NotEmpty(t, res.Header().Get("Retry-After"))
	forward(2 * time.Minute)
	require.Equal(t, http.StatusOK, try(goodPassword).Code)
	require.Equal(t, "refused", m.audit[0].Outcome)
}

// TestOpenOnLoopback: without users everybody on the machine is the operator, but
// no page of another site, by whatever name it comes.
func TestOpenOnLoopback(t *testing.T) {
	t.Parallel()
	s := newServer(t, options(&memory{}))
	var b sessionBody
	require.NoError(t, json.Unmarshal(do(s, "GET", "/api/v1/session", "", nil).Body.Bytes(), &b))
	require.Equal(t, "operator", b.Role)
	require.False(t, b.LoginRequired)
	require.Equal(t, http.StatusForbidden, do(s, "POST", "/api/v1/resume", "{}", nil).Code)
	require.Equal(t, http.StatusOK, do(s, "POST", "/api/v1/resume", "{}", func(r *http.Request) { r.Header.Set("X-CSRF-Token", b.CSRF) }).Code)
	rebound := func(r *http.Request) { r.Host = "evil.example:9430" }
	require.Equal(t, http.StatusMisdirectedRequest, do(s, "GET", "/api/v1/overview", "", rebound).Code)
	require.Equal(t, http.StatusOK, do(s, "GET", "/healthz", "", rebound).Code)
}

// TestHealthElsewhere: on another address than loopback reasons need a name.
func TestHealthElsewhere(t *testing.T) {
	t.Parallel()
	o := options(&memory{})
	token, sum := web.NewToken()
	o.Listen, o.Config = "0.0.0.0:9430", web.Config{BehindProxy: true, PublicURL: "https://byeguard.example.net", Tokens: []web.Token{{Name: "t", Role: web.RoleViewer, Sum: sum}}}
	s := newServer(t, o)
	res := do(s, "GET", "/readyz", "", nil)
	require.Equal(t, http.StatusServiceUnavailable, res.Code)
	require.NotContains(t, res.Body.String(), "secret")
	require.Contains(t, do(s, "GET", "/readyz", "", bearer(token)).Body.String(), "secret")
	require.Equal(t, http.StatusUnauthorized, do(s, "GET", "/status", "", nil).Code)
	require.Contains(t, res.Header().Get("Strict-Transport-Security"), "max-age")
	require.Contains(t, res.Header().Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'")
	require.NotContains(t, res.Header().Get("Content-Security-Policy"), "unsafe")
}

// TestErrors are problems that tell nothing of the inside.
func TestErrors(t *testing.T) {
	t.Parallel()
	s := newServer(t, options(&memory{away: true}))
	for _, c := range []struct {
		method, path string
		status       int
		says         string
	}{
		{"GET", "/api/v1/nothing", 404, "openapi"},
		{"GET", "/api/v1/pause", 405, "use POST"},
		{"GET", "/api/v1/incidents?limit=0", 400, "1 to 500"},
		{"GET", "/api/v1/incidents?state=odd", 400, "unknown"},
		{"GET", "/api/v1/incidents?since=yesterday", 400, "RFC 3339"},
		{"GET", "/api/v1/incidents?after=1", 400, "cursor"},
		{"GET", "/api/v1/incidents?node=a&node=b", 400, "once"},
		{"GET", "/api/v1/incidents?node=%ff", 400, "UTF-8"},
		{"GET", "/api/v1/incidents?surprise=1", 400, "unknown parameter"},
		{"GET", "/api/v1/incidents", 503, "away"},
		{"GET", "/api/v1/incidents/x", 404, "number"},
		{"GET", "/api/v1/incidents/1", 404, "not found"},
		{"GET", "/api/v1/calls", 500, "log"},
		{"GET", "/api/v1/calls/a%2Fb%00c", 404, "not found"},
		{"GET", "/api/v1/search?q=ab", 400, "three"},
		{"GET", "/api/v1/reports?by=hour&since=2026-01-01T00:00:00Z&until=2026-02-01T00:00:00Z", 400, "days"},
		{"GET", "/api/v1/reports?zone=Mars", 400, "zone"},
		{"GET", "/api/v1/feed", 426, "websocket"},
		{"GET", "/api/v1/feed?after=x", 400, "cursor"},
	} {
		res := do(s, c.method, c.path, "", nil)
		require.Equal(t, c.status, res.Code, c.path)
		require.Equal(t, "application/problem+json", res.Header().Get("Content-Type"), c.path)
		var p struct {
			Status  int
			Detail  string
			Request string
		}
		require.NoError(t, json.Unmarshal(res.Body.Bytes(), &p))
		require.Equal(t, c.status, p.Status)
		require.Contains(t, p.Detail, c.says, c.path)
		require.NotEmpty(t, p.Request)
		require.NotContains(t, res.Body.String(), "hunter2")
	}
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	_, sum := web.NewToken()
	token := []web.Token{{Name: "t", Role: web.RoleViewer, Sum: sum}}
	for _, c := range []struct {
		listen string
		cfg    web.Config
		says   []string // none: it is valid
	}{
		{"127.0.0.1:9430", web.Config{}, nil},
		{"localhost:9430", web.Config{}, nil},
		{"[::1]:9430", web.Config{}, nil},
		{"", web.Config{}, nil},
		{":9430", web.Config{}, []string{"users or tokens are needed", "tls_cert and tls_key are needed"}},
		{"0.0.0.0:9430", web.Config{Tokens: token}, []string{"tls_cert and tls_key are needed"}},
		{"kam1.example:9430", web.Config{TLSCert: "c", TLSKey: "k"}, []string{"users or tokens are needed"}},
		{"0.0.0.0:9430", web.Config{Tokens: token, TLSCert: "c", TLSKey: "k"}, nil},
		{"127.0.0.1:1", web.Config{TLSCert: "c"}, []string{"give both"}},
		{"0.0.0.0:1", web.Config{Tokens: token, BehindProxy: true}, []string{"public_url"}},
		{"127.0.0.1:1", web.Config{PublicURL: "https://x.example"}, []string{"needs a login"}},
		{"127.0.0.1:1", web.Config{Tokens: []web.Token{{Name: "a b", Role: "root"}}}, []string{"name:", "role:", "give one of sha256"}},
		{"127.0.0.1:1", web.Config{Users: []web.User{{Name: "a", Role: web.RoleViewer, Hash: "secret"}}}, []string{"no bcrypt hash"}},
		{"127.0.0.1:1", web.Config{Users: []web.User{{Name: "t", Role: web.RoleViewer, HashEnv: "X"}}, Tokens: token}, []string{"used twice"}},
	} {
		err := c.cfg.Validate(c.listen)
		if c.says == nil {
			require.NoError(t, err, c.listen)
			continue
		}
		for _, words := range c.says {
			require.ErrorContains(t, err, words)
		}
		require.NotContains(t, err.Error(), "secret", "a hash is in the error")
	}
}

// FuzzAPI: whatever is asked, the answer is JSON, and no fault of the server's.
func FuzzAPI(f *testing.F) {
	for _, seed := range []string{"incidents?limit=5&after=1.2", "cdrs?number=%2b49", "calls/%2e%2e", "calls/a%2Fb", "search?q=<script>", "reports?by=day&zone=UTC",
		"incidents/9223372036854775808", "feed?after=x-1", "incidents?since=0000-01-01T00:00:00Z", "session", "cdrs?after=-1.a", "audit?until=9999-12-31T23:59:59Z"} {
		f.Add(seed, `{"note":"x"}`)
	}
	s := newServer(f, options(&memory{}))
	f.Fuzz(func(t *testing.T, path, body string) {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1/api/v1/"+path, strings.NewReader(body))
			if err != nil || strings.HasPrefix(r.URL.Path, "/api/v1/calls") && r.URL.Path == "/api/v1/calls" {
				return // no URL, or the one that fails on purpose
			}
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code >= http.StatusInternalServerError {
				t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
			}
			if strings.Contains(w.Header().Get("Content-Type"), "json") && !json.Valid(w.Body.Bytes()) {
				t.Fatalf("%s %s: no JSON: %s", method, path, w.Body)
			}
		}
	})
}
