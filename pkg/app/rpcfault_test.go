package app_test

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/lab"
)

// rpcFaults are the ways in which a hostileRPC spoils an answer. Those with a "+"
// have Kamailio carry out the request first.
var rpcFaults = []string{"500", "+500", "reset", "+reset", "+half", "+wrong id", "+huge", "+silent", "+error of another"}

// hostileRPC stands between byeguard and a real Kamailio's JSON-RPC.
type hostileRPC struct {
	url    string
	target atomic.Pointer[string]

	bad atomic.Bool

	mu      sync.Mutex
	rnd     *rand.Rand
	spoiled map[string]int // by method
}

func newHostileRPC(t *testing.T, target string, seed uint64) *hostileRPC {
	t.Helper()
	h := &hostileRPC{rnd: rand.New(rand.NewPCG(seed, 7)), spoiled: map[string]int{}}
	h.target.Store(&target)
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	h.url = srv.URL + "/RPC"
	return h
}

// ServeHTTP implements http.Handler.
func (h *hostileRPC) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var req struct {
		Method string
		Params []any
	}
	if err != nil || json.Unmarshal(body, &req) != nil {
		http.Error(w, "no JSON", http.StatusBadRequest)
		return
	}
	fault := ""
	h.mu.Lock()
	if h.bad.Load() {
		fault = rpcFaults[h.rnd.IntN(len(rpcFaults))]
		h.spoiled[req.Method]++
	}
	h.mu.Unlock()
	how, does := strings.CutPrefix(fault, "+")
	var answer []byte
	if does || fault == "" {
		out, err := http.NewRequestWithContext(r.Context(), http.MethodPost, *h.target.Load(), bytes.NewReader(body))
		if err != nil {
			panic(err)
		}
		resp, err := http.DefaultClient.Do(out)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		answer, _ = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	switch how {
	case "":
		_, _ = w.Write(answer)
	case "500":
		http.Error(w, "<html>", http.StatusInternalServerError)
	case "reset":
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
	case "half":
		_, _ = w.Write(answer[:len(answer)/2])
	case "wrong id":
		_, _ = w.Write(bytes.Replace(answer, []byte("byeguard-"), []byte("byeguarD-"), 1))
	case "error of another":
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","error":{"code":404,"message":"Not found"},"id":"byeguard-0-1"}`)
	case "huge":
		_, _ = w.Write(answer[:len(answer)-1])
		_, _ = w.Write(bytes.Repeat([]byte(" "), 20<<20))
	case "silent":
		<-r.Context().Done()
	}
}

// spoilt is how many answers to a method were spoilt.
func (h *hostileRPC) spoilt(method string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.spoiled[method]
}

// TestP1JSONRPCUnderFault: while every answer of JSON-RPC is spoilt, in one of
// nine ways, calls become one-sided, others end well and others stay up.
// Afterwards each callee that was owed a BYE has got exactly one: what may have
// been sent is waited for, and what was not is sent. Judged by the agents.
func TestP1JSONRPCUnderFault(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	s := newSite(t, siteOptions{noGuard: true})
	rpc := newHostileRPC(t, s.kam.RPCURL, seed)
	s.guard(func(c *app.Config) { c.Nodes[0].JSONRPC = rpc.url })
	all := s.calls(30, lab.CallOptions{})
	owed, good, up := all[:18], all[18:24], all[24:]
	for _, p := range all {
		s.open(p.Caller.CallID())
	}

	rpc.bad.Store(true)
	for _, p := range owed {
		s.forceRace(p)
	}
	for _, p := range good {
		_, err := p.Callee.Bye(s.ctx, lab.RequestOptions{})
		require.NoError(t, err)
	}
	s.eventually("all BYEs were spoilt", 60*time.Second, func() bool { return rpc.spoilt("tm.t_uac_wait") >= len(owed) })
	rpc.bad.Store(false)

	for _, p := range owed {
		require.NoError(t, p.Callee.WaitEnded(s.ctx), "a leg was left up")
		require.True(t, s.final(p.Caller.CallID()).Repaired)
		require.Equal(t, 1, byes(p.Callee), "a callee got another BYE")
	}
	for _, p := range good {
		require.False(t, s.final(p.Caller.CallID()).Repaired)
		require.LessOrEqual(t, byes(p.Caller)+byes(p.Callee), 1)
	}
	for _, p := range up {
		require.True(t, p.Caller.State().Live() && p.Callee.State().Live(), "a live call was ended")
		require.Equal(t, "open", s.open(p.Caller.CallID()).State)
	}
	s.eventually("no incident is left", 20*time.Second, func() bool {
		return s.count("SELECT count(*) FROM byeguard.incidents WHERE state='open' AND call_id <> ''") == 0
	})
	s.noViolations()
}
