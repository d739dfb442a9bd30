package store

import (
	"context"
	"net"
	"sync"
	"time"
)

// dialer makes connections that give up after a long silence of the server, so
// that a frozen one cannot hold the writer for ever.
type dialer struct {
	net.Dialer
	silence time.Duration
	conns   *connSet
}

// DialContext is what lib/pq calls.
func (d dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	p := &patientConn{Conn: c, silence: d.silence, set: d.conns}
	d.conns.add(p)
	return p, nil
}

// Dial is there for lib/pq's interface.
func (d dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialTimeout is there for lib/pq's interface.
func (d dialer) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return d.DialContext(ctx, network, address)
}

// patientConn sets a deadline for each read and write. lib/pq reads only while
// it waits for an answer, so an idle connection does not run into it.
type patientConn struct {
	net.Conn
	silence time.Duration
	set     *connSet
}

// Close also forgets the connection.
func (c *patientConn) Close() error {
	c.set.remove(c)
	return c.Conn.Close()
}

func (c *patientConn) Read(b []byte) (int, error) {
	if c.silence > 0 {
		if err := c.SetReadDeadline(time.Now().Add(c.silence)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Read(b)
}

func (c *patientConn) Write(b []byte) (int, error) {
	if c.silence > 0 {
		if err := c.SetWriteDeadline(time.Now().Add(c.silence)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(b)
}

// connSet knows the open connections, to be able to cut them.
type connSet struct {
	mu   sync.Mutex
	open map[*patientConn]bool
}

func (s *connSet) add(c *patientConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[c] = true
}

func (s *connSet) remove(c *patientConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// cut closes all connections below lib/pq, which waits for a frozen server's
// answer whatever its context says.
func (s *connSet) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		_ = c.Conn.Close()
	}
}
