package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/alert"
	"github.com/byeguard/byeguard/pkg/lab"
)

// A byeguard that is killed between sending and noting it sends the message
// again when it is back, with the same id and the same body.
func TestKilledWhileSending(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	type request struct {
		key, body string
		release   chan struct{}
	}
	got := make(chan request)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if err := alert.Verify("secret", r.Header, body, time.Now(), time.Minute); err != nil {
			t.Errorf("signature: %v", err)
		}
		q := request{r.Header.Get(alert.HeaderKey), string(body), make(chan struct{})}
		select {
		case got <- q:
		case <-ctx.Done():
			return
		}
		select {
		case <-q.release:
		case <-ctx.Done():
		}
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(cancel) // before Close waits for the handlers
	next := func() request {
		select {
		case q := <-got:
			return q
		case <-ctx.Done():
			t.Fatal("no webhook came")
			return request{}
		}
	}

	dir, db, bin := t.TempDir(), lab.Postgres(t), build(t)
	config := filepath.Join(dir, "byeguard.yaml")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `
database_url: %q
data_dir: %s
http: ""
nodes: [{name: lab, evapi: "127.0.0.1:1", jsonrpc: "http://127.0.0.1:1/RPC"}]
alerts:
  routes:
    - {name: billing, type: webhook, url: %q, secret_env: BILLING_KEY, kinds: [leg_unconfirmed], timeout: 60s}
`, db, filepath.Join(dir, "data"), srv.URL), 0o600))
	run := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, bin, append(args, "-c", config)...)
		cmd.Env = append(os.Environ(), "BILLING_KEY=secret")
		return cmd
	}
	start := func() *exec.Cmd {
		cmd := run("serve", "--no-watchdog")
		log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		cmd.Stdout, cmd.Stderr = log, log
		require.NoError(t, cmd.Start())
		require.NoError(t, log.Close())
		return cmd
	}
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("byeguard's log:\n%s", text)
		}
	})
	first := start()
	sql, err := sqlx.Open("postgres", db)
	require.NoError(t, err)
	t.Cleanup(func() { sql.Close() })
	require.Eventually(t, func() bool {
		var n int
		return sql.Get(&n, "select count(*) from byeguard.leases where instance <> ''") == nil && n == 1
	}, time.Minute, 20*time.Millisecond, "it acts")
	_, err = sql.Exec(`insert into byeguard.incidents (call_key, call_id, node, kind, severity, state, leg, reason, detail, opened_at, updated_at)
values ('\x01', '=HYPERLINK("x")', 'lab', 'leg_unconfirmed', 'critical', 'open', 'callee', '', 'x', now(), now())`)
	require.NoError(t, err)
	sent := next()
	require.NoError(t, first.Process.Signal(syscall.SIGKILL))
	_ = first.Wait() // it was killed
	close(sent.release)

	second := start()
	again := next()
	require.Equal(t, sent.key, again.key)
	require.Equal(t, sent.body, again.body, "what it says does not change")
	close(again.release)
	require.Eventually(t, func() bool {
		var state string
		return sql.Get(&state, "select state from byeguard.alerts where id = $1", sent.key) == nil && state == "sent"
	}, 30*time.Second, 20*time.Millisecond, "it is noted as sent")
	require.NoError(t, second.Process.Signal(syscall.SIGTERM))
	require.NoError(t, second.Wait())

	// The commands, on the same database.
	out, err := run("alerts", "list", "-o", "json").Output()
	require.NoError(t, err)
	var list []struct {
		ID, State, Title string
		Incidents        int
	}
	require.NoError(t, json.Unmarshal(out, &list))
	require.Len(t, list, 1)
	require.Equal(t, "byeguard critical: one side does not confirm the end on lab", list[0].Title)
	require.Equal(t, 1, list[0].Incidents)

	tested := make(chan string, 1)
	go func() { q := next(); close(q.release); tested <- q.body }()
	out, err = run("alerts", "test", "billing").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "route billing (webhook): the receiver took the test\n", string(out))
	require.Contains(t, <-tested, `"test":true`)
	out, err = run("alerts", "test", "nobody").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), `no route "nobody": the configuration has billing`)
	_, err = run("alerts", "retry", sent.key).CombinedOutput()
	require.Error(t, err, "it is not dead")

	out, err = run("incidents", "ack", "1", "--by", "anna", "--note", "asked the carrier").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "incident 1: acknowledged by anna\n", string(out))
	out, err = run("incidents", "ack", "1", "--by", "bert").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "incident 1: acknowledged by anna\n", string(out), "the first one stays")
	out, err = run("incidents", "resolve", "--all", "--kind", "leg_unconfirmed", "--node", "lab", "--by", "bert").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "1 incidents resolved\n", string(out))
	_, err = run("incidents", "ack", "99").CombinedOutput()
	require.Error(t, err)
	out, err = run("incidents", "export").Output()
	require.NoError(t, err)
	require.Contains(t, string(out), "'=HYPERLINK", "no formula for a spreadsheet")
	require.Contains(t, string(out), "bert")
}
