package lab

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// plainConfig is a stock proxy without byeguard.
//
//go:embed plain.cfg
var plainConfig string

// KamailioOptions say which Kamailio runs and how. The zero value runs the
// installed one with the plain proxy config.
type KamailioOptions struct {
	// Binary says which Kamailio; the zero value is the installed one.
	Binary Binary
	// Plain takes the laboratory's own stock proxy, without byeguard, instead
	// of the project's kamailio-cfg.
	Plain bool
	// Config is the text of a whole configuration to run instead of either.
	Config string
	// ExtraCfg is added at the end of the configuration: modparams, routes.
	ExtraCfg string
	// NextHop is host:port where all calls go; "" = where their Request-URI
	// says.
	NextHop string
	// Defines are given as -A NAME=VALUE (an empty value: -A NAME). They win
	// over the laboratory's own.
	Defines map[string]string
	// Children is the number of UDP workers a socket; default 4.
	Children int
	// SharedMemMB and PkgMemMB are -m and -M; defaults 256 and Kamailio's own.
	SharedMemMB, PkgMemMB int
	// UDP has events sent as datagrams to UDPAddr instead of over evapi.
	UDP bool
	// IPv6 listens on [::1] too.
	IPv6 bool
	// LogSink gets every line that Kamailio logs, from one goroutine.
	LogSink func(line string)
	// Env is added to the environment.
	Env []string
	// StartLimit bounds the start; default 30 s.
	StartLimit time.Duration
}

// Kamailio is one running Kamailio with ports of its own on loopback. Its
// methods are safe for concurrent use.
type Kamailio struct {
	// SIPAddr is host:port for SIP by UDP and TCP; SIPAddr6 the same on [::1],
	// "" without IPv6.
	SIPAddr, SIPAddr6 string
	// EvapiAddr is host:port of the event API; UDPAddr, with KamailioOptions.UDP,
	// where events go to instead. The other one is "".
	EvapiAddr, UDPAddr string
	// RPCURL is where JSON-RPC is POSTed to.
	RPCURL string
	// LogPath is the file with everything that Kamailio wrote to stderr; it
	// goes on over restarts.
	LogPath string
	// Dir is the temporary directory with the configuration, seen from outside
	// of a chroot.
	Dir string

	opts    KamailioOptions
	version string
	args    []string
	rpc     *RPC

	group
	sink *logSink
}

// StartKamailio starts Kamailio and waits until it answers OPTIONS and
// JSON-RPC. ctx bounds the start only; the caller ends it with Close.
func StartKamailio(ctx context.Context, opts KamailioOptions) (*Kamailio, error) {
	if opts.Binary.Path == "" {
		installed, err := InstalledKamailio()
		if err != nil {
			return nil, err
		}
		opts.Binary = installed
	}
	if opts.Children == 0 {
		opts.Children = 4
	}
	if opts.SharedMemMB == 0 {
		opts.SharedMemMB = 256
	}
	if opts.StartLimit == 0 {
		opts.StartLimit = 30 * time.Second
	}
	version, err := opts.Binary.Version()
	if err != nil {
		return nil, err
	}
	// Another process may take a port between our looking and Kamailio's
	// binding it; then everything is tried again with others.
	for try := 1; ; try++ {
		k := &Kamailio{opts: opts, version: version}
		err := k.prepare()
		if err == nil {
			err = k.Start(ctx)
		}
		if err == nil {
			return k, nil
		}
		clash := strings.Contains(k.Log(), "ddress already in use")
		err = errors.Join(fmt.Errorf("%w; its log ends: %s", err, tail(k.Log(), 15)), k.Close())
		if !clash || try == 3 {
			return nil, err
		}
	}
}

// prepare picks ports and writes the configuration.
func (k *Kamailio) prepare() error {
	dir, err := tempDir(k.opts.Binary.tempBase(), "kamailio")
	if err != nil {
		return err
	}
	k.Dir, k.LogPath = dir, filepath.Join(dir, "kamailio.log")
	if k.janitor, err = hireJanitor(0, dir); err != nil {
		return err
	}
	var ports [3]int
	for i := range ports {
		if ports[i], err = FreePort("127.0.0.1"); err != nil {
			return err
		}
	}
	addr := func(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
	k.SIPAddr = addr("127.0.0.1", ports[0])
	if k.opts.IPv6 {
		k.SIPAddr6 = addr("::1", ports[0])
	}
	if k.opts.UDP {
		k.UDPAddr = addr("127.0.0.1", ports[1])
	} else {
		k.EvapiAddr = addr("127.0.0.1", ports[1])
	}
	k.RPCURL = "http://" + addr("127.0.0.1", ports[2]) + "/RPC"
	k.rpc = NewRPC(k.RPCURL)
	main, err := k.writeConfig()
	if err != nil {
		return err
	}
	k.args = k.arguments(main, ports[0], ports[1], ports[2])
	return nil
}

// Start starts a Kamailio that was stopped or killed, on the same ports with
// the same configuration, and waits until it answers.
func (k *Kamailio) Start(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.proc != nil && k.proc.alive() {
		return errors.New("start kamailio: it runs already")
	}
	log, err := os.OpenFile(k.LogPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("open log of kamailio: %w", err)
	}
	defer log.Close()
	if k.opts.LogSink != nil && k.sink == nil {
		k.sink = followLog(k.LogPath, k.opts.LogSink)
	}
	cmd := k.opts.Binary.command(k.args)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), k.opts.Env...)
	// The main process passes SIGTERM on to its children.
	proc, err := run(cmd, syscall.SIGTERM)
	if err != nil {
		return fmt.Errorf("start kamailio %s: %w", k.opts.Binary, err)
	}
	k.proc = proc
	k.janitor.dismiss()
	if k.janitor, err = hireJanitor(proc.pid(), k.Dir); err != nil {
		return err
	}
	return k.await(ctx, proc)
}

// await asks for an answer by SIP and by JSON-RPC until both come.
func (k *Kamailio) await(ctx context.Context, proc *process) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(k.opts.StartLimit)
	defer limit.Stop()
	for {
		err := k.answers(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-proc.done:
			if proc.err == nil {
				return fmt.Errorf("start kamailio %s: it ended at once, without an error", k.opts.Binary)
			}
			return fmt.Errorf("start kamailio %s: it ended at once: %w", k.opts.Binary, proc.err)
		case <-limit.C:
			return fmt.Errorf("start kamailio %s: no answer after %v: %w", k.opts.Binary, k.opts.StartLimit, err)
		case <-ctx.Done():
			return fmt.Errorf("start kamailio %s: %w: %w", k.opts.Binary, ctx.Err(), err)
		case <-tick.C:
		}
	}
}

func (k *Kamailio) answers(ctx context.Context) error {
	if err := k.rpc.Call(ctx, nil, "core.uptime"); err != nil {
		return err
	}
	if _, err := Ping(ctx, k.SIPAddr, 200*time.Millisecond); err != nil {
		return err
	}
	if !k.opts.Plain && k.opts.Config == "" && k.EvapiAddr != "" && !listening(k.EvapiAddr) {
		return errors.New("evapi does not listen")
	}
	return nil
}

// Version is what `kamailio -v` calls itself, "5.6.3" say.
func (k *Kamailio) Version() string { return k.version }

// Binary is what runs.
func (k *Kamailio) Binary() Binary { return k.opts.Binary }

// RPC is a JSON-RPC client for this Kamailio.
func (k *Kamailio) RPC() *RPC { return k.rpc }

// Stop shuts Kamailio down in order. After it, as after Kill, Start brings it back
// without a memory of its dialogs.
func (k *Kamailio) Stop() error { return k.end(10 * time.Second) }

// Restart is Stop and Start.
func (k *Kamailio) Restart(ctx context.Context) error {
	if err := k.Stop(); err != nil {
		return err
	}
	return k.Start(ctx)
}

// Close stops Kamailio and removes its files. It may be called twice.
func (k *Kamailio) Close() error {
	err := k.Stop()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.janitor.dismiss()
	k.janitor = nil
	if k.sink != nil {
		k.sink.stop()
		k.sink = nil
	}
	if k.rpc != nil {
		k.rpc.Close()
	}
	if k.Dir != "" {
		err = errors.Join(err, os.RemoveAll(k.Dir))
	}
	return err
}
