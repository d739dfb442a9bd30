package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrNoBaresip says that the phone is not installed.
var ErrNoBaresip = errors.New("no baresip; install the Debian package baresip-core")

// BaresipOptions say how the phone runs. The zero value will do.
type BaresipOptions struct {
	// User is the user part of its URI; default "phone".
	User string
	// Binary is the program; default "baresip" in PATH.
	Binary string
	// OutboundProxy is host:port where its own calls go, "" = where they say.
	OutboundProxy string
}

// Baresip is a phone that nobody here wrote: it answers every call by itself,
// and hears itself instead of using a sound card.
type Baresip struct {
	// Addr is host:port for SIP by UDP, URI where it can be called.
	Addr, URI string
	// LogPath is the file with what it prints, SIP messages included.
	LogPath string

	dir     string
	ctrl    string
	proc    *process
	janitor *janitor
}

const baresipConfig = `poll_method epoll
sip_listen %s
audio_player aubridge,nil
audio_source aubridge,nil
audio_alert aubridge,nil
call_max_calls 100
rtp_timeout 0
net_interface 127.0.0.1
module_path %s
module g711.so
module aubridge.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen %s
`

// baresipModules is where Debian puts them on any architecture.
const baresipModules = "/usr/lib/baresip/modules"

// StartBaresip starts the phone and waits until it takes commands. The caller
// ends it with Close.
func StartBaresip(ctx context.Context, opts BaresipOptions) (*Baresip, error) {
	if opts.User == "" {
		opts.User = "phone"
	}
	if opts.Binary == "" {
		opts.Binary = "baresip"
	}
	binary, err := exec.LookPath(opts.Binary)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoBaresip, err)
	}
	b := &Baresip{}
	if b.dir, err = tempDir("", "baresip"); err != nil {
		return nil, err
	}
	b.LogPath = filepath.Join(b.dir, "log")
	if err := b.start(ctx, binary, opts); err != nil {
		err = fmt.Errorf("%w; it said: %s", err, tail(b.Log(), 10))
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *Baresip) start(ctx context.Context, binary string, opts BaresipOptions) error {
	var addrs [2]string
	for i := range addrs {
		port, err := FreePort("127.0.0.1")
		if err != nil {
			return err
		}
		addrs[i] = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	}
	b.Addr, b.ctrl = addrs[0], addrs[1]
	b.URI = "sip:" + opts.User + "@" + b.Addr
	account := "<" + b.URI + ">;regint=0;answermode=auto;audio_codecs=PCMU"
	if opts.OutboundProxy != "" {
		account += `;outbound="sip:` + opts.OutboundProxy + `;lr"`
	}
	for name, text := range map[string]string{
		"config":   fmt.Sprintf(baresipConfig, b.Addr, baresipModules, b.ctrl),
		"accounts": account + "\n",
		"contacts": "",
	} {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("write baresip's %s: %w", name, err)
		}
	}
	log, err := os.Create(b.LogPath)
	if err != nil {
		return fmt.Errorf("open baresip's log: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(binary, "-f", b.dir, "-s") // -s: trace SIP
	cmd.Stdout, cmd.Stderr = log, log
	if b.proc, err = run(cmd, syscall.SIGKILL); err != nil {
		return fmt.Errorf("start baresip: %w", err)
	}
	if b.janitor, err = hireJanitor(b.proc.pid(), b.dir); err != nil {
		return err
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(b.Log(), "baresip is ready") || !listening(b.ctrl) {
		select {
		case <-b.proc.done:
			return errors.New("start baresip: it ended at once")
		case <-ctx.Done():
			return fmt.Errorf("start baresip: %w", ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}

// Log returns everything that the phone printed so far.
func (b *Baresip) Log() string {
	raw, err := os.ReadFile(b.LogPath)
	if err != nil {
		return ""
	}
	return string(raw)
}

// Close ends the phone at once, without a BYE.
func (b *Baresip) Close() {
	b.janitor.dismiss()
	if b.proc != nil {
		_ = b.proc.group(syscall.SIGKILL)
		<-b.proc.done
	}
	_ = os.RemoveAll(b.dir)
}
