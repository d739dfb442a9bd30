package chaos

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// rpcTap is the way of JSON-RPC between byeguard and Kamailio.
type rpcTap struct {
	url    string
	server *http.Server
	proxy  *httputil.ReverseProxy
	done   chan struct{}

	mu   sync.Mutex
	held chan struct{} // closed when answers are not held back; never nil

	fail, half atomic.Bool

	requests, spoiled atomic.Int64
}

func startRPCTap(target string) (*rpcTap, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("tap JSON-RPC: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("tap JSON-RPC: %w", err)
	}
	t := &rpcTap{url: "http://" + l.Addr().String() + u.Path, done: make(chan struct{}), held: make(chan struct{})}
	close(t.held)
	silent := log.New(io.Discard, "", 0) //nolint:forbidigo // net/http takes no other, and this one says nothing
	t.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = u.Scheme, u.Host
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 64},
		ErrorLog:  silent,
		ModifyResponse: func(r *http.Response) error {
			t.wait(r.Request)
			return nil
		},
	}
	t.server = &http.Server{Handler: t, ErrorLog: silent, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(t.done)
		_ = t.server.Serve(l)
	}()
	return t, nil
}

// wait keeps an answer that is there until it may go on.
func (t *rpcTap) wait(r *http.Request) {
	t.mu.Lock()
	held := t.held
	t.mu.Unlock()
	select {
	case <-held:
	default:
		t.spoiled.Add(1)
		select {
		case <-held:
		case <-r.Context().Done():
		}
	}
}

// ServeHTTP implements http.Handler.
func (t *rpcTap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t.requests.Add(1)
	switch {
	case t.fail.Load():
		t.spoiled.Add(1)
		http.Error(w, `{"jsonrpc":"2.0","error":{"code":500,"message":"spoiled"}}`, http.StatusInternalServerError)
	case t.half.Load():
		t.spoiled.Add(1)
		t.proxy.ServeHTTP(&halfWriter{ResponseWriter: w}, r)
		panic(http.ErrAbortHandler) // cuts the connection
	default:
		t.proxy.ServeHTTP(w, r)
	}
}

// halfWriter passes on half of each piece of a body. What was asked was done
// nevertheless: the worst case for a client.
type halfWriter struct{ http.ResponseWriter }

func (h *halfWriter) Write(p []byte) (int, error) {
	_, err := h.ResponseWriter.Write(p[:len(p)/2])
	return len(p), err
}

// hold keeps all answers back until it is told false.
func (t *rpcTap) hold(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-t.held:
		if on {
			t.held = make(chan struct{})
		}
	default:
		if !on {
			close(t.held)
		}
	}
}

func (t *rpcTap) close() {
	t.hold(false)
	_ = t.server.Close()
	<-t.done
}
