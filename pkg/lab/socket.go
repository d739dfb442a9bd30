package lab

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// socket is one listening address of a user agent or proxy, UDP or TCP, with
// the TCP connections that were made from or to it.
type socket struct {
	addr   netip.AddrPort
	udp    *net.UDPConn
	tcp    net.Listener
	handle func(s *socket, from flow, m *Message, at time.Time)
	net    *Network // nil = a good one

	mu     sync.Mutex
	conns  map[netip.AddrPort]*net.TCPConn
	closed bool
	wg     sync.WaitGroup
}

// flow is the way back to where a message came from.
type flow struct {
	sock *socket
	addr netip.AddrPort
	conn *net.TCPConn // nil by UDP
}

func (f flow) String() string { return hostPort(f.addr) }

// send writes a message along the flow.
func (f flow) send(raw []byte) error {
	if f.conn != nil {
		_, err := f.conn.Write(raw)
		return err
	}
	delay, lost := f.sock.net.wait()
	if lost {
		return nil
	}
	if delay > 0 { // raw is never written again once it was sent
		time.AfterFunc(delay, func() { _, _ = f.sock.udp.WriteToUDPAddrPort(raw, f.addr) })
		return nil
	}
	_, err := f.sock.udp.WriteToUDPAddrPort(raw, f.addr)
	return err
}

// readBuffer is room for what arrives while a reader is busy.
const readBuffer = 8 << 20

// openSocket listens at addr ("127.0.0.1:0") and hands each message to handle,
// by UDP from one goroutine (delayed ones from others). network may be nil.
func openSocket(transport, addr string, network *Network, handle func(*socket, flow, *Message, time.Time)) (*socket, error) {
	s := &socket{handle: handle, net: network, conns: make(map[netip.AddrPort]*net.TCPConn)}
	switch transport {
	case "udp":
		a, err := net.ResolveUDPAddr("udp", addr)
		if err != nil {
			return nil, fmt.Errorf("listen at %s: %w", addr, err)
		}
		if s.udp, err = net.ListenUDP("udp", a); err != nil {
			return nil, fmt.Errorf("listen at %s: %w", addr, err)
		}
		forceReadBuffer(s.udp, readBuffer)
		s.addr = s.udp.LocalAddr().(*net.UDPAddr).AddrPort()
		s.wg.Go(s.readUDP)
	case "tcp":
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, fmt.Errorf("listen at %s: %w", addr, err)
		}
		s.tcp, s.addr = l, l.Addr().(*net.TCPAddr).AddrPort()
		s.wg.Go(s.accept)
	default:
		return nil, fmt.Errorf("listen at %s: transport %q is neither udp nor tcp", addr, transport)
	}
	s.addr = netip.AddrPortFrom(s.addr.Addr().Unmap(), s.addr.Port())
	return s, nil
}

func (s *socket) transport() string {
	if s.udp != nil {
		return "UDP"
	}
	return "TCP"
}

// to returns the flow to a hop; by TCP it connects if there is no connection.
func (s *socket) to(addr netip.AddrPort) (flow, error) {
	if s.udp != nil {
		return flow{sock: s, addr: addr}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return flow{}, net.ErrClosed
	}
	if c := s.conns[addr]; c != nil {
		return flow{s, addr, c}, nil
	}
	c, err := net.DialTimeout("tcp", addr.String(), 5*time.Second)
	if err != nil {
		return flow{}, fmt.Errorf("connect to %s: %w", addr, err)
	}
	return flow{s, addr, s.keep(c.(*net.TCPConn))}, nil
}

// keep reads from a connection until it ends. The caller holds mu.
func (s *socket) keep(c *net.TCPConn) *net.TCPConn {
	peer := c.RemoteAddr().(*net.TCPAddr).AddrPort()
	peer = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
	s.conns[peer] = c
	s.wg.Go(func() {
		s.readTCP(c, peer)
		s.mu.Lock()
		delete(s.conns, peer)
		s.mu.Unlock()
		c.Close()
	})
	return c
}

func (s *socket) accept() {
	for {
		c, err := s.tcp.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			c.Close()
		} else {
			s.keep(c.(*net.TCPConn))
		}
		s.mu.Unlock()
	}
}

func (s *socket) readUDP() {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := s.udp.ReadFromUDPAddrPort(buf)
		at := time.Now()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue // an ICMP error of an earlier send
		}
		if m, err := ParseMessage(buf[:n]); err == nil { // keep-alives and rubbish end here
			from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
			s.arrive(flow{sock: s, addr: from}, m, at)
		}
	}
}

// arrive hands on a datagram that the network lets through.
func (s *socket) arrive(from flow, m *Message, at time.Time) {
	delay, lost := s.net.wait()
	switch {
	case lost:
	case delay > 0:
		time.AfterFunc(delay, func() { s.handle(s, from, m, time.Now()) })
	default:
		s.handle(s, from, m, at)
	}
}

// maxStreamHeader bounds the headers of a message by TCP.
const maxStreamHeader = 64 << 10

func (s *socket) readTCP(c *net.TCPConn, peer netip.AddrPort) {
	r := bufio.NewReaderSize(c, maxStreamHeader)
	for {
		raw, err := readStream(r)
		at := time.Now()
		if err != nil {
			return
		}
		m, err := ParseMessage(raw)
		if err != nil {
			return
		}
		s.handle(s, flow{s, peer, c}, m, at)
	}
}

// readStream reads one message (RFC 3261 section 18.3: by its Content-Length).
func readStream(r *bufio.Reader) ([]byte, error) {
	var raw []byte
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		if len(raw) == 0 && len(bytes.TrimSpace(line)) == 0 {
			continue // keep-alive between messages
		}
		if raw = append(raw, line...); len(raw) > maxStreamHeader {
			return nil, errMalformed
		}
		if len(bytes.TrimSpace(line)) == 0 {
			break
		}
	}
	length := 0
	for line := range strings.Lines(string(raw)) {
		name, value, _ := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); strings.EqualFold(name, "Content-Length") || strings.EqualFold(name, "l") {
			n, err := strconv.Atoi(strings.TrimSpace(value))
			if err != nil || n < 0 || n > maxStreamHeader {
				return nil, errMalformed
			}
			length = n
		}
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	return append(raw, body...), nil
}

// close ends the socket and its connections, and waits for their readers.
func (s *socket) close() {
	s.mu.Lock()
	s.closed = true
	if s.udp != nil {
		s.udp.Close()
	}
	if s.tcp != nil {
		s.tcp.Close()
	}
	for _, c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}
