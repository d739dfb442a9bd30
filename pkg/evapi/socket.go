//go:build unix

package evapi

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socket is a connection that the Go runtime's poller knows nothing of. The
// poller is woken by the kernel for every segment that arrives, whether anybody
// reads or not, and with it a thread or two that look for work: at some hundred
// events a second that costs more than all that is done with the events. A
// socket wakes nobody while the reader rests.
type socket struct {
	fd   int
	bell bell // what wait waits for
}

// errEmpty says that there is nothing to read now.
var errEmpty = errors.New("nothing to read")

// takeSocket takes the connection over; conn is closed.
func takeSocket(conn net.Conn) (*socket, error) {
	defer conn.Close()
	own, ok := conn.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("%T is no socket", conn)
	}
	raw, err := own.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &socket{fd: -1}
	if cerr := raw.Control(func(fd uintptr) {
		s.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	}); cerr != nil {
		return nil, cerr
	}
	if err == nil {
		err = s.bell.hang(s.fd)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// Read returns what there is, or errEmpty. It never waits.
func (s *socket) Read(b []byte) (int, error) {
	n, err := s.receive(b)
	if n == 0 && err == nil && len(b) > 0 {
		return 0, io.EOF
	}
	return n, err
}

// receive is Read for datagrams, which may be empty.
func (s *socket) receive(b []byte) (int, error) {
	for {
		n, _, err := unix.Recvfrom(s.fd, b, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return 0, errEmpty
		case err != nil:
			return 0, err
		}
		return n, nil
	}
}

// receiveBuffer returns what the kernel granted, bytes.
func (s *socket) receiveBuffer() int {
	n, _ := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	return n
}

// wait returns when there is something to read (an end or an error of the
// connection, too), or after d.
func (s *socket) wait(d time.Duration) error { return s.bell.wait(s.fd, d) }

// write writes all of b, and waits for the peer no longer than d.
func (s *socket) write(b []byte, d time.Duration) error {
	until := time.Now().Add(d)
	for len(b) > 0 {
		n, err := unix.SendmsgN(s.fd, b, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		switch {
		case err == nil:
			b = b[n:]
		case errors.Is(err, unix.EINTR):
		case !errors.Is(err, unix.EAGAIN):
			return err
		case !time.Now().Before(until):
			return fmt.Errorf("the peer takes nothing for %v", d)
		default:
			if err := await(s.fd, unix.POLLOUT, time.Until(until)); err != nil {
				return err
			}
		}
	}
	return nil
}

// await blocks a thread until the socket is ready, or for d.
func await(fd int, events int16, d time.Duration) error {
	_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: events}}, int(max(d.Milliseconds(), 1)))
	if errors.Is(err, unix.EINTR) {
		return nil // whoever waits looks again
	}
	return err
}

func (s *socket) close() {
	s.bell.close()
	if s.fd >= 0 {
		_ = unix.Close(s.fd)
	}
}
