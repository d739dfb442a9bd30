package web

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"
)

// handler answers a request of somebody who may make it; what it returns is
// answered as a problem.
type handler func(w http.ResponseWriter, r *http.Request, id identity) error

// route is one of the API.
type route struct {
	method, path string
	role         Role // "" = anybody, without a name
	serve        handler
}

// Prefix is where the API is.
const Prefix = "/api/v1"

func (s *Server) routes() []route {
	const get, post, del = http.MethodGet, http.MethodPost, http.MethodDelete
	return []route{
		{get, "/openapi.yaml", "", s.getOpenAPI},
		{get, "/session", "", s.getSession},
		{post, "/session", "", s.login},
		{del, "/session", RoleViewer, s.logout},
		{get, "/overview", RoleViewer, s.getOverview},
		{get, "/incidents", RoleViewer, s.getIncidents},
		{get, "/incidents/{id}", RoleViewer, s.getIncident},
		{post, "/incidents/{id}/ack", RoleBilling, s.ack},
		{post, "/incidents/{id}/resolve", RoleBilling, s.resolve},
		{get, "/cdrs", RoleViewer, s.getCDRs},
		{get, "/cdrs.csv", RoleBilling, s.getCDRFile},
		{get, "/calls", RoleViewer, s.getCalls},
		{get, "/calls/{id}", RoleViewer, s.getCall},
		{get, "/search", RoleViewer, s.search},
		{get, "/reports", RoleViewer, s.getReport},
		{get, "/reconciliations", RoleViewer, s.getReconciliations},
		{post, "/pause", RoleOperator, s.pause},
		{post, "/resume", RoleOperator, s.resume},
		{get, "/audit", RoleOperator, s.getAudit},
		{get, "/feed", RoleViewer, s.getFeed},
	}
}

func (s *Server) route() {
	s.mux = http.NewServeMux()
	list := s.routes()
	for i := range list {
		rt := &list[i]
		s.mux.HandleFunc(rt.method+" "+Prefix+rt.path, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, rt) })
	}
	s.mux.HandleFunc("/api/", s.noRoute)
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	s.mux.HandleFunc("GET /readyz", s.getReady)
	s.mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		s.openLocally(w, r, func() { answer(w, http.StatusOK, s.opts.Backend.Status()) })
	})
	if s.opts.Metrics != nil {
		s.mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
			s.openLocally(w, r, func() { s.opts.Metrics.ServeHTTP(w, r) })
		})
	}
	if s.opts.UI != nil {
		files := newPages(s.opts.UI)
		s.mux.Handle("GET /{$}", files)
		s.mux.Handle("GET /assets/", files)
	}
	s.mux.HandleFunc("/", s.noRoute)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, rt *route) {
	if rt.method != http.MethodGet && !s.sameOrigin(r) {
		s.fail(w, r, newProblem(http.StatusForbidden, "the request comes from a page of another site"))
		return
	}
	var id identity
	if rt.role != "" {
		var err error
		if id, err = s.guarded(rt, r); err != nil {
			s.fail(w, r, err)
			return
		}
	}
	if err := rt.serve(w, r, id); err != nil {
		s.fail(w, r, err)
	}
}

// openLocally answers where nobody else can ask, and otherwise whoever has a name.
func (s *Server) openLocally(w http.ResponseWriter, r *http.Request, do func()) {
	if !s.local(r) {
		if _, err := s.guarded(&route{method: http.MethodGet, role: RoleViewer}, r); err != nil {
			s.fail(w, r, err)
			return
		}
	}
	do()
}

// getReady says to everybody whether byeguard is ready, and why not to those who
// may know.
func (s *Server) getReady(w http.ResponseWriter, r *http.Request) {
	ready, text := s.opts.Backend.Health()
	status := http.StatusOK
	if !ready {
		status = http.StatusServiceUnavailable
	}
	if !s.local(r) {
		if _, err := s.guarded(&route{method: http.MethodGet, role: RoleViewer}, r); err != nil {
			answer(w, status, map[string]bool{"ready": ready})
			return
		}
	}
	answer(w, status, text)
}

// noRoute answers what is not there, or not by this method.
func (s *Server) noRoute(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = m
		if _, pattern := s.mux.Handler(other); strings.HasPrefix(pattern, m+" ") {
			allowed = append(allowed, m)
		}
	}
	if len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		s.fail(w, r, newProblem(http.StatusMethodNotAllowed, "use %s", strings.Join(allowed, " or ")))
		return
	}
	s.fail(w, r, newProblem(http.StatusNotFound, "nothing is here; the API is described in %s/openapi.yaml", Prefix))
}

// routeOf names a request for the log without what it carries.
func routeOf(r *http.Request) string {
	if r.Pattern != "" {
		if _, path, ok := strings.Cut(r.Pattern, " "); ok {
			return path
		}
	}
	return "a path that is not there"
}

type requestKey struct{}

func withRequestID(r *http.Request) *http.Request {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it does not fail (crypto/rand)
	return r.WithContext(context.WithValue(r.Context(), requestKey{}, hex.EncodeToString(b[:])))
}

func requestID(r *http.Request) string {
	id, _ := r.Context().Value(requestKey{}).(string)
	return id
}
