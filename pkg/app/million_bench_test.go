package app_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/app"
	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/lab"
	"github.com/byeguard/byeguard/pkg/store"
)

// BenchmarkStart starts byeguard beside many open calls: from PostgreSQL, as at
// the first start, and from the journal, as ever after. BYEGUARD_CALLS sets how
// many; the default keeps the benchmark short.
func BenchmarkStart(b *testing.B) {
	calls := 100_000
	if n, err := strconv.Atoi(os.Getenv("BYEGUARD_CALLS")); err == nil {
		calls = n
	}
	for b.Loop() {
		db, dir := lab.Postgres(b), b.TempDir()
		fill(b, db, calls)
		for _, from := range []string{"postgresql", "journal"} {
			took, heap := startBeside(b, db, dir, calls)
			b.ReportMetric(took.Seconds(), from+"-s")
			b.ReportMetric(float64(heap)/float64(calls), from+"-B/call")
		}
	}
}

func startBeside(b *testing.B, db, dir string, calls int) (took time.Duration, heap uint64) {
	b.Helper()
	cfg := app.DefaultConfig()
	cfg.DatabaseURL, cfg.DataDir, cfg.HTTP = db, dir, ""
	cfg.Nodes = []app.Node{{Name: "lab", Evapi: "127.0.0.1:1", JSONRPC: "http://127.0.0.1:1/RPC"}}
	log := logrus.New()
	log.SetOutput(io.Discard)
	if testing.Verbose() {
		log.SetOutput(os.Stderr)
	}
	a, err := app.New(cfg, log, nil)
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	began := time.Now()
	go func() { done <- a.Run(ctx) }()
	select {
	case <-a.Ready():
		took = time.Since(began)
	case err := <-done:
		require.NoError(b, err)
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	require.EqualValues(b, calls, a.Calls())
	require.Eventually(b, func() bool { return a.Stats().Journal.Whole }, 5*time.Minute, 20*time.Millisecond, "the journal does not tell all")
	cancel()
	require.NoError(b, <-done)
	return took, m.HeapAlloc
}

// fill writes that many open calls: a few hundred real ones by the store, and the
// others as their copies with a Call-ID and key of their own.
func fill(b *testing.B, db string, calls int) {
	b.Helper()
	const own = 500
	fillReal(b, db, min(calls, own))
	sql, err := sqlx.Open("postgres", db)
	require.NoError(b, err)
	defer sql.Close()
	var columns []string
	require.NoError(b, sql.Select(&columns, `select column_name from information_schema.columns
		where table_schema = 'byeguard' and table_name = 'dialogs' order by ordinal_position`))
	values := make([]string, len(columns))
	for i, c := range columns {
		switch c {
		case "call_key":
			values[i] = "overlay(d.call_key placing n.bytes from 1)"
		case "call_id":
			values[i] = "overlay(d.call_id placing n.hex from 1)"
		case "blob": // the texts in it have the same length
			values[i] = "overlay(overlay(d.blob placing n.bytes from position(d.call_key in d.blob)) " +
				"placing convert_to(n.hex, 'UTF8') from position(convert_to(d.call_id, 'UTF8') in d.blob))"
		default:
			values[i] = "d." + c
		}
	}
	_, err = sql.Exec(fmt.Sprintf(`
insert into byeguard.dialogs (%s) select %s
from (select *, row_number() over () - 1 as row from byeguard.dialogs) d
join (select i, lpad(to_hex(i), 8, '0') as hex, decode(lpad(to_hex(i), 8, '0'), 'hex') as bytes from generate_series(%d, %d) i) n on n.i %% %d = d.row`,
		strings.Join(columns, ", "), strings.Join(values, ", "), own, calls-1, min(calls, own)))
	require.NoError(b, err)
	_, err = sql.Exec("vacuum analyze byeguard.dialogs")
	require.NoError(b, err)
}

// fillReal writes open calls as byeguard does.
func fillReal(b *testing.B, db string, calls int) {
	b.Helper()
	opts := store.DefaultOptions()
	opts.URL = db
	require.NoError(b, store.Migrate(b.Context(), opts))
	s, err := store.Open(b.Context(), opts)
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	p := call.DefaultPolicy()
	p.SameTarget = func(a, b string) bool { return a == b }
	now := time.Now().UnixMicro()
	for i := range calls {
		ev := call.Event{
			Kind: call.KindStart, Node: "lab", Boot: 7, CallID: fmt.Sprintf("%08x-7c1e-4b8e-9a5f@192.0.2.10", i), FromTag: "as7c3e9b21",
			ToTag: "gK0a1b2c3d", CSeq: 102, Dialog: call.DialogID{Entry: uint32(i % 4096), ID: uint32(i)}, At: now, Seen: now,
			Source: "192.0.2.1:5060", PeerSource: "192.0.2.2:5060", Contact: "<sip:+4930123456@192.0.2.2:5060;transport=udp>",
			Caller: call.Endpoint{URI: "sip:+4989654321@carrier.example", Contact: "sip:+4989654321@192.0.2.1:5060;transport=udp",
				RouteSet: "<sip:192.0.2.1;lr>", Socket: "udp:192.0.2.9:5060", CSeq: 102},
			Callee: call.Endpoint{URI: "sip:+4930123456@carrier.example"},
		}
		c := call.New(&ev, nil)
		c.Step(&ev, &p, nil)
		s.Put([]call.Update{{Call: c.Clone(), Changed: true, Event: ev}})
		if i%50_000 == 49_999 {
			require.NoError(b, s.Flush(ctx))
		}
	}
	require.NoError(b, s.Flush(ctx))
	cancel()
	require.NoError(b, <-done)
	require.NoError(b, s.Close())
}
