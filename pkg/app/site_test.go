package app_test

import (
	"bytes"
	"context"
	"database/sql"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq" // the driver
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/lab"
	"github.com/byeguard/byeguard/pkg/store"
)

// site is one operator's place: a Kamailio, a byeguard beside it, a caller and
// a callee that judge every request strictly.
type site struct {
	t      *testing.T
	ctx    context.Context
	kam    *lab.Kamailio
	more   []*lab.Kamailio // further ones on the way of the calls
	app    *app.App
	db     string
	dir    string // data_dir, kept over restarts
	sql    *sqlx.DB
	caller *lab.UA
	callee *lab.UA
	stop   func()
	log    syncBuffer
}

type siteOptions struct {
	kamailio lab.KamailioOptions
	caller   lab.UAOptions
	callee   lab.UAOptions
	config   func(*app.Config)
	ipv6     bool
	noGuard  bool // the test starts byeguard itself
}

func newSite(t *testing.T, o siteOptions) *site {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	s := &site{t: t, ctx: ctx}
	s.db = lab.Postgres(t)
	if o.callee.Name == "" {
		o.callee.Name = "bob"
	}
	if o.caller.Name == "" {
		o.caller.Name = "alice"
	}
	s.kam = lab.MustKamailio(t, o.kamailio)
	o.callee.Proxy, o.caller.Proxy = s.kam.SIPAddr, s.kam.SIPAddr
	if o.ipv6 {
		o.callee.Proxy, o.caller.Proxy = s.kam.SIPAddr6, s.kam.SIPAddr6
	}
	s.callee = lab.MustUA(t, o.callee)
	s.caller = lab.MustUA(t, o.caller)
	t.Cleanup(func() {
		if t.Failed() {
			s.tellStories()
		}
	})
	if !o.noGuard {
		s.guard(o.config)
	}
	return s
}

// guard starts byeguard and waits until it is connected.
func (s *site) guard(change func(*app.Config)) {
	s.t.Helper()
	cfg := app.DefaultConfig()
	cfg.DatabaseURL = s.db
	cfg.HTTP = ""
	if s.dir == "" {
		s.dir = s.t.TempDir()
	}
	cfg.DataDir = s.dir
	cfg.LogLevel = "debug"
	cfg.Nodes = []app.Node{{Name: "lab", Evapi: s.kam.EvapiAddr, JSONRPC: s.kam.RPCURL}}
	if s.kam.UDPAddr != "" {
		cfg.Nodes[0].UDP, cfg.Nodes[0].UDPFrom = s.kam.UDPAddr, s.kam.SIPAddr
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	s.app, err = app.New(cfg, s.logger(), nil)
	require.NoError(s.t, err)
	ctx, cancel := context.WithCancel(s.ctx)
	done := make(chan error, 1)
	go func() { done <- s.app.Run(ctx) }()
	var once atomic.Bool
	s.stop = func() {
		if once.CompareAndSwap(false, true) {
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
	if s.sql == nil {
		s.sql, err = sqlx.Open("postgres", s.db)
		require.NoError(s.t, err)
		s.t.Cleanup(func() { _ = s.sql.Close() })
	}
}

// logger keeps what byeguard logs, and shows it when the test fails.
func (s *site) logger() logrus.FieldLogger {
	log := logrus.New()
	log.SetLevel(logrus.DebugLevel)
	log.SetFormatter(&logrus.TextFormatter{DisableColors: true})
	log.SetOutput(&s.log)
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.t.Log("byeguard's log:\n" + s.log.String())
		}
	})
	return log
}

// syncBuffer is a buffer for many writers.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// call places one call and waits until it is up at both ends.
func (s *site) call(o lab.CallOptions) lab.Pair {
	s.t.Helper()
	return s.calls(1, o)[0]
}

func (s *site) calls(n int, o lab.CallOptions) []lab.Pair {
	s.t.Helper()
	pairs, err := lab.PlaceCalls(s.ctx, lab.LoadOptions{
		Callers: []*lab.UA{s.caller}, Callees: []*lab.UA{s.callee}, Calls: n,
		Options: func(int) lab.CallOptions { return o },
	})
	require.NoError(s.t, err)
	return pairs
}

// endAll ends all calls as an operator's timer would.
func (s *site) endAll() {
	s.t.Helper()
	_, err := lab.EndDialogs(s.ctx, s.kam.RPC(), lab.RaceParallelism, nil)
	require.NoError(s.t, err)
}

// eventually waits for something to become true.
func (s *site) eventually(what string, limit time.Duration, ok func() bool) {
	s.t.Helper()
	require.Eventually(s.t, ok, limit, 20*time.Millisecond, what)
}

// record is one row of byeguard.cdrs, read by SQL: the tests judge by the
// agents' own records and the database alone.
type record struct {
	State       string        `db:"state"`
	Disposition string        `db:"disposition"`
	Released    string        `db:"released_by"`
	Code        int           `db:"code"`
	Duration    sql.NullInt64 `db:"duration_ms"`
	Overrun     int64         `db:"overrun_ms"`
	CallerHow   string        `db:"caller_how"`
	CalleeHow   string        `db:"callee_how"`
	Repaired    bool          `db:"repaired"`
	RepairedLeg string        `db:"repaired_leg"`
	RepairWhy   string        `db:"repair_why"`
	Attempts    int           `db:"attempts"`
	CalleeTag   string        `db:"callee_tag"`
	CallerURI   string        `db:"caller_uri"`
	Ended       sql.NullTime  `db:"ended_at"`
}

func (s *site) records(callID string) []record {
	s.t.Helper()
	var rows []record
	require.NoError(s.t, s.sql.SelectContext(s.ctx, &rows, `SELECT state, disposition, released_by, code, duration_ms, overrun_ms,
		caller_how, callee_how, repaired, repaired_leg, repair_why, attempts, callee_tag, caller_uri, ended_at
		FROM byeguard.cdrs WHERE call_id = $1 ORDER BY started`, store.Escape(callID)))
	return rows
}

// final waits for the final CDR of a call that has one record.
func (s *site) final(callID string) record {
	s.t.Helper()
	var r record
	s.eventually("final CDR of "+callID, 90*time.Second, func() bool {
		rows := s.records(callID)
		require.LessOrEqual(s.t, len(rows), 1, "one call has more than one CDR")
		if len(rows) == 1 {
			r = rows[0]
		}
		return r.State == "final"
	})
	return r
}

// open waits for the open CDR of a call that is up.
func (s *site) open(callID string) record {
	s.t.Helper()
	var r record
	s.eventually("open CDR of "+callID, 20*time.Second, func() bool {
		rows := s.records(callID)
		if len(rows) == 1 {
			r = rows[0]
		}
		return r.State == "open"
	})
	return r
}

// count runs a query that counts.
func (s *site) count(query string, args ...any) int {
	s.t.Helper()
	var n int
	require.NoError(s.t, s.sql.GetContext(s.ctx, &n, query, args...))
	return n
}

// noCommands asserts that byeguard sent nothing.
func (s *site) noCommands() {
	s.t.Helper()
	require.Zero(s.t, s.count("SELECT count(*) FROM byeguard.outbox"), "byeguard sent a BYE")
}

// noViolations asserts that nothing wrong reached an agent.
func (s *site) noViolations() {
	s.t.Helper()
	require.Empty(s.t, s.caller.Violations())
	require.Empty(s.t, s.callee.Violations())
}

// incident waits for an incident of that kind and state.
func (s *site) incident(callID, kind, state string) {
	s.t.Helper()
	s.eventually(kind+" is "+state, 90*time.Second, func() bool {
		return s.count("SELECT count(*) FROM byeguard.incidents WHERE call_id=$1 AND kind=$2 AND state=$3", store.Escape(callID), kind, state) == 1
	})
}
