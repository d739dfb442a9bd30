package main_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab"
)

// outage is a Kamailio and a PostgreSQL of its own, which may go away.
type outage struct {
	pair
	server *lab.Server
}

func newOutage(t *testing.T) *outage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	server, err := lab.StartServer(ctx)
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	o := &outage{server: server, pair: pair{t: t, ctx: ctx, kam: lab.MustKamailio(t, lab.KamailioOptions{}), db: server.URL, bin: build(t)}}
	o.callee = lab.MustUA(t, lab.UAOptions{Name: "bob", Proxy: o.kam.SIPAddr})
	o.caller = lab.MustUA(t, lab.UAOptions{Name: "alice", Proxy: o.kam.SIPAddr})
	o.sql, err = sqlx.Open("postgres", o.db)
	require.NoError(t, err)
	t.Cleanup(func() { o.sql.Close() })
	return o
}

// byeguard starts one that keeps its data_dir over restarts.
func (o *outage) byeguard() *lab.Byeguard {
	o.t.Helper()
	b, err := lab.NewByeguard(lab.ByeguardOptions{
		Program: o.bin, DatabaseURL: o.db, Nodes: []string{"lab=" + o.kam.EvapiAddr + "," + o.kam.RPCURL},
		Args: []string{"--log-level", "debug"},
	})
	require.NoError(o.t, err)
	o.t.Cleanup(func() {
		if o.t.Failed() {
			o.t.Logf("log of the byeguard at %s:\n%s", b.HTTP, b.Log())
		}
		_ = b.Close()
	})
	require.NoError(o.t, b.Start())
	return b
}

type readiness struct {
	Ready    bool
	Database string
	Nodes    []struct {
		Ready         bool
		Role, Sending string
	}
}

// readyz asks a byeguard how it is; nil while it does not answer.
func readyz(ctx context.Context, b *lab.Byeguard) *readiness {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.HTTP+"/readyz", http.NoBody)
	if err != nil {
		return nil
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	var r readiness
	if json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&r) != nil || len(r.Nodes) != 1 {
		return nil
	}
	return &r
}

// guards says that a byeguard reads events, whatever PostgreSQL does.
func (o *outage) guards(b *lab.Byeguard) func() bool {
	return func() bool { r := readyz(o.ctx, b); return r != nil && r.Nodes[0].Ready }
}

// TestStartWhilePostgreSQLIsAway: byeguard is killed during an outage and starts
// again before PostgreSQL does. It goes on from its journal: calls of before
// are repaired, new ones too, and afterwards all is told once.
func TestStartWhilePostgreSQLIsAway(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	b := o.byeguard()
	require.NoError(t, b.AwaitReady(o.ctx))
	all := o.calls(12)
	o.open(12)
	require.NoError(t, o.server.Stop(o.ctx))
	o.eventually("PostgreSQL is missed", func() bool { r := readyz(o.ctx, b); return r != nil && !r.Ready })
	all = append(all, o.calls(6)...) // known to the journal alone
	o.race(all[0])
	require.NoError(t, all[0].Callee.WaitEnded(o.ctx))
	require.NoError(t, b.Kill())
	o.race(all[1]) // nobody sees this
	o.race(all[12])

	began := time.Now()
	require.NoError(t, b.Start())
	o.eventually("it reads events", o.guards(b))
	took := time.Since(began)
	t.Logf("started after %v", took.Round(time.Millisecond))
	require.Less(t, took, 20*time.Second)
	r := readyz(o.ctx, b)
	require.False(t, r.Ready)
	require.Equal(t, "active", r.Nodes[0].Role)
	require.Equal(t, "yes", r.Nodes[0].Sending)
	require.Contains(t, r.Database, "away")
	all = append(all, o.calls(6)...)
	for _, i := range []int{2, 13, 18} {
		o.race(all[i])
		require.NoError(t, all[i].Callee.WaitEnded(o.ctx))
	}
	_, err := all[3].Callee.Bye(o.ctx, lab.RequestOptions{})
	require.NoError(t, err)

	// Once more: what the second run did is in the journal as well.
	require.NoError(t, b.Kill())
	require.NoError(t, b.Start())
	o.eventually("it reads events again", o.guards(b))
	o.race(all[19])
	require.NoError(t, all[19].Callee.WaitEnded(o.ctx))

	require.NoError(t, o.server.Start(o.ctx))
	require.NoError(t, b.AwaitReady(o.ctx))
	for _, i := range []int{1, 12} { // asked by OPTIONS: the caller is gone
		require.NoError(t, all[i].Callee.WaitEnded(o.ctx))
	}
	ended := map[int]bool{0: true, 1: true, 2: true, 3: true, 12: true, 13: true, 18: true, 19: true}
	o.eventually("final records", func() bool {
		return o.count("SELECT count(*) FROM byeguard.cdrs WHERE state='final'") == len(ended)
	})
	require.Equal(t, len(all), o.count("SELECT count(*) FROM byeguard.cdrs"), "one record a call")
	require.Equal(t, len(all)-len(ended), o.count("SELECT count(*) FROM byeguard.dialogs"))
	require.Zero(t, o.count("SELECT count(*) FROM byeguard.outbox WHERE state='pending'"))
	require.Zero(t, o.count("SELECT count(*) FROM byeguard.cdr_revisions"))
	require.Zero(t, o.count("SELECT count(*) FROM (SELECT call_key, node, boot, seq FROM byeguard.events WHERE seq IS NOT NULL GROUP BY 1,2,3,4 HAVING count(*) > 1) x"), "evidence stands there twice")
	for i, p := range all {
		if !ended[i] {
			require.True(t, p.Caller.State().Live() && p.Callee.State().Live(), "a live call was ended")
			continue
		}
		good := 0
		for _, bye := range p.Callee.Record().ByesReceived() {
			if bye.Code == 200 {
				good++
			}
		}
		require.LessOrEqual(t, good, 1)
	}
	require.Contains(t, b.Log(), "nobody else has acted for the node meanwhile")
	require.Equal(t, 2, o.epoch(), "the lease was taken once more, when PostgreSQL came back")
	require.Empty(t, o.caller.Violations())
	require.Empty(t, o.callee.Violations())
	require.NoError(t, b.Stop())
}

// TestStandbyStartsWithoutActing: a byeguard that was not the one that acted
// starts while PostgreSQL is away, and only watches.
func TestStandbyStartsWithoutActing(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	first := o.byeguard()
	require.NoError(t, first.AwaitReady(o.ctx))
	second := o.byeguard()
	require.NoError(t, second.AwaitReady(o.ctx))
	all := o.calls(6)
	o.open(6)
	o.eventually("the standby has written its journal", func() bool { return strings.Contains(second.Log(), "looked through the proxy's dialogs") })
	o.eventually("they know of each other", func() bool { return o.count("SELECT count(*) FROM byeguard.instances") == 2 })
	require.NoError(t, o.server.Stop(o.ctx))
	require.NoError(t, second.Kill())
	require.NoError(t, second.Start())
	o.eventually("the standby reads events", o.guards(second))
	require.Equal(t, "standby", readyz(o.ctx, second).Nodes[0].Role)
	o.race(all[0])
	require.NoError(t, all[0].Callee.WaitEnded(o.ctx))
	require.Len(t, all[0].Callee.Record().ByesReceived(), 1, "both acted")

	// The one that acts dies in the outage: its place in data_dir says that it
	// was the last one.
	o.eventually("the answer to the BYE was read", func() bool { return strings.Contains(first.Log(), "leg is closed: confirmed") })
	require.NoError(t, first.Kill())
	require.NoError(t, first.Start())
	o.eventually("the first one reads events", o.guards(first))
	require.Equal(t, "active", readyz(o.ctx, first).Nodes[0].Role)
	o.race(all[1])
	require.NoError(t, all[1].Callee.WaitEnded(o.ctx))
	require.Len(t, all[1].Callee.Record().ByesReceived(), 1, "both acted")

	require.NoError(t, o.server.Start(o.ctx))
	require.NoError(t, first.AwaitReady(o.ctx))
	require.NoError(t, second.AwaitReady(o.ctx))
	o.judge(all[:2], nil, all[2:])
	// And the standby is one again.
	require.NoError(t, first.Kill())
	o.race(all[2])
	require.NoError(t, all[2].Callee.WaitEnded(o.ctx))
	o.judge(all[:3], nil, all[3:])
}

// TestStopIsBounded: SIGTERM ends byeguard in time whether PostgreSQL is there,
// away or hung, and what was not written then is written after the next start.
func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		begin, end func(o *outage) error
	}{
		{"healthy", func(*outage) error { return nil }, func(*outage) error { return nil }},
		{"away", func(o *outage) error { return o.server.Stop(o.ctx) }, func(o *outage) error { return o.server.Start(o.ctx) }},
		{"hung", func(o *outage) error { return o.server.Freeze() }, func(o *outage) error { return o.server.Thaw() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := newOutage(t)
			b := o.byeguard()
			require.NoError(t, b.AwaitReady(o.ctx))
			all := o.calls(8)
			o.open(8)
			require.NoError(t, c.begin(o))
			all = append(all, o.calls(8)...)
			for _, p := range all[6:10] {
				o.race(p)
			}
			for _, p := range all[6:10] {
				require.NoError(t, p.Callee.WaitEnded(o.ctx))
			}
			o.eventually("the answers to the BYEs were read", func() bool { return strings.Count(b.Log(), "leg is closed: confirmed") == 4 })
			began := time.Now()
			require.NoError(t, b.Stop())
			took := time.Since(began)
			t.Logf("stopped after %v", took.Round(time.Millisecond))
			require.Less(t, took, 25*time.Second)
			require.NotContains(t, b.Log(), "did not end in time")
			require.NotContains(t, b.Log(), "were not written")

			require.NoError(t, c.end(o))
			require.NoError(t, b.Start())
			require.NoError(t, b.AwaitReady(o.ctx))
			o.judge(all[6:10], nil, append(append([]lab.Pair(nil), all[:6]...), all[10:]...))
			require.Zero(t, o.doubled(), "evidence stands there twice")
		})
	}
}

// doubled counts the events of the proxy that stand there twice.
func (o *outage) doubled() int {
	o.t.Helper()
	return o.count(`SELECT count(*) FROM (SELECT node, boot, seq FROM byeguard.events WHERE seq IS NOT NULL GROUP BY 1,2,3 HAVING count(*) > 1) x`)
}

// TestStaleJournal: a byeguard dies in an outage, another one takes over and
// closes calls, and the first one starts again with what it knew. What is closed
// stays so, what only the first one knew is not lost.
func TestStaleJournal(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	first := o.byeguard()
	require.NoError(t, first.AwaitReady(o.ctx))
	all := o.calls(10)
	o.open(10)
	require.NoError(t, o.server.Stop(o.ctx))
	all = append(all, o.calls(4)...)
	for _, p := range []lab.Pair{all[0], all[10]} { // known to the first one alone
		_, err := p.Callee.Bye(o.ctx, lab.RequestOptions{})
		require.NoError(t, err)
	}
	o.race(all[1])
	require.NoError(t, all[1].Callee.WaitEnded(o.ctx))
	o.eventually("the answer to the BYE was read", func() bool { return strings.Contains(first.Log(), "leg is closed: confirmed") })
	require.NoError(t, first.Kill())

	require.NoError(t, o.server.Start(o.ctx))
	second := o.byeguard()
	require.NoError(t, second.AwaitReady(o.ctx))
	o.eventually("the other one acts", func() bool { return o.epoch() == 2 })
	o.eventually("it has looked around", func() bool { return strings.Contains(second.Log(), "looked through the proxy's dialogs") })
	for _, p := range []lab.Pair{all[2], all[11]} {
		_, err := p.Callee.Bye(o.ctx, lab.RequestOptions{})
		require.NoError(t, err)
	}
	o.race(all[3])
	require.NoError(t, all[3].Callee.WaitEnded(o.ctx))
	o.eventually("it has closed them", func() bool {
		return o.count("SELECT count(*) FROM byeguard.cdrs WHERE state='final' AND call_id = ANY(ARRAY[$1,$2,$3])",
			all[2].Caller.CallID(), all[11].Caller.CallID(), all[3].Caller.CallID()) == 3
	})

	require.NoError(t, first.Start())
	require.NoError(t, first.AwaitReady(o.ctx))
	require.Contains(t, first.Log(), "another byeguard has acted since this journal was written")
	require.Equal(t, "standby", readyz(o.ctx, first).Nodes[0].Role)
	require.NoError(t, second.Kill())
	o.eventually("the first one acts again", func() bool { return o.epoch() == 3 })
	o.race(all[4])
	require.NoError(t, all[4].Callee.WaitEnded(o.ctx))
	ended := []int{0, 1, 2, 3, 4, 10, 11}
	o.eventually("final records", func() bool {
		return o.count("SELECT count(*) FROM byeguard.cdrs WHERE state='final'") == len(ended)
	})
	require.Equal(t, len(all), o.count("SELECT count(*) FROM byeguard.cdrs"), "one record a call")
	o.eventually("only what is up is live", func() bool {
		return o.count("SELECT count(*) FROM byeguard.dialogs") == len(all)-len(ended)
	})
	require.Zero(t, o.count("SELECT count(*) FROM byeguard.cdr_revisions"), "a closed call was opened again")
	for i, p := range all {
		if i > 4 && i < 10 || i > 11 {
			require.True(t, p.Caller.State().Live() && p.Callee.State().Live(), "a live call was ended")
		}
	}
	require.Empty(t, o.callee.Violations())
}
