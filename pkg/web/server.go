package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

// Server is the HTTP server.
type Server struct {
	opts      Options
	log       logrus.FieldLogger
	mux       *http.ServeMux
	accounts  *accounts
	sessions  *sessions
	limits    *limits
	feed      *feed
	tls       *certificate // nil: no TLS of our own
	public    *url.URL     // nil: not configured
	secure    bool         // browsers come by https
	localCSRF string
	slow      atomic.Int64 // clients dropped
	reads     chan struct{}
	scans     chan struct{}
}

// New makes a server. It reads the hashes of passwords and tokens, and the
// certificate.
func New(opts Options) (*Server, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	opts = opts.withDefaults()
	s := &Server{opts: opts, log: opts.Logger, sessions: newSessions(opts.Config.SessionIdle), limits: newLimits(),
		localCSRF: newSecret(), reads: make(chan struct{}, maxReads), scans: make(chan struct{}, maxScans)}
	var err error
	if s.accounts, err = newAccounts(&opts.Config); err != nil {
		return nil, err
	}
	if opts.Config.TLSCert != "" {
		if s.tls, err = newCertificate(opts.Config.TLSCert, opts.Config.TLSKey, opts.Logger); err != nil {
			return nil, err
		}
	}
	if opts.Config.PublicURL != "" {
		if s.public, err = url.Parse(opts.Config.PublicURL); err != nil {
			return nil, fmt.Errorf("web: public_url: %w", err)
		}
	}
	s.secure = s.tls != nil || s.public != nil && s.public.Scheme == "https"
	s.feed = newFeed(s)
	s.route()
	return s, nil
}

func (s *Server) now() time.Time { return s.opts.Now() }

// Run serves on l until ctx ends, and closes it.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	l = limitConns(l, maxConns)
	quiet, done := quietLog(s.log)
	defer done()
	srv := &http.Server{
		Handler: s, ErrorLog: quiet, MaxHeaderBytes: maxHeader,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: scanTimeout + 10*time.Second, IdleTimeout: 2 * time.Minute,
	}
	if s.tls != nil {
		l = tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.tls.get, NextProtos: []string{"http/1.1"}})
	}
	feeding, cancel := context.WithCancel(ctx)
	fed := make(chan struct{})
	go func() { defer close(fed); s.feed.run(feeding) }()
	stop := context.AfterFunc(ctx, func() {
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		s.feed.close()
		if srv.Shutdown(limit) != nil {
			_ = srv.Close()
		}
	})
	defer stop()
	err := srv.Serve(l)
	cancel()
	<-fed
	if !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// quietLog takes what net/http wants to log: handshakes and heads that are none,
// which anybody on the network can cause.
func quietLog(log logrus.FieldLogger) (*stdlog.Logger, func()) { //nolint:forbidigo // net/http takes no other
	r, w := io.Pipe()
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := r.Read(buf)
			if err != nil {
				return
			}
			log.WithField("http", strings.TrimSpace(string(buf[:n]))).Debug("a connection failed")
		}
	}()
	return stdlog.New(w, "", 0), func() { _ = w.Close() } //nolint:forbidigo // it hands on to ours
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r = withRequestID(r)
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler { //nolint:errorlint // it is panicked with as it is
				panic(v)
			}
			s.log.WithField("request", requestID(r)).Errorf("%s %s failed: %v", r.Method, routeOf(r), v)
			s.fail(w, r, newProblem(http.StatusInternalServerError, "byeguard could not answer; its log says why, under this request's id"))
		}
	}()
	s.headers(w)
	if err := s.checkHost(r); err != nil {
		s.fail(w, r, err)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// contentPolicy lets the page load its own files and talk to its own server alone.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'"

func (s *Server) headers(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cache-Control", "no-store")
	if s.secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// checkHost refuses names that byeguard does not go by where nobody has to log
// in: a page of the internet whose name was made to mean 127.0.0.1 would have the
// rights of whoever looks at it (DNS rebinding).
func (s *Server) checkHost(r *http.Request) error {
	if s.opts.Config.loginRequired() || isLoopbackHost(hostOnly(r.Host)) || r.URL.Path == "/healthz" {
		return nil
	}
	return newProblem(http.StatusMisdirectedRequest, "use http://127.0.0.1 or http://localhost: without users byeguard is for this machine alone")
}

// local says that the request came to an address of this machine alone, and not
// through a proxy of it: what is said there needs no login.
func (s *Server) local(r *http.Request) bool {
	forwarded := r.Header.Get("Forwarded") + r.Header.Get(forwardedFor)
	return IsLoopback(s.opts.Listen) && isLoopbackHost(hostOnly(r.Host)) && !s.opts.Config.BehindProxy && forwarded == ""
}

// forwardedFor is where a proxy adds the address that a request came to it from.
const forwardedFor = "X-Forwarded-For"

func hostOnly(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}

// remoteHost is where the request comes from. Behind a proxy that is what the proxy
// itself added: what stands before it anybody may have made up.
func (s *Server) remoteHost(r *http.Request) string {
	if s.opts.Config.BehindProxy {
		if all := r.Header.Values(forwardedFor); len(all) > 0 {
			last := all[len(all)-1]
			last = strings.TrimSpace(last[strings.LastIndex(last, ",")+1:])
			if ip, err := netip.ParseAddr(last); err == nil {
				return ip.String()
			}
		}
	}
	return hostOnly(r.RemoteAddr)
}

// sameOrigin says whether a browser's request comes from our own page. Programs
// that are no browsers send no Origin.
func (s *Server) sameOrigin(r *http.Request) bool {
	text := r.Header.Get("Origin")
	if text == "" {
		return r.Header.Get("Sec-Fetch-Site") == "" || r.Header.Get("Sec-Fetch-Site") == "same-origin" || r.Header.Get("Sec-Fetch-Site") == "none"
	}
	o, err := url.Parse(text)
	if err != nil || o.Host == "" {
		return false
	}
	if s.public != nil && strings.EqualFold(o.Scheme, s.public.Scheme) && strings.EqualFold(o.Host, s.public.Host) {
		return true
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return strings.EqualFold(o.Host, r.Host) && strings.EqualFold(o.Scheme, scheme)
}
