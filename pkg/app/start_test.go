package app_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/lab"
)

// run starts a daemon that is expected to fail, and returns its error.
func run(t *testing.T, change func(*app.Config)) error {
	t.Helper()
	cfg := app.DefaultConfig()
	cfg.HTTP = ""
	cfg.DataDir = t.TempDir()
	cfg.Nodes = []app.Node{{Name: "lab", Evapi: "127.0.0.1:1", JSONRPC: "http://127.0.0.1:1/RPC"}}
	change(&cfg)
	log := logrus.New()
	log.SetOutput(io.Discard)
	a, err := app.New(cfg, log, nil)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return a.Run(ctx)
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	db := lab.Postgres(t)
	kam := lab.MustKamailio(t, lab.KamailioOptions{})
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	lab1 := func(c *app.Config) {
		c.DatabaseURL = db
		c.Nodes[0].Evapi, c.Nodes[0].JSONRPC = kam.EvapiAddr, kam.RPCURL
	}
	for name, c := range map[string]struct {
		change func(*app.Config)
		want   string
	}{
		"other node name":    {func(c *app.Config) { lab1(c); c.Nodes[0].Name = "kam7" }, "BYEGUARD_NODE"},
		"not JSON-RPC":       {func(c *app.Config) { lab1(c); c.Nodes[0].JSONRPC = other.URL }, "node lab"},
		"no such database":   {func(c *app.Config) { lab1(c); c.DatabaseURL = db + "&dbname=nobody" }, "nobody"},
		"bad database url":   {func(c *app.Config) { lab1(c); c.DatabaseURL = "mysql://x" }, "database"},
		"http address taken": {func(c *app.Config) { lab1(c); c.HTTP = kam.EvapiAddr }, "listen on http address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := run(t, c.change)
			require.ErrorContains(t, err, c.want)
		})
	}
}

// TestKamailioWithoutOurRoutes: it has evapi, but nobody there knows byeguard.
func TestKamailioWithoutOurRoutes(t *testing.T) {
	t.Parallel()
	db := lab.Postgres(t)
	kam := lab.MustKamailio(t, lab.KamailioOptions{Defines: map[string]string{"BYEGUARD_NO_EVAPI_MESSAGE": ""}})
	err := run(t, func(c *app.Config) {
		c.DatabaseURL = db
		c.Nodes[0].Evapi, c.Nodes[0].JSONRPC = kam.EvapiAddr, kam.RPCURL
	})
	require.ErrorContains(t, err, "does kamailio.cfg include byeguard-routes.cfg?")
}

// TestNodeThatComesUpLater: byeguard starts before its proxy and waits for it.
func TestNodeThatComesUpLater(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{kamailio: lab.KamailioOptions{}, noGuard: true})
	require.NoError(t, s.kam.Stop())
	started := make(chan error, 1)
	go func() { started <- s.kam.Start(s.ctx) }()
	s.guard(nil)
	require.NoError(t, <-started)
	s.repaired(s.call(lab.CallOptions{}))
}

// TestJSONRPCFailsAtStart: while byeguard starts JSON-RPC answers 500, then half.
// That proves nothing of the node: it is waited for, and then guarded.
func TestJSONRPCFailsAtStart(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{noGuard: true})
	target, err := url.Parse(s.kam.RPCURL)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: target.Scheme, Host: target.Host})
	var sound atomic.Bool
	var spoiled atomic.Int64
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n := spoiled.Add(1); {
		case sound.Load():
			proxy.ServeHTTP(w, r)
		case n%2 == 1:
			http.Error(w, `{"jsonrpc":"2.0","error":{"code":500,"message":"spoiled"}}`, http.StatusInternalServerError)
		default:
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(`{"jsonrpc":"2.0","result":["core.mod`))
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(front.Close)
	s.guard(func(c *app.Config) { c.Nodes[0].JSONRPC = front.URL + target.Path })
	s.eventually("both are asked again", 20*time.Second, func() bool { return spoiled.Load() > 6 })
	require.NotContains(t, s.log.String(), "BYEs cannot be sent")
	sound.Store(true)
	s.repaired(s.call(lab.CallOptions{}))
}

// TestPrivateDatabase: without database_url byeguard brings its own PostgreSQL,
// and what it wrote is there after a restart.
func TestPrivateDatabase(t *testing.T) {
	t.Parallel()
	// The server's user must be able to enter it, when the tests run as root.
	dir, err := os.MkdirTemp("", "byeguard-app-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	kam := lab.MustKamailio(t, lab.KamailioOptions{})
	cfg := app.DefaultConfig()
	cfg.DataDir, cfg.HTTP = dir, "127.0.0.1:0"
	cfg.Nodes = []app.Node{{Name: "lab", Evapi: kam.EvapiAddr, JSONRPC: kam.RPCURL}}
	for round := range 2 {
		log := logrus.New()
		log.SetOutput(io.Discard)
		a, err := app.New(cfg, log, nil)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.Run(ctx) }()
		select {
		case <-a.Ready():
		case err := <-done:
			require.NoError(t, err)
		}
		require.Eventually(t, func() bool { return ready(t, a.HTTPAddr()) }, 20*time.Second, 20*time.Millisecond, "round %d", round)
		url, err := app.FindDatabase(&cfg)
		require.NoError(t, err)
		require.NotEmpty(t, url)
		cancel()
		require.NoError(t, <-done)
		_, err = app.FindDatabase(&cfg)
		require.ErrorContains(t, err, "no database")
	}
}

func ready(t *testing.T, addr string) bool {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://%s/readyz", addr), nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// TestRestartOfByeguard: calls that were up before are guarded after.
func TestRestartOfByeguard(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	p, retried := s.call(lab.CallOptions{}), s.call(lab.CallOptions{})
	s.open(p.Caller.CallID())
	// A repair that is waiting for its next try is taken over too.
	retried.Callee.SetBye(lab.ByePolicy{Code: 500})
	_, err := retried.Caller.Send("BYE", lab.RequestOptions{})
	require.NoError(t, err)
	require.NoError(t, retried.Callee.Wait(s.ctx, func(r lab.Record) bool { return len(r.ByesReceived()) > 1 }))
	s.stop()
	retried.Callee.SetBye(lab.ByePolicy{})
	s.guard(nil)
	s.repaired(p)
	require.NoError(t, retried.Callee.WaitEnded(s.ctx))
	require.True(t, s.final(retried.Caller.CallID()).Repaired)
}

// TestP1RestartOfKamailio: the proxy forgets its calls, the end points do not.
func TestP1RestartOfKamailio(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{})
	p := s.call(lab.CallOptions{})
	s.open(p.Caller.CallID())
	require.NoError(t, s.kam.Kill())
	require.NoError(t, s.kam.Start(s.ctx))
	s.eventually("byeguard is connected again", 20*time.Second, s.app.Connected)
	require.True(t, p.Caller.State().Live() && p.Callee.State().Live())
	// Whatever its state: it is settled as soon as the new proxy's dialogs were looked through.
	s.eventually("an incident of the node", 20*time.Second, func() bool {
		return s.count("SELECT count(*) FROM byeguard.incidents WHERE node='lab' AND kind='node_restarted'") == 1
	})
	s.noCommands()
	_, err := p.Callee.Bye(s.ctx, lab.RequestOptions{})
	require.NoError(t, err)
	require.Equal(t, "callee", s.final(p.Caller.CallID()).Released)
	s.noCommands()
	s.noViolations()
}

// TestHealthTellsWhatIsMissing: /readyz names the node that is not connected.
func TestHealthTellsWhatIsMissing(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{noGuard: true})
	s.guard(func(c *app.Config) { c.HTTP = "127.0.0.1:0" })
	s.eventually("ready", 10*time.Second, func() bool { return ready(t, s.app.HTTPAddr()) })
	require.NoError(t, s.kam.Kill())
	s.eventually("not ready without the proxy", 10*time.Second, func() bool { return !ready(t, s.app.HTTPAddr()) })
}
