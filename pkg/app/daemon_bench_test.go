package app_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab"
)

// The benchmarks run byeguard as it is delivered: the program, its watching
// parent, in processes of their own. Its CPU time can be read then, and the
// agents of the laboratory do not take turns with it in one Go scheduler.
var builder struct {
	sync.Mutex
	path string
}

func binary(b *testing.B) string {
	b.Helper()
	builder.Lock()
	defer builder.Unlock()
	if builder.path == "" {
		dir, err := os.MkdirTemp("", "byeguard-bench-")
		require.NoError(b, err)
		path := filepath.Join(dir, "byeguard")
		out, err := exec.Command("go", "build", "-trimpath", "-o", path, "../../cmd/byeguard").CombinedOutput()
		require.NoError(b, err, "%s", out)
		builder.path = path
	}
	return builder.path
}

// daemon is a byeguard beside a Kamailio.
type daemon struct {
	pid  int
	log  string // path
	stop func()
}

// startDaemon starts byeguard and waits until it reads events.
func startDaemon(ctx context.Context, b *testing.B, kam *lab.Kamailio, database string) *daemon {
	b.Helper()
	port, err := lab.FreePort("127.0.0.1")
	require.NoError(b, err)
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	log, err := os.Create(filepath.Join(b.TempDir(), "byeguard.log"))
	require.NoError(b, err)
	defer log.Close()
	cmd := exec.Command(binary(b), "serve", "--database-url", database, "--http", addr,
		"--node", "lab="+kam.EvapiAddr+","+kam.RPCURL)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(b, cmd.Start())
	d := &daemon{pid: cmd.Process.Pid, log: log.Name()}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	d.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		require.NoError(b, <-done)
	})
	b.Cleanup(d.stop)
	require.Eventually(b, func() bool {
		resp, err := http.Get("http://" + addr + "/readyz") //nolint:noctx // polled
		if err != nil {
			return false
		}
		return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
	}, 30*time.Second, 50*time.Millisecond, "byeguard is not ready, see %s", d.log)
	return d
}
