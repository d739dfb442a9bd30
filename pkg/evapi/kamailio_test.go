package evapi_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/evapi"
)

// proxy speaks the Kamailio side of the protocol as badly as a test wants.
type proxy struct {
	t     *testing.T
	l     net.Listener
	conns chan *proxyConn
}

type proxyConn struct {
	t *testing.T
	net.Conn
	in chan string // frames that the client sent; closed at the end
}

func newProxy(t *testing.T) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{t: t, l: l, conns: make(chan *proxyConn, 1000)}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			pc := &proxyConn{t: t, Conn: c, in: make(chan string, 10000)}
			t.Cleanup(func() { c.Close() })
			go pc.read()
			p.conns <- pc
		}
	}()
	return p
}

func (p *proxy) addr() string { return p.l.Addr().String() }

// accept waits for the next connection and for its hello.
func (p *proxy) accept() *proxyConn {
	p.t.Helper()
	c := wait(p.t, p.conns)
	require.Equal(p.t, "byeguard hello 1 tester", wait(p.t, c.in))
	return c
}

// welcome accepts and answers hello.
func (p *proxy) welcome(seq, sent int64) *proxyConn {
	p.t.Helper()
	c := p.accept()
	c.send(hello(testNode, seq, sent))
	require.Equal(p.t, fmt.Sprintf("byeguard ack %d", sent), c.ask())
	return c
}

func hello(node string, seq, sent int64) string {
	return head("hello", seq, sent) + texts("node", node, "ver", "kamailio 5.6.3") + `,"limit":100}`
}

func syncFrame(seq, sent int64) string {
	return head("sync", seq, sent) + texts("node", testNode) + `,"limit":100}`
}

func event(seq, sent int64) string {
	return head("bye_in", seq, sent) + texts("i", fmt.Sprintf("call-%d", seq)) + `}`
}

func (c *proxyConn) read() {
	defer close(c.in)
	r := bufio.NewReader(c.Conn)
	for {
		length, err := r.ReadString(':')
		if err != nil {
			return
		}
		n, err := strconv.Atoi(strings.TrimSuffix(length, ":"))
		if err != nil {
			return
		}
		body := make([]byte, n+1)
		if _, err := io.ReadFull(r, body); err != nil {
			return
		}
		c.in <- string(body[:n])
	}
}

func (c *proxyConn) send(frames ...string) {
	c.t.Helper()
	var out []byte
	for _, f := range frames {
		out = evapi.AppendFrame(out, f)
	}
	c.raw(string(out))
}

func (c *proxyConn) raw(s string) {
	c.t.Helper()
	_, err := io.WriteString(c.Conn, s)
	require.NoError(c.t, err)
}

// ask returns the next frame from the client that is not a sync.
func (c *proxyConn) ask() string {
	c.t.Helper()
	for {
		if f := wait(c.t, c.in); f != "byeguard sync" {
			return f
		}
	}
}

// closed waits until the client has closed the connection.
func (c *proxyConn) closed() {
	c.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case _, ok := <-c.in:
			if !ok {
				return
			}
		case <-deadline:
			c.t.Fatal("the client did not close the connection")
		}
	}
}

func wait[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v, ok := <-ch:
		require.True(t, ok, "channel closed")
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came within 10 s")
		panic("unreachable")
	}
}

// recorder is a Handler that hands everything on to a test.
type recorder struct {
	hellos chan evapi.Hello
	events chan call.Event
	gaps   chan evapi.Gap
	errs   chan error

	mu     sync.Mutex
	refuse bool
	log    []string // order of the calls
}

func newRecorder() *recorder {
	return &recorder{
		hellos: make(chan evapi.Hello, 1000), events: make(chan call.Event, 100000),
		gaps: make(chan evapi.Gap, 1000), errs: make(chan error, 1000),
	}
}

func (r *recorder) note(what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, what)
}

func (r *recorder) calls() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.log...)
}

func (r *recorder) setRefuse(v bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse = v
}

func (r *recorder) Connected(h evapi.Hello) { r.note("connected"); r.hellos <- h }

func (r *recorder) Events(batch []call.Event) bool {
	r.mu.Lock()
	refuse := r.refuse
	r.mu.Unlock()
	if refuse {
		r.note("refused")
		return false
	}
	r.note("events")
	for _, ev := range batch {
		r.events <- ev
	}
	return true
}

func (r *recorder) Gap(g evapi.Gap)        { r.note("gap"); r.gaps <- g }
func (r *recorder) Disconnected(err error) { r.note("disconnected"); r.errs <- err }
