package main_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab"
)

// build makes the real program.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "byeguard")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return path
}

// TestStalledReaderIsReplaced: SIGSTOP of the process that reads the events
// costs the proxy nothing; it is killed within a second and a new one guards on.
func TestStalledReaderIsReplaced(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	kam := lab.MustKamailio(t, lab.KamailioOptions{})
	port, err := lab.FreePort("127.0.0.1")
	require.NoError(t, err)
	health := fmt.Sprintf("http://127.0.0.1:%d/readyz", port)
	cmd := exec.CommandContext(ctx, build(t), "serve", "--database-url", lab.Postgres(t), "--data-dir", t.TempDir(),
		"--node", "lab="+kam.EvapiAddr+","+kam.RPCURL, "--http", fmt.Sprintf("127.0.0.1:%d", port))
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("byeguard's log:\n%s", text)
		}
	})
	require.Eventually(t, func() bool { return answers(ctx, health) }, time.Minute, 20*time.Millisecond, "byeguard is not ready")

	stalled := childOf(t, cmd.Process.Pid)
	require.NoError(t, syscall.Kill(stalled, syscall.SIGSTOP))
	began := time.Now()
	gone := func() bool { return childOf(t, cmd.Process.Pid) != stalled }
	for !gone() {
		took, err := lab.Ping(ctx, kam.SIPAddr, 2*time.Second)
		require.NoError(t, err, "the proxy did not answer while its reader was stopped")
		require.Less(t, took, time.Second)
		require.Less(t, time.Since(began), 20*time.Second, "nobody killed the stalled reader")
	}
	t.Logf("the stalled reader was replaced after %v", time.Since(began).Round(time.Millisecond))
	require.Eventually(t, func() bool { return answers(ctx, health) }, time.Minute, 20*time.Millisecond, "no new reader")

	callee := lab.MustUA(t, lab.UAOptions{Name: "bob"})
	caller := lab.MustUA(t, lab.UAOptions{Name: "alice", Proxy: kam.SIPAddr})
	pairs, err := lab.PlaceCalls(ctx, lab.LoadOptions{Callers: []*lab.UA{caller}, Callees: []*lab.UA{callee}, Calls: 1})
	require.NoError(t, err)
	require.NoError(t, lab.ForceRace(ctx, kam.RPC(), pairs[0].Caller))
	require.NoError(t, pairs[0].Callee.WaitEnded(ctx))

	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait(), "told to stop is no error")
}

func TestConfigurationErrorEndsTheParentToo(t *testing.T) {
	t.Parallel()
	bin := build(t)
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no nodes":     {[]string{"serve"}, 1, "nodes: none is configured"},
		"unknown flag": {[]string{"serve", "--nodez"}, 2, "unknown flag: --nodez"},
		"no such file": {[]string{"serve", "-c", "/nowhere.yaml"}, 1, "/nowhere.yaml does not exist"},
		"not routes":   {[]string{"serve", "--node", "a=127.0.0.1:1,http://127.0.0.1:1/RPC", "--database-url", "postgres://x@127.0.0.1:1/x?sslmode=banana"}, 1, "sslmode"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			out, err := exec.CommandContext(ctx, bin, c.args...).CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, c.code, exit.ExitCode(), "%s", out)
			require.Contains(t, string(out), c.want)
		})
	}
}

func answers(ctx context.Context, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// childOf returns the only child of a process, 0 if it has none now.
func childOf(t *testing.T, pid int) int {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	require.NoError(t, err)
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue
		}
		if child, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			return child
		}
	}
	return 0
}
