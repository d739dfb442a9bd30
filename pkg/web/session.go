package web

import (
	"crypto/sha256"
	"net/http"
	"sync"
	"time"
)

// sessions are those who logged in. They are in memory alone: a restart logs
// everybody out. What is kept of a cookie is its sum.
type sessions struct {
	idle time.Duration

	mu   sync.Mutex
	byID map[[32]byte]*session
}

type session struct {
	identity
	began, used time.Time
}

// maxSessions bounds what is kept; the one that was used longest ago goes.
const (
	maxSessions = 10_000
	sessionLife = 7 * 24 * time.Hour // however busy
)

func newSessions(idle time.Duration) *sessions {
	return &sessions{idle: idle, byID: map[[32]byte]*session{}}
}

// add returns the cookie of a new session.
func (m *sessions) add(who Who, now time.Time) (cookie string, id identity) {
	cookie = newSecret()
	key := sha256.Sum256([]byte(cookie))
	s := &session{identity: identity{Who: who, csrf: newSecret(), session: key}, began: now, used: now}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.byID) >= maxSessions {
		m.sweep(now)
	}
	if len(m.byID) >= maxSessions {
		var oldest [32]byte
		at := now
		for k, o := range m.byID {
			if !o.used.After(at) {
				oldest, at = k, o.used
			}
		}
		delete(m.byID, oldest)
	}
	m.byID[key] = s
	return cookie, s.identity
}

func (m *sessions) get(cookie string, now time.Time) (identity, bool) {
	return m.find(sha256.Sum256([]byte(cookie)), now, true)
}

// lives says whether a session is there still, without using it.
func (m *sessions) lives(key [32]byte, now time.Time) bool {
	_, ok := m.find(key, now, false)
	return ok
}

func (m *sessions) find(key [32]byte, now time.Time, use bool) (identity, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.byID[key]
	if s == nil {
		return identity{}, false
	}
	if m.over(s, now) {
		delete(m.byID, key)
		return identity{}, false
	}
	if use {
		s.used = now
	}
	return s.identity, true
}

func (m *sessions) remove(key [32]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.byID, key)
}

func (m *sessions) over(s *session, now time.Time) bool {
	return now.Sub(s.used) > m.idle || now.Sub(s.began) > sessionLife
}

// sweep drops what is over. Callers hold m.mu.
func (m *sessions) sweep(now time.Time) {
	for k, s := range m.byID {
		if m.over(s, now) {
			delete(m.byID, k)
		}
	}
}

// sessionAnswer is GET and POST /api/v1/session.
type sessionAnswer struct {
	User          string `json:"user"` // "" = nobody is logged in
	Role          string `json:"role"`
	CSRF          string `json:"csrf"` // for X-CSRF-Token; "" = none is needed
	LoginRequired bool   `json:"login_required"`
	Passwords     bool   `json:"passwords"` // users can log in by password, not by token alone
}

func (s *Server) getSession(w http.ResponseWriter, r *http.Request, _ identity) error {
	id, _, err := s.known(r)
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, s.sessionOf(id))
	return nil
}

func (s *Server) sessionOf(id identity) sessionAnswer {
	return sessionAnswer{User: id.Name, Role: string(id.Role), CSRF: id.csrf,
		LoginRequired: s.opts.Config.loginRequired(), Passwords: len(s.opts.Config.Users) > 0}
}

// login makes a session. Who asks from another site is refused: it would log a
// victim's browser in under the asker's name.
func (s *Server) login(w http.ResponseWriter, r *http.Request, _ identity) error {
	var in struct {
		User     string `json:"user"`
		Password string `json:"password"`
		Token    string `json:"token"`
	}
	if err := readBody(w, r, &in); err != nil {
		return err
	}
	if !s.opts.Config.loginRequired() {
		return newProblem(http.StatusConflict, "nobody needs to log in here")
	}
	name := in.User
	if !isName(name) {
		name = ""
	}
	keys := []string{"addr " + s.remoteHost(r)}
	if in.Token == "" {
		keys = append(keys, "user "+name)
	}
	if wait := s.limits.wait(s.now(), keys...); wait > 0 {
		return tooMany(wait)
	}
	var acc account
	var ok bool
	if in.Token != "" {
		acc, ok = s.accounts.token(in.Token)
	} else {
		acc, ok = s.accounts.password(r.Context(), name, in.Password)
	}
	if !ok {
		s.limits.failed(s.now(), keys...)
		s.audit(r, identity{Who: Who{Name: name}}, "login", "", "", "refused")
		return newProblem(http.StatusUnauthorized, "user and password, or the token, do not fit")
	}
	s.limits.succeeded("user " + name)
	cookie, id := s.sessions.add(Who{Name: acc.name, Role: acc.role, Via: viaSession}, s.now())
	http.SetCookie(w, &http.Cookie{Name: s.sessionCookie(), Value: cookie, //nolint:gosec // Secure with TLS
		Path: "/", HttpOnly: true, Secure: s.secure,
		SameSite: http.SameSiteStrictMode, MaxAge: int(sessionLife / time.Second)})
	s.audit(r, id, "login", "", "", auditOK)
	answer(w, http.StatusOK, s.sessionOf(id))
	return nil
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request, id identity) error {
	if id.Via == viaSession {
		s.sessions.remove(id.session)
		s.feed.drop(id.session)
	}
	http.SetCookie(w, &http.Cookie{Name: s.sessionCookie(), //nolint:gosec // Secure with TLS
		Path: "/", HttpOnly: true, Secure: s.secure,
		SameSite: http.SameSiteStrictMode, MaxAge: -1})
	s.audit(r, id, "logout", "", "", auditOK)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
