package ui_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq" // the driver
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/lab"
	"github.com/byeguard/byeguard/pkg/web"
)

// site is a real Kamailio with a real byeguard beside it, which serves the page,
// a PostgreSQL, a caller and a callee.
type site struct {
	t              *testing.T
	ctx            context.Context
	kam            *lab.Kamailio
	db             *sqlx.DB
	url            string // of the page
	app            *app.App
	stop           func()
	cfg            app.Config
	caller, callee *lab.UA
}

// rates give the calls of the test a carrier and a price.
const rates = `carriers:
  - name: acme
    gateways: [127.0.0.0/8]
    currency: EUR
    rates: [{per_minute: 0.0431, minimum: 60, increment: 60}]
`

func newSite(t *testing.T, access web.Config) *site {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	t.Cleanup(cancel)
	s := &site{t: t, ctx: ctx, kam: lab.MustKamailio(t, lab.KamailioOptions{}), cfg: app.DefaultConfig()}
	url := lab.Postgres(t)
	var err error
	s.db, err = sqlx.Open("postgres", url)
	require.NoError(t, err)
	t.Cleanup(func() { s.db.Close() })
	s.caller = lab.MustUA(t, lab.UAOptions{Name: "alice", Proxy: s.kam.SIPAddr})
	s.callee = lab.MustUA(t, lab.UAOptions{Name: "bob", Proxy: s.kam.SIPAddr})
	dir := t.TempDir()
	s.cfg.Rates = filepath.Join(dir, "rates.yaml")
	require.NoError(t, os.WriteFile(s.cfg.Rates, []byte(rates), 0o644))
	s.cfg.DatabaseURL, s.cfg.DataDir, s.cfg.HTTP, s.cfg.Web = url, dir, "127.0.0.1:0", access
	s.cfg.Nodes = []app.Node{{Name: "lab", Evapi: s.kam.EvapiAddr, JSONRPC: s.kam.RPCURL}}
	s.start()
	return s
}

// start starts byeguard, and waits until it is connected.
func (s *site) start() {
	s.t.Helper()
	log := logrus.New()
	log.SetOutput(s.t.Output())
	var err error
	s.app, err = app.New(s.cfg, log, nil)
	require.NoError(s.t, err)
	ctx, cancel := context.WithCancel(s.ctx)
	done := make(chan error, 1)
	go func() { done <- s.app.Run(ctx) }()
	stopped := false
	s.stop = func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(s.t, <-done)
		}
	}
	s.t.Cleanup(s.stop)
	select {
	case <-s.app.Ready():
	case err := <-done:
		require.NoError(s.t, err)
	}
	require.Eventually(s.t, s.app.Connected, 20*time.Second, 10*time.Millisecond, "byeguard is not connected")
	s.cfg.HTTP = s.app.HTTPAddr() // the same after a restart
	s.url = "http://" + s.cfg.HTTP
}

// call places a call that is up at both ends.
func (s *site) call(o lab.CallOptions) lab.Pair {
	s.t.Helper()
	pairs, err := lab.PlaceCalls(s.ctx, lab.LoadOptions{
		Callers: []*lab.UA{s.caller}, Callees: []*lab.UA{s.callee}, Calls: 1, Options: func(int) lab.CallOptions { return o },
	})
	require.NoError(s.t, err)
	return pairs[0]
}

// oneSided has Kamailio end a call on the caller's side alone, as its fault does.
// byeguard repairs it.
func (s *site) oneSided(p lab.Pair) {
	s.t.Helper()
	require.NoError(s.t, lab.ForceRace(s.ctx, s.kam.RPC(), p.Caller))
	require.NoError(s.t, p.Caller.WaitEnded(s.ctx))
	require.NoError(s.t, p.Callee.WaitEnded(s.ctx))
}

// refused has Kamailio refuse a hang-up: an incident that stays open.
func (s *site) refused(p lab.Pair) {
	s.t.Helper()
	_, err := p.Caller.Forge(s.ctx, lab.RequestOptions{Headers: []string{"X-Lab: refuse"}})
	require.NoError(s.t, err)
}

// row reads one value of the database, as soon as there is one.
func row[T any](s *site, query string, args ...any) T {
	s.t.Helper()
	var v T
	require.Eventually(s.t, func() bool { return s.db.GetContext(s.ctx, &v, query, args...) == nil }, 20*time.Second, 20*time.Millisecond, "%s", query)
	return v
}
