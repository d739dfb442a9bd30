package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/lab"
)

// dbFault is something that happens to PostgreSQL under a running byeguard.
type dbFault struct {
	begin, end func()
	noticed    bool // /readyz must say so
}

// dbFaults makes each of them, for the site's own server.
func dbFaults(s *site, server *lab.Server, way *link) map[string]func() dbFault {
	t := s.t
	do := func(query string) {
		_, err := s.sql.ExecContext(s.ctx, query)
		require.NoError(t, err)
	}
	settle := func(query string) func() {
		return func() { do(query); do("select pg_reload_conf()") }
	}
	return map[string]func() dbFault{
		"stopped": func() dbFault {
			return dbFault{
				begin:   func() { require.NoError(t, server.Stop(s.ctx)) },
				end:     func() { require.NoError(t, server.Start(s.ctx)) },
				noticed: true,
			}
		},
		"crashed": func() dbFault {
			return dbFault{
				begin:   func() { require.NoError(t, server.Crash(s.ctx)) },
				end:     func() { require.NoError(t, server.Start(s.ctx)) },
				noticed: true,
			}
		},
		"sessions ended": func() dbFault {
			done, quit := make(chan struct{}), make(chan struct{})
			return dbFault{
				begin: func() {
					go func() {
						defer close(done)
						tick := time.NewTicker(100 * time.Millisecond)
						defer tick.Stop()
						for {
							_, _ = s.sql.ExecContext(s.ctx, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'byeguard'")
							select {
							case <-tick.C:
							case <-quit:
								return
							}
						}
					}()
				},
				end: func() { close(quit); <-done },
			}
		},
		"read-only": func() dbFault {
			return dbFault{
				begin:   settle("alter system set default_transaction_read_only = on"),
				end:     settle("alter system reset default_transaction_read_only"),
				noticed: true,
			}
		},
		"frozen": func() dbFault {
			return dbFault{
				begin:   func() { require.NoError(t, server.Freeze()) },
				end:     func() { require.NoError(t, server.Thaw()) },
				noticed: true,
			}
		},
		"locked": func() dbFault {
			var tx *sqlx.Tx
			return dbFault{
				begin: func() {
					var err error
					tx, err = s.sql.BeginTxx(s.ctx, nil)
					require.NoError(t, err)
					_, err = tx.ExecContext(s.ctx, "lock table byeguard.cdrs in exclusive mode")
					require.NoError(t, err)
				},
				end: func() { require.NoError(t, tx.Rollback()) },
			}
		},
		"cut off": func() dbFault { return dbFault{begin: way.cut, end: way.mend, noticed: true} },
	}
}

// TestPostgreSQLFaults: whatever happens to PostgreSQL, calls go on, those that
// end on one side are repaired in time, and afterwards each has one record and
// its evidence stands there once.
func TestPostgreSQLFaults(t *testing.T) {
	t.Parallel()
	turn := make(chan struct{}, 1) // each has a load of its own
	for _, kind := range []string{"stopped", "crashed", "sessions ended", "read-only", "frozen", "locked", "cut off"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			turn <- struct{}{}
			t.Cleanup(func() { <-turn })
			s := newSite(t, siteOptions{noGuard: true})
			server, err := lab.StartServer(s.ctx)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, server.Close()) })
			s.db = server.URL
			way := newLink(t, server.URL)
			s.guard(func(c *app.Config) { c.DatabaseURL, c.HTTP = way.url, "127.0.0.1:0" })
			testFault(s, dbFaults(s, server, way)[kind]())
		})
	}
}

func testFault(s *site, f dbFault) {
	s.t.Helper()
	const before, during = 12, 48
	all := s.calls(before, lab.CallOptions{})
	s.eventually("open records", 30*time.Second, func() bool { return s.count("SELECT count(*) FROM byeguard.cdrs") == before })
	f.begin()
	all = append(all, s.calls(during, lab.CallOptions{})...)
	if f.noticed {
		s.eventually("/readyz tells", 20*time.Second, func() bool { return !ready(s.t, s.app.HTTPAddr()) })
	}
	var ended, raced []lab.Pair
	for i, p := range all {
		switch i % 3 {
		case 0:
			require.NoError(s.t, lab.ForceRace(s.ctx, s.kam.RPC(), p.Caller))
			raced = append(raced, p)
		case 1:
			_, err := p.Callee.Bye(s.ctx, lab.RequestOptions{})
			require.NoError(s.t, err)
		default:
			continue
		}
		ended = append(ended, p)
	}
	slowest := time.Duration(0)
	for _, p := range raced {
		require.NoError(s.t, p.Caller.WaitEnded(s.ctx))
		require.NoError(s.t, p.Callee.WaitEnded(s.ctx))
		require.Len(s.t, p.Callee.ByesReceived(), 1)
		slowest = max(slowest, p.Callee.Record().Ended.Sub(p.Caller.Record().Ended))
	}
	s.t.Logf("%d one-sided calls repaired, the slowest after %v", len(raced), slowest.Round(time.Millisecond))
	require.Less(s.t, slowest, 5*time.Second, "a repair waited for PostgreSQL")
	f.end()

	s.eventually("ready again", 90*time.Second, func() bool { return ready(s.t, s.app.HTTPAddr()) })
	s.eventually("final records", 60*time.Second, func() bool {
		return s.count("SELECT count(*) FROM byeguard.cdrs WHERE state='final'") == len(ended)
	})
	s.eventually("all commands are told of", 20*time.Second, func() bool {
		return s.count("SELECT count(*) FROM byeguard.outbox WHERE state='done'") == len(raced)
	})
	s.oneRecordEach(len(all))
	require.Equal(s.t, len(all)-len(ended), s.count("SELECT count(*) FROM byeguard.dialogs"))
	require.Equal(s.t, len(raced), s.count("SELECT count(*) FROM byeguard.cdrs WHERE repaired"))
	require.Equal(s.t, len(raced), s.count("SELECT count(*) FROM byeguard.incidents WHERE kind='one_sided_bye' AND state='resolved'"))
	require.Zero(s.t, s.count("SELECT count(*) FROM byeguard.cdr_revisions"))
	s.evidenceOnce(len(all))
	for i, p := range all {
		if i%3 == 2 {
			require.True(s.t, p.Caller.State().Live() && p.Callee.State().Live(), "a live call was ended")
		}
	}
	st := s.app.Stats()
	require.Zero(s.t, st.Store.Dropped+st.Store.SetAside+st.Store.Unreadable)
	require.True(s.t, st.Store.AwaySince.IsZero())
	s.noViolations()
}

// oneRecordEach asserts that there are as many records as calls, and shows
// those of a call that has more.
func (s *site) oneRecordEach(calls int) {
	s.t.Helper()
	var more []string
	require.NoError(s.t, s.sql.SelectContext(s.ctx, &more, `SELECT to_jsonb(c)::text FROM byeguard.cdrs c
		WHERE call_id IN (SELECT call_id FROM byeguard.cdrs GROUP BY 1 HAVING count(*) > 1)`))
	require.Empty(s.t, more, "one record a call")
	require.Equal(s.t, calls, s.count("SELECT count(*) FROM byeguard.cdrs"))
}

// evidenceOnce asserts that no event is missing and none stands there twice.
func (s *site) evidenceOnce(calls int) {
	s.t.Helper()
	require.Equal(s.t, calls, s.count("SELECT count(*) FROM byeguard.events WHERE kind='start'"))
	require.Equal(s.t, calls, s.count("SELECT count(DISTINCT call_key) FROM byeguard.events WHERE kind='confirm'"), "an ACK may come twice, but not be lost")
	require.Zero(s.t, s.count(`SELECT count(*) FROM (SELECT node, boot, seq FROM byeguard.events WHERE seq IS NOT NULL
		GROUP BY 1,2,3 HAVING count(*) > 1) x`), "evidence stands there twice")
	require.Zero(s.t, s.count(`SELECT count(*) FROM (SELECT call_key, detail FROM byeguard.events WHERE kind='command'
		GROUP BY 1,2 HAVING count(*) > 1) x`), "a command stands there twice")
}

// TestReadyzTellsOfAnOutage: since when, how much waits, and that the journal is well.
func TestReadyzTellsOfAnOutage(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{noGuard: true})
	way := newLink(t, s.db)
	s.guard(func(c *app.Config) { c.DatabaseURL, c.HTTP = way.url, "127.0.0.1:0" })
	s.eventually("ready", 20*time.Second, func() bool { return ready(t, s.app.HTTPAddr()) })
	require.Equal(t, "ok", s.app.Status().Journal)
	require.Nil(t, s.app.Status().Away)
	way.cut()
	p := s.call(lab.CallOptions{})
	s.eventually("the outage is told", 20*time.Second, func() bool { return s.app.Status().Away != nil })
	text := s.app.Status().Database
	require.True(t, strings.HasPrefix(text, "PostgreSQL is away since 20"), text)
	require.Contains(t, text, "calls in memory and 0 batches (0 MiB) on disk wait to be written")
	resp, err := http.Get("http://" + s.app.HTTPAddr() + "/readyz")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	way.mend()
	s.eventually("it is back", 20*time.Second, func() bool { return s.app.Status().Away == nil && ready(t, s.app.HTTPAddr()) })
	s.open(p.Caller.CallID())
}
