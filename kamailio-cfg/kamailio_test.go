package kamailiocfg_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	kamailiocfg "github.com/byeguard/byeguard/kamailio-cfg"
)

// binary is the Kamailio to test: BYEGUARD_KAMAILIO names another one, or a
// wrapper script around one.
func binary() string {
	if b := os.Getenv("BYEGUARD_KAMAILIO"); b != "" {
		return b
	}
	return "kamailio"
}

// proxy is a running Kamailio.
type proxy struct {
	t               testing.TB
	sip, rpc, evapi string // 127.0.0.1:PORT
	nextHop         *phone
	log             *logBuffer
	cmd             *exec.Cmd
	noisy           bool // the test makes Kamailio complain
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// writeFiles puts the configuration into a fresh directory.
func writeFiles(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	require.NoError(tb, fs.WalkDir(kamailiocfg.Files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := kamailiocfg.Files.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(path)), 0o755); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, path), data, 0o644)
	}))
	return dir
}

// check runs the configuration check and returns what Kamailio said.
func check(dir, file string, args ...string) (string, error) {
	out, err := exec.Command(binary(), append([]string{"-c", "-f", filepath.Join(dir, file)}, args...)...).CombinedOutput()
	return string(out), err
}

// ports are those given out, so that no two proxies of this run get the same one.
var ports struct {
	sync.Mutex
	taken map[int]bool
}

// freePort returns a loopback port that is free for both UDP and TCP, below the
// range that the kernel takes the ports of outgoing connections from.
func freePort(tb testing.TB) int {
	tb.Helper()
	ports.Lock()
	defer ports.Unlock()
	if ports.taken == nil {
		ports.taken = map[int]bool{}
	}
	for range 200 {
		port := 16000 + rand.IntN(16000)
		if ports.taken[port] {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		u, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port))
		l.Close()
		if err == nil {
			u.Close()
			ports.taken[port] = true
			return port
		}
	}
	tb.Fatal("no port is free for both udp and tcp")
	return 0
}

// startProxy runs kamailio.cfg with the given further arguments. The next hop is
// a fresh phone unless the arguments name another.
func startProxy(tb testing.TB, args ...string) *proxy {
	tb.Helper()
	next := newPhone(tb)
	sip, rpc := freePort(tb), freePort(tb)
	p := startProxyFile(tb, writeFiles(tb), "kamailio.cfg", sip, rpc, append([]string{
		"-A", fmt.Sprintf("LISTEN_UDP=udp:127.0.0.1:%d", sip), "-A", fmt.Sprintf("LISTEN_TCP=tcp:127.0.0.1:%d", sip),
		"-A", fmt.Sprintf("LISTEN_RPC=tcp:127.0.0.1:%d", rpc), "-A", `NEXT_HOP="sip:` + next.addr() + `"`,
		"-A", fmt.Sprintf(`LAB_SELF="sip:127.0.0.1:%d"`, sip), "-A", `BYEGUARD_NODE="test-node"`,
	}, args...)...)
	p.nextHop = next
	return p
}

// startProxyFile runs a configuration that listens on these ports.
func startProxyFile(tb testing.TB, dir, file string, sip, rpc int, args ...string) *proxy {
	tb.Helper()
	p := &proxy{
		t: tb, log: &logBuffer{}, sip: fmt.Sprintf("127.0.0.1:%d", sip), rpc: fmt.Sprintf("127.0.0.1:%d", rpc),
		evapi: fmt.Sprintf("127.0.0.1:%d", freePort(tb)),
	}
	base := []string{
		"-f", filepath.Join(dir, file), "-DD", "-E", "-P", filepath.Join(dir, "pid"), "-m", "256", "-Y", dir,
		"-A", `BYEGUARD_EVAPI_BIND="` + p.evapi + `"`,
	}
	p.cmd = exec.Command(binary(), append(base, args...)...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.WaitDelay = time.Second
	require.NoError(tb, p.cmd.Start(), "start kamailio: is it installed?")
	exited := make(chan struct{})
	go func() { p.cmd.Wait(); close(exited) }()
	tb.Cleanup(func() {
		p.cmd.Process.Signal(os.Interrupt)
		select {
		case <-exited:
		case <-time.After(5 * time.Second):
			p.cmd.Process.Kill()
			<-exited
		}
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // children that hung
		if noise := complaints(p.log.String()); !tb.Failed() && !p.noisy && noise != "" {
			tb.Errorf("kamailio complained:\n%s", noise)
		}
		if tb.Failed() {
			tb.Logf("kamailio said:\n%s", tail(p.log.String(), 8000))
		}
	})
	limit := time.After(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := p.call("core.uptime"); err == nil && reachable(p.evapi) {
			return p
		}
		select {
		case <-exited:
			tb.Fatalf("kamailio did not stay up:\n%s", p.log)
		case <-limit:
			tb.Fatalf("kamailio did not answer:\n%s", p.log)
		case <-tick.C:
		}
	}
}

// harmless are complaints about connections that the tests close.
var harmless = regexp.MustCompile(`receive_fd\(\): EOF|cannot read the client message`)

// complaints returns what Kamailio logged as wrong.
func complaints(log string) string {
	var bad []string
	for line := range strings.Lines(log) {
		if (strings.Contains(line, " ERROR: ") || strings.Contains(line, " WARNING: ") || strings.Contains(line, " CRITICAL: ")) && !harmless.MatchString(line) {
			bad = append(bad, line)
		}
	}
	return strings.Join(bad, "")
}

func reachable(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err == nil {
		c.Close()
	}
	return err == nil
}

func tail(s string, n int) string {
	if len(s) > n {
		return "..." + s[len(s)-n:]
	}
	return s
}

// call runs one JSON-RPC command.
func (p *proxy) call(method string, params ...any) (json.RawMessage, error) {
	if params == nil {
		params = []any{}
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.rpc+"/RPC", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Result json.RawMessage `json:"result"`
		Error  json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, fmt.Errorf("read answer to %s: %w: %q", method, err, data)
	}
	if answer.Error != nil {
		return nil, fmt.Errorf("%s: %s", method, answer.Error)
	}
	return answer.Result, nil
}

// options measures one OPTIONS to the proxy; -1 = no reply within the time.
func (p *proxy) options(wait time.Duration, headers ...string) time.Duration {
	c, err := net.Dial("udp", p.sip)
	if err != nil {
		return -1
	}
	defer c.Close()
	id := randomText()
	msg := "OPTIONS sip:" + p.sip + " SIP/2.0\r\nVia: SIP/2.0/UDP " + c.LocalAddr().String() + ";branch=z9hG4bK" + id + ";rport\r\n" +
		"Max-Forwards: 70\r\nFrom: <sip:probe@127.0.0.1>;tag=" + id + "\r\nTo: <sip:probe@127.0.0.1>\r\nCall-ID: " + id + "\r\nCSeq: 1 OPTIONS\r\n" +
		strings.Join(append(headers, ""), "\r\n") + "Content-Length: 0\r\n\r\n"
	start := time.Now()
	if _, err := c.Write([]byte(msg)); err != nil {
		return -1
	}
	c.SetReadDeadline(start.Add(wait))
	buf := make([]byte, 4096)
	n, err := c.Read(buf)
	if err != nil || !bytes.HasPrefix(buf[:n], []byte("SIP/2.0 200")) {
		return -1
	}
	return time.Since(start)
}
