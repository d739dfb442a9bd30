package app_test

import (
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// link is a way to PostgreSQL that can be cut and mended.
type link struct {
	url    string
	target string // network and address

	mu    sync.Mutex
	down  bool
	conns map[net.Conn]bool
}

func newLink(t *testing.T, db string) *link {
	t.Helper()
	u, err := url.Parse(db)
	require.NoError(t, err)
	network, address := "tcp", u.Host
	if dir := u.Query().Get("host"); strings.HasPrefix(dir, "/") {
		port := u.Query().Get("port")
		if port == "" {
			port = "5432"
		}
		network, address = "unix", dir+"/.s.PGSQL."+port
	}
	l := &link{target: network + "|" + address, conns: map[net.Conn]bool{}}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	q := u.Query()
	q.Del("host")
	q.Del("port")
	q.Set("sslmode", "disable")
	u.Host, u.RawQuery = lis.Addr().String(), q.Encode()
	l.url = u.String()
	t.Cleanup(func() { lis.Close(); l.cut() })
	go func() {
		for {
			c, err := lis.Accept()
			if err != nil {
				return
			}
			go l.serve(c)
		}
	}()
	return l
}

func (l *link) keep(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		c.Close()
		return false
	}
	l.conns[c] = true
	return true
}

func (l *link) serve(c net.Conn) {
	if !l.keep(c) {
		return
	}
	network, address, _ := strings.Cut(l.target, "|")
	up, err := net.Dial(network, address)
	if err != nil {
		c.Close()
		return
	}
	if !l.keep(up) {
		c.Close()
		return
	}
	go func() { _, _ = io.Copy(up, c); up.Close() }()
	_, _ = io.Copy(c, up)
	c.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	delete(l.conns, up)
}

func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
	for c := range l.conns {
		c.Close()
	}
	clear(l.conns)
}

func (l *link) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = false
}
