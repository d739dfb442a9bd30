package chaos

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// evapiTap is the way of the events between Kamailio and byeguard. It knows
// frames (netstrings), so that it can cut one in half or change its time.
type evapiTap struct {
	target string
	listen net.Listener
	wg     sync.WaitGroup

	mu     sync.Mutex
	conns  map[*tapped]bool
	closed bool
	refuse bool
	hold   chan struct{} // closed when nothing is held back; never nil

	half atomic.Bool  // cut the next frame in half, and the connection with it
	skew atomic.Int64 // seconds added to the time of each event

	frames atomic.Int64
	told   told
}

// tapped is one connection through the tap.
type tapped struct{ reader, proxy net.Conn }

func (c *tapped) close() {
	c.reader.Close()
	c.proxy.Close()
}

func startEvapiTap(target string) (*evapiTap, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("tap evapi: %w", err)
	}
	t := &evapiTap{target: target, listen: l, conns: make(map[*tapped]bool), hold: make(chan struct{})}
	close(t.hold)
	t.wg.Go(t.accept)
	return t, nil
}

func (t *evapiTap) addr() string { return t.listen.Addr().String() }

func (t *evapiTap) accept() {
	for {
		reader, err := t.listen.Accept()
		if err != nil {
			return
		}
		t.mu.Lock()
		refuse := t.refuse || t.closed
		t.mu.Unlock()
		if refuse {
			reader.Close()
			continue
		}
		t.wg.Go(func() { t.serve(reader) })
	}
}

func (t *evapiTap) serve(reader net.Conn) {
	proxy, err := net.DialTimeout("tcp", t.target, time.Second)
	if err != nil {
		reader.Close()
		return
	}
	c := &tapped{reader: reader, proxy: proxy}
	t.mu.Lock()
	t.conns[c] = !t.closed
	closed := t.closed
	t.mu.Unlock()
	if closed {
		c.close()
		return
	}
	var both sync.WaitGroup
	both.Go(func() { _ = t.down(c); c.close() })
	both.Go(func() { _ = t.up(c); c.close() })
	both.Wait()
	t.mu.Lock()
	delete(t.conns, c)
	t.mu.Unlock()
}

// wait waits while everything is held back.
func (t *evapiTap) wait() {
	t.mu.Lock()
	hold := t.hold
	t.mu.Unlock()
	<-hold
}

// up passes on what byeguard sends.
func (t *evapiTap) up(c *tapped) error {
	buf := make([]byte, 4096)
	for {
		n, err := c.reader.Read(buf)
		t.wait()
		if n > 0 {
			if _, err := c.proxy.Write(buf[:n]); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

// maxTapFrame is above what evapi can send.
const maxTapFrame = 1 << 20

var errHalf = errors.New("cut in the middle of a frame")

// down passes on what Kamailio sends, frame by frame.
func (t *evapiTap) down(c *tapped) error {
	in := bufio.NewReaderSize(quick{c.proxy}, 64<<10)
	out := bufio.NewWriterSize(c.reader, 64<<10)
	var body []byte
	for {
		head, err := in.ReadSlice(':')
		if err != nil {
			return err
		}
		size, err := strconv.Atoi(string(head[:len(head)-1]))
		if err != nil || size < 0 || size > maxTapFrame {
			return fmt.Errorf("frame of %q bytes", head)
		}
		body = append(body[:0], head...)
		body = append(body, make([]byte, size+1)...)
		if _, err := io.ReadFull(in, body[len(body)-size-1:]); err != nil {
			return err
		}
		t.wait()
		t.frames.Add(1)
		shift(body, t.skew.Load())
		if t.half.CompareAndSwap(true, false) {
			_, _ = out.Write(body[:len(body)/2])
			_ = out.Flush()
			return errHalf
		}
		if _, err := out.Write(body); err != nil {
			return err
		}
		t.told.note(body)
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
}

// shift adds seconds to the time of an event, "t":SECONDS.MICROSECONDS. The
// rest of an event is base64 and numbers, so the name stands nowhere else.
func shift(frame []byte, seconds int64) {
	if seconds == 0 {
		return
	}
	const name, digits = `,"t":`, 10
	at := bytes.Index(frame, []byte(name))
	if at < 0 || at+len(name)+digits > len(frame) {
		return
	}
	field := frame[at+len(name):][:digits]
	if n, err := strconv.ParseInt(string(field), 10, 64); err == nil {
		copy(field, strconv.FormatInt(n+seconds, 10))
	}
}

// quick reads with immediate TCP ACKs: evapi has Nagle's algorithm on, and would
// hold frames back for as long as the kernel's ACK.
type quick struct{ net.Conn }

func (q quick) Read(p []byte) (int, error) {
	n, err := q.Conn.Read(p)
	if tcp, ok := q.Conn.(*net.TCPConn); ok {
		if raw, e := tcp.SyscallConn(); e == nil {
			_ = raw.Control(func(fd uintptr) { // what cannot be set costs time only
				_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
			})
		}
	}
	return n, err
}

// cut ends all connections.
func (t *evapiTap) cut() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.conns {
		c.close()
	}
}

// refuseNew lets nobody in until it is told false.
func (t *evapiTap) refuseNew(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refuse = on
}

// holdBack stops everything where it is until it is told false.
func (t *evapiTap) holdBack(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-t.hold:
		if on {
			t.hold = make(chan struct{})
		}
	default:
		if !on {
			close(t.hold)
		}
	}
}

func (t *evapiTap) close() {
	t.holdBack(false)
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.listen.Close()
	t.cut()
	t.wg.Wait()
}
