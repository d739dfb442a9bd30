package app_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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
//
// binary builds the program.
func binary(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "byeguard")
	out, err := exec.Command("go", "build", "-trimpath", "-o", path, "../../cmd/byeguard").CombinedOutput()
	require.NoError(b, err, "%s", out)
	return path
}

// daemon is a byeguard beside a Kamailio.
type daemon struct {
	pid  int
	log  string // path
	stop func()
}

// startDaemon starts byeguard and waits until it reads events.
func startDaemon(ctx context.Context, b *testing.B, program string, kam *lab.Kamailio, database string) *daemon {
	b.Helper()
	port, err := lab.FreePort("127.0.0.1")
	require.NoError(b, err)
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	log, err := os.Create(filepath.Join(b.TempDir(), "byeguard.log"))
	require.NoError(b, err)
	defer log.Close()
	events := kam.EvapiAddr
	if kam.UDPAddr != "" {
		events = "udp:" + kam.UDPAddr + "/" + kam.SIPAddr
	}
	cmd := exec.Command(program, "serve", "--database-url", database, "--data-dir", b.TempDir(), "--http", addr,
		"--node", "lab="+events+","+kam.RPCURL)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started, done := make(chan error), make(chan error, 1)
	go func() {
		// The signal comes when the thread ends that started the program
		// (prctl(2), PR_SET_PDEATHSIG): it is kept as long.
		runtime.LockOSThread()
		started <- cmd.Start()
		done <- cmd.Wait()
	}()
	require.NoError(b, <-started)
	d := &daemon{pid: cmd.Process.Pid, log: log.Name()}
	d.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		require.NoError(b, <-done)
	})
	b.Cleanup(d.stop)
	require.Eventually(b, func() bool {
		resp, err := http.Get("http://" + addr + "/readyz")
		if err != nil {
			return false
		}
		return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
	}, 30*time.Second, 50*time.Millisecond, "byeguard is not ready, see %s", d.log)
	return d
}
