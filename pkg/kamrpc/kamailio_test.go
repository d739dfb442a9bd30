package kamrpc_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/kamrpc"
)

// chrootEnv names a variable with the root directory of another Debian, to run
// these tests against its Kamailio.
const chrootEnv = "BYEGUARD_TEST_CHROOT"

const kamailioCfg = `#!KAMAILIO
debug=1
log_stderror=yes
children=2
tcp_children=4
auto_aliases=no
tcp_accept_no_cl=yes
listen=udp:127.0.0.1:SIPPORT
listen=tcp:127.0.0.1:SIPPORT
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "siputils.so"
loadmodule "textops.so"
loadmodule "xhttp.so"
loadmodule "jsonrpcs.so"
loadmodule "dialog.so"
modparam("tm", "fr_timer", 1500)
modparam("jsonrpcs", "transport", 1)
modparam("dialog", "detect_spirals", 0)
modparam("dialog", "dlg_match_mode", 1)
request_route {
	if (has_totag()) {
		loose_route();
		t_relay();
		exit;
	}
	if (is_method("INVITE")) {
		record_route();
		dlg_manage();
		if (is_present_hf("X-Spiral") && $sp != $Rp) {
			$du = "sip:127.0.0.1:SIPPORT";
		}
	}
	t_relay();
}
event_route[xhttp:request] {
	jsonrpc_dispatch();
}
`

// proxy is a running Kamailio with a dialog-stateful config.
type proxy struct {
	addr *net.UDPAddr // SIP
	url  string
	rpc  *kamrpc.Client
	stop func()
}

// startKamailio runs the Kamailio of this machine, or of the chroot, until the
// test ends.
func startKamailio(t *testing.T) *proxy {
	t.Helper()
	root := os.Getenv(chrootEnv)
	dir, err := os.MkdirTemp(filepath.Join(root, "/tmp"), "kamrpc")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	inside := "/" + strings.Trim(strings.TrimPrefix(dir, root), "/")
	port := freePort(t)
	cfg := strings.ReplaceAll(kamailioCfg, "SIPPORT", fmt.Sprint(port))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "k.cfg"), []byte(cfg), 0o600))

	args := []string{"kamailio", "-f", inside + "/k.cfg", "-DD", "-E", "-m", "64", "-M", "8",
		"-P", inside + "/k.pid", "-Y", inside}
	if root != "" {
		args = append([]string{"chroot", root}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	log := &syncBuffer{}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM} // it ends its children
	require.NoError(t, cmd.Start(), "install kamailio and its modules from Debian's packages")
	p := &proxy{addr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port},
		url: fmt.Sprintf("http://127.0.0.1:%d/RPC", port)}
	p.stop = sync.OnceFunc(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	t.Cleanup(p.stop)

	p.rpc, err = kamrpc.New(kamrpc.Options{URL: p.url})
	require.NoError(t, err)
	t.Cleanup(p.rpc.Close)
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := p.rpc.Version(ctx)
		return err == nil
	}, 20*time.Second, 20*time.Millisecond, "kamailio does not answer: %s", log)
	return p
}

// freePort returns a port that is free for both UDP and TCP.
func freePort(t *testing.T) int {
	t.Helper()
	for range 50 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		port := l.Addr().(*net.TCPAddr).Port
		u, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		l.Close()
		if err == nil {
			u.Close()
			return port
		}
	}
	require.Fail(t, "no free port")
	return 0
}

// syncBuffer is a log that can be read while it is written.
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

// phone is a UDP socket that reads and writes raw SIP messages.
type phone struct {
	t    *testing.T
	conn *net.UDPConn
}

func newPhone(t *testing.T) *phone {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return &phone{t: t, conn: conn}
}

func (p *phone) hostport() string { return p.conn.LocalAddr().String() }

// read waits for a message whose first line contains what.
func (p *phone) read(what string) string {
	p.t.Helper()
	buf := make([]byte, 65536)
	require.NoError(p.t, p.conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	for {
		n, err := p.conn.Read(buf)
		require.NoError(p.t, err, "wait for %s", what)
		line, _, _ := strings.Cut(string(buf[:n]), "\r\n")
		if strings.Contains(line, what) {
			return string(buf[:n])
		}
	}
}

func (p *phone) send(to *net.UDPAddr, lines ...string) {
	p.t.Helper()
	_, err := p.conn.WriteToUDP([]byte(strings.Join(lines, "\r\n")+"\r\nContent-Length: 0\r\n\r\n"), to)
	require.NoError(p.t, err)
}

// answer sends a reply to a request that came from the proxy.
func (p *phone) answer(to *net.UDPAddr, request, status, toTag string, more ...string) {
	p.t.Helper()
	reply := []string{"SIP/2.0 " + status}
	for _, l := range strings.Split(request, "\r\n")[1:] {
		name, _, _ := strings.Cut(l, ":")
		switch strings.ToLower(name) {
		case "via", "from", "call-id", "cseq", "record-route":
			reply = append(reply, l)
		case "to":
			if toTag != "" && !strings.Contains(l, ";tag=") {
				l += ";tag=" + toTag
			}
			reply = append(reply, l)
		}
	}
	p.send(to, append(reply, more...)...)
}

// header returns all values of a header, as they came.
func header(message, name string) []string {
	var values []string
	for _, l := range strings.Split(message, "\r\n")[1:] {
		if v, ok := strings.CutPrefix(l, name+": "); ok {
			values = append(values, v)
		}
	}
	return values
}
