package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ErrNoLinphone says that the phone is not installed.
var ErrNoLinphone = errors.New("no linphone-daemon; install the Debian package linphone-cli")

// Linphone is a second phone that nobody here wrote, on a SIP stack of its own
// (belle-sip). It answers every call by itself and has no sound.
type Linphone struct {
	// Addr is host:port for SIP by UDP, URI where it can be called.
	Addr, URI string
	// LogPath is the file with its log, SIP messages included.
	LogPath string

	dir     string
	ctrl    string // Unix socket that takes commands, of one client at a time
	mu      sync.Mutex
	conn    net.Conn
	proc    *process
	janitor *janitor
}

// LinphoneOptions say how the phone runs. The zero value will do.
type LinphoneOptions struct {
	// OutboundProxy is host:port where its own calls go, "" = where they say.
	OutboundProxy string
}

const linphoneConfig = `[sip]
sip_port=%d
sip_tcp_port=0
sip_tls_port=0
bind_address=127.0.0.1
contact=sip:phone@127.0.0.1:%d
guess_hostname=0
register_only_when_network_is_up=0
auto_net_state_mon=0
verify_server_certs=0
[video]
enabled=0
`

const linphoneProxy = `default_proxy=0
[proxy_0]
reg_proxy=<sip:%[1]s;lr>
reg_route=<sip:%[1]s;lr>
reg_identity=sip:phone@127.0.0.1
reg_sendregister=0
publish=0
`

// StartLinphone starts the phone and waits until it takes commands and listens.
// The caller ends it with Close.
func StartLinphone(ctx context.Context, opts LinphoneOptions) (*Linphone, error) {
	binary, err := exec.LookPath("linphone-daemon")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoLinphone, err)
	}
	p := &Linphone{}
	if p.dir, err = tempDir("", "linphone"); err != nil {
		return nil, err
	}
	p.LogPath = filepath.Join(p.dir, "log")
	if err := p.start(ctx, binary, opts); err != nil {
		err = fmt.Errorf("%w; its log: %s", err, tail(p.Log(), 10))
		p.Close()
		return nil, err
	}
	return p, nil
}

func (p *Linphone) start(ctx context.Context, binary string, opts LinphoneOptions) error {
	port, err := FreePort("127.0.0.1")
	if err != nil {
		return err
	}
	p.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	p.URI = "sip:phone@" + p.Addr
	name := "byeguard-lab-" + token()
	p.ctrl = filepath.Join("/tmp", name) // where linphone-daemon puts it
	for _, dir := range []string{".local/share/linphone", ".config/linphone"} {
		if err := os.MkdirAll(filepath.Join(p.dir, dir), 0o700); err != nil {
			return fmt.Errorf("make linphone's home: %w", err)
		}
	}
	config := filepath.Join(p.dir, "rc")
	text := fmt.Sprintf(linphoneConfig, port, port)
	if opts.OutboundProxy != "" {
		text = strings.Replace(text, "[video]", fmt.Sprintf(linphoneProxy, opts.OutboundProxy)+"[video]", 1)
	}
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write linphone's configuration: %w", err)
	}
	cmd := exec.Command(binary, "--pipe", name, "--config", config, "--log", p.LogPath, "--auto-answer", "--disable-stats-events")
	cmd.Env = append(os.Environ(), "HOME="+p.dir)
	if p.proc, err = run(cmd, syscall.SIGKILL); err != nil {
		return fmt.Errorf("start linphone: %w", err)
	}
	if p.janitor, err = hireJanitor(p.proc.pid(), p.dir); err != nil {
		return err
	}
	return p.await(ctx, func() bool {
		answer, err := p.Command(ctx, "port sip")
		return err == nil && strings.Contains(answer, strconv.Itoa(port)) &&
			strings.Contains(p.Log(), "127.0.0.1:"+strconv.Itoa(port))
	})
}

// await waits until ok holds or the phone dies.
func (p *Linphone) await(ctx context.Context, ok func() bool) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-p.proc.done:
			return errors.New("wait for linphone: it ended")
		case <-ctx.Done():
			return fmt.Errorf("wait for linphone: %w", ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}

// Command runs one of the phone's commands ("call sip:…", "terminate",
// "call-pause") and returns what it answers.
func (p *Linphone) Command(ctx context.Context, line string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn == nil {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "unix", p.ctrl)
		if err != nil {
			return "", fmt.Errorf("command linphone: %w", err)
		}
		p.conn = conn
	}
	defer context.AfterFunc(ctx, func() { p.conn.SetDeadline(time.Unix(1, 0)) })()
	if _, err := io.WriteString(p.conn, line+"\n"); err != nil {
		return "", fmt.Errorf("command linphone: %w", err)
	}
	raw := make([]byte, 64<<10)
	n, err := p.conn.Read(raw) // it writes its answer at once
	if err != nil {
		return "", fmt.Errorf("command linphone: %s: %w", line, err)
	}
	answer := string(raw[:n])
	if !strings.HasPrefix(answer, "Status: Ok") {
		return answer, fmt.Errorf("command linphone: %s: refused: %s", line, answer)
	}
	return answer, nil
}

// InCall says whether the phone is in a call that is up.
func (p *Linphone) InCall(ctx context.Context) bool {
	answer, err := p.Command(ctx, "call-status")
	return err == nil && (strings.Contains(answer, "StreamsRunning") || strings.Contains(answer, "Paused"))
}

// WaitInCall waits until the phone is in a call, or in none.
func (p *Linphone) WaitInCall(ctx context.Context, want bool) error {
	return p.await(ctx, func() bool { return p.InCall(ctx) == want })
}

// Log returns everything that the phone logged so far.
func (p *Linphone) Log() string {
	raw, err := os.ReadFile(p.LogPath)
	if err != nil {
		return ""
	}
	return string(raw)
}

// Close ends the phone at once, without a BYE.
func (p *Linphone) Close() {
	p.janitor.dismiss()
	if p.conn != nil {
		_ = p.conn.Close()
	}
	if p.proc != nil {
		_ = p.proc.group(syscall.SIGKILL)
		<-p.proc.done
	}
	_ = os.Remove(p.ctrl)
	_ = os.RemoveAll(p.dir)
}
