package app_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/cluster"
	"github.com/byeguard/byeguard/pkg/lab"
)

// What one arm of BenchmarkCost does. Short calls are harder on byeguard than
// long ones: it writes what changed in half a second at once, so they outlast
// that by far.
const (
	costCalls  = 3000
	costRate   = 200 // calls a second
	costHold   = 3 * time.Second
	costRounds = 3
)

// arms of the comparison.
var arms = [...]string{"plain", "db_mode=1", "byeguard", "byeguard-udp"}

// cost is CPU time a call.
type cost struct {
	kamailio, postgres, byeguard time.Duration
	missing                      int // records of the arm that are not final
}

func (c cost) sum() time.Duration { return c.kamailio + c.postgres + c.byeguard }

// BenchmarkCost compares what a call costs more, in CPU time of all processes,
// with Kamailio's own persistence (dialog db_mode=1) and with byeguard: the same
// calls through the same configuration, the same durable PostgreSQL, in turns.
// The agents' own time is not counted.
func BenchmarkCost(b *testing.B) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	pg := durable(ctx, b)
	program := binary(b)
	var rounds []map[string]cost
	for range b.N {
		for range costRounds {
			round := map[string]cost{}
			for _, arm := range arms {
				round[arm] = costArm(ctx, b, program, pg, arm)
			}
			rounds = append(rounds, round)
			b.Logf("CPU µs a call (kamailio+postgresql+byeguard): plain %s, db_mode=1 %s, byeguard %s, byeguard-udp %s",
				round["plain"], round["db_mode=1"], round["byeguard"], round["byeguard-udp"])
		}
	}
	report := func(unit string, value func(map[string]cost) float64) {
		var all []float64
		for _, r := range rounds {
			all = append(all, value(r))
		}
		slices.Sort(all)
		b.ReportMetric((all[(len(all)-1)/2]+all[len(all)/2])/2, unit)
	}
	µs := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }
	for _, arm := range arms {
		report("µs-"+arm, func(r map[string]cost) float64 { return µs(r[arm].sum()) })
	}
	extra := func(r map[string]cost, arm string) float64 { return µs(r[arm].sum() - r["plain"].sum()) }
	report("µs-more-db_mode=1", func(r map[string]cost) float64 { return extra(r, "db_mode=1") })
	missing := 0
	for _, arm := range arms[2:] {
		report("µs-more-"+arm, func(r map[string]cost) float64 { return extra(r, arm) })
		report(arm+"/db_mode=1", func(r map[string]cost) float64 { return extra(r, arm) / extra(r, "db_mode=1") })
		for _, r := range rounds {
			missing += r[arm].missing
		}
	}
	b.ReportMetric(float64(missing), "records-missing")
	b.ReportMetric(0, "ns/op") // says nothing
}

// String is for the log.
func (c cost) String() string {
	s := func(d time.Duration) string { return strconv.FormatInt(d.Microseconds(), 10) }
	return s(c.kamailio) + "+" + s(c.postgres) + "+" + s(c.byeguard)
}

// costArm runs the load once and returns what a call cost. PostgreSQL rests
// between arms, so that none pays for the one before.
func costArm(ctx context.Context, b *testing.B, program string, pg *server, arm string) (c cost) {
	b.Helper()
	opts := lab.KamailioOptions{UDP: arm == "byeguard-udp"}
	if arm == "db_mode=1" {
		opts.Defines = map[string]string{"WITH_DIALOG_DB": "", "DIALOG_DB_URL": strconv.Quote(pg.kamailio)}
	}
	kam, err := lab.StartKamailio(ctx, opts)
	require.NoError(b, err)
	defer func() { require.NoError(b, kam.Close()) }()
	var guard *daemon
	if strings.HasPrefix(arm, "byeguard") {
		guard = startDaemon(ctx, b, program, kam, pg.byeguard)
		defer guard.stop()
	}
	pg.checkpoint(b)

	usage := func() (u cost) {
		var errs [3]error
		u.kamailio, errs[0] = lab.CPUTime(kam.Pid())
		u.postgres, errs[1] = lab.CPUTime(pg.Pid())
		if guard != nil {
			u.byeguard, errs[2] = lab.CPUTime(guard.pid)
		}
		require.NoError(b, errors.Join(errs[:]...))
		return u
	}
	before := usage()
	load(ctx, b, kam)
	if strings.HasPrefix(arm, "byeguard") {
		c.missing = pg.await(ctx, b, guard, costCalls)
	}
	pg.checkpoint(b) // what is still to be written belongs to it
	after := usage()
	c.kamailio = (after.kamailio - before.kamailio) / costCalls
	c.postgres = (after.postgres - before.postgres) / costCalls
	c.byeguard = (after.byeguard - before.byeguard) / costCalls
	return c
}

// load places the calls at an even pace; each caller hangs up after costHold.
func load(ctx context.Context, b *testing.B, kam *lab.Kamailio) {
	b.Helper()
	caller := lab.MustUA(b, lab.UAOptions{Name: "alice", Proxy: kam.SIPAddr})
	callee := lab.MustUA(b, lab.UAOptions{Name: "bob"})
	defer caller.Close()
	defer callee.Close()
	var wg sync.WaitGroup
	var failed sync.Map
	tick := time.NewTicker(time.Second / costRate)
	defer tick.Stop()
	for range costCalls {
		<-tick.C
		c, err := caller.Call(ctx, lab.CallOptions{To: callee.URI()})
		require.NoError(b, err)
		wg.Add(1)
		time.AfterFunc(costHold, func() {
			defer wg.Done()
			r, err := c.Bye(ctx, lab.RequestOptions{})
			if err != nil || r.Code != 200 {
				failed.Store(c.CallID(), r.Code)
			}
		})
	}
	wg.Wait()
	n := 0
	failed.Range(func(any, any) bool { n++; return true })
	require.Zero(b, n, "calls did not end well")
	require.Zero(b, callee.Live())
}

// server is a PostgreSQL with full durability and default settings, as an
// operator has it.
type server struct {
	*cluster.Cluster
	kamailio, byeguard string // URLs
	admin, records     *sqlx.DB
	final              int // records awaited so far
}

func durable(ctx context.Context, b *testing.B) *server {
	b.Helper()
	dir, err := os.MkdirTemp("", "byeguard-bench-pg-")
	require.NoError(b, err)
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(b, os.Chmod(dir, 0o755)) // PostgreSQL runs as a user of its own
	port, err := lab.FreePort("127.0.0.1")
	require.NoError(b, err)
	pg, err := cluster.Start(ctx, cluster.Options{
		Dir: filepath.Join(dir, "pg"), HBA: []string{"host all all 127.0.0.1/32 trust"}, //nolint:dupword // any database, any user
		Settings: map[string]string{"listen_addresses": "127.0.0.1", "port": strconv.Itoa(port)},
	})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, pg.Stop(context.Background())) })
	s := &server{Cluster: pg, byeguard: pg.URL(),
		kamailio: "postgres://byeguard@127.0.0.1:" + strconv.Itoa(port) + "/kamailio"}
	open := func(url string) *sqlx.DB {
		db, err := sqlx.Open("postgres", url)
		require.NoError(b, err)
		db.SetMaxOpenConns(1)
		b.Cleanup(func() { _ = db.Close() })
		return db
	}
	s.admin, s.records = open(pg.URLFor("postgres")), open(pg.URL())
	_, err = s.admin.ExecContext(ctx, "CREATE DATABASE kamailio")
	require.NoError(b, err)
	tables := open(pg.URLFor("kamailio"))
	for _, file := range []string{"standard-create.sql", "dialog-create.sql"} {
		text, err := os.ReadFile(filepath.Join("/usr/share/kamailio/postgres", file))
		require.NoError(b, err, "install kamailio-postgres-modules")
		_, err = tables.ExecContext(ctx, string(text))
		require.NoError(b, err)
	}
	return s
}

func (s *server) checkpoint(b *testing.B) {
	b.Helper()
	_, err := s.admin.Exec("CHECKPOINT")
	require.NoError(b, err)
}

// await waits until n more records are final, so that the arm has done its whole
// work, and returns how many are missing because events were not seen.
func (s *server) await(ctx context.Context, b *testing.B, guard *daemon, n int) (missing int) {
	b.Helper()
	have := 0
	deadline := time.Now().Add(10 * time.Second)
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for ; have < s.final+n && time.Now().Before(deadline); <-tick.C {
		require.NoError(b, s.records.GetContext(ctx, &have, "SELECT count(*) FROM byeguard.cdrs WHERE state = 'final'"))
	}
	missing = s.final + n - have
	s.final = have
	if guard.unseen(b) == 0 {
		require.Zero(b, missing, "every event was seen, and records are missing")
	}
	return missing
}
