package web

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// Ways of being known.
const (
	viaLocal   = "local"   // nobody needs a name on this machine
	viaSession = "session" // by cookie
	viaToken   = "token"   // by Authorization: Bearer
)

// identity is who makes a request.
type identity struct {
	Who
	csrf    string   // "" = none is needed
	session [32]byte // of viaSession
}

// accounts are the users and tokens of the configuration.
type accounts struct {
	users  map[string]account
	tokens map[[32]byte]account
	turn   chan struct{} // hashing costs a quarter of a second: one at a time
	none   []byte        // a hash that is compared with where there is no such user
}

type account struct {
	name string
	role Role
	hash []byte
}

// PasswordCost is bcrypt's: about a quarter of a second.
const PasswordCost = 12

func newAccounts(c *Config) (*accounts, error) {
	a := &accounts{users: map[string]account{}, tokens: map[[32]byte]account{}, turn: make(chan struct{}, 1)}
	for i, u := range c.Users {
		hash, err := secret("password_hash", u.Hash, u.HashFile, u.HashEnv)
		if err == nil {
			err = checkHash(hash)
		}
		if err != nil {
			return nil, fmt.Errorf("web: users[%d]: %w", i, err)
		}
		a.users[u.Name] = account{name: u.Name, role: u.Role, hash: []byte(hash)}
	}
	for i, t := range c.Tokens {
		text, err := secret("sha256", t.Sum, t.SumFile, t.SumEnv)
		var sum [32]byte
		if err == nil {
			sum, err = parseSum(text)
		}
		if err != nil {
			return nil, fmt.Errorf("web: tokens[%d]: %w", i, err)
		}
		if other, ok := a.tokens[sum]; ok {
			return nil, fmt.Errorf("web: tokens[%d]: the same token as %s", i, other.name)
		}
		a.tokens[sum] = account{name: t.Name, role: t.Role}
	}
	if len(a.users) > 0 {
		var err error
		if a.none, err = bcrypt.GenerateFromPassword([]byte(newSecret()), PasswordCost); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// HashPassword makes of a password what a configuration has for it.
func HashPassword(password string) (string, error) {
	switch {
	case len(password) < 10:
		return "", fmt.Errorf("%w password: use 10 characters or more", ErrInvalid)
	case len(password) > 72: // bcrypt's bound
		return "", fmt.Errorf("%w password: use 72 bytes at most", ErrInvalid)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), PasswordCost)
	return string(hash), err
}

// NewToken makes a token, and what a configuration has for it.
func NewToken() (token, sum string) {
	token = "bg_" + newSecret()
	s := sha256.Sum256([]byte(token))
	return token, hex.EncodeToString(s[:])
}

func newSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // it does not fail (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// password says whether user and password fit. It takes as long for a user that
// there is not.
func (a *accounts) password(ctx context.Context, user, password string) (account, bool) {
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return account{}, false
	}
	acc, ok := a.users[user]
	hash := acc.hash
	if !ok {
		hash = a.none
	}
	if len(hash) == 0 || len(password) > 72 {
		return account{}, false
	}
	return acc, bcrypt.CompareHashAndPassword(hash, []byte(password)) == nil && ok
}

// token says whose a token is. Looking up its sum tells nothing about the token.
func (a *accounts) token(text string) (account, bool) {
	acc, ok := a.tokens[sha256.Sum256([]byte(text))]
	return acc, ok
}

// sessionCookie is its name; with TLS it has the prefix that browsers hold to be
// set by this very host (RFC 6265bis, section 4.1.3.2).
func (s *Server) sessionCookie() string {
	if s.secure {
		return "__Host-byeguard"
	}
	return "byeguard"
}

// known says who makes a request; ok is false where nobody is.
func (s *Server) known(r *http.Request) (id identity, ok bool, err error) {
	if h := r.Header.Get("Authorization"); h != "" {
		scheme, text, _ := strings.Cut(h, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return id, false, newProblem(http.StatusUnauthorized, "use Authorization: Bearer and a token")
		}
		if wait := s.limits.wait(s.now(), "addr "+s.remoteHost(r)); wait > 0 {
			return id, false, tooMany(wait)
		}
		acc, ok := s.accounts.token(strings.TrimSpace(text))
		if !ok {
			s.limits.failed(s.now(), "addr "+s.remoteHost(r))
			return id, false, newProblem(http.StatusUnauthorized, "this token is not known")
		}
		return identity{Who: Who{Name: acc.name, Role: acc.role, Via: viaToken}}, true, nil
	}
	if !s.opts.Config.loginRequired() {
		return identity{Who: Who{Name: "local", Role: RoleOperator, Via: viaLocal}, csrf: s.localCSRF}, true, nil
	}
	c, err := r.Cookie(s.sessionCookie())
	if err != nil {
		return id, false, nil //nolint:nilerr // there is no such cookie
	}
	id, ok = s.sessions.get(c.Value, s.now())
	return id, ok, nil
}

// guarded makes sure that a request comes from somebody who may make it.
func (s *Server) guarded(rt *route, r *http.Request) (identity, error) {
	id, ok, err := s.known(r)
	switch {
	case err != nil:
		return id, err
	case !ok:
		return id, newProblem(http.StatusUnauthorized, "log in: POST /api/v1/session with user and password, or use a token")
	case !id.Role.May(rt.role):
		return id, newProblem(http.StatusForbidden, "this needs the role %s; %s has the role %s", rt.role, id.Name, id.Role)
	}
	if rt.method != http.MethodGet && id.csrf != "" && !hmac.Equal([]byte(r.Header.Get(csrfHeader)), []byte(id.csrf)) {
		return id, newProblem(http.StatusForbidden, "%s is missing or wrong: GET /api/v1/session tells it", csrfHeader)
	}
	return id, nil
}

// csrfHeader carries the word that only the page itself can know.
const csrfHeader = "X-CSRF-Token"

func tooMany(wait time.Duration) *problem {
	p := newProblem(http.StatusTooManyRequests, "too many failed logins: try again in %v", wait.Round(time.Second))
	p.retry = max(wait.Round(time.Second), time.Second)
	return p
}
