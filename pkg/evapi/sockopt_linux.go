package evapi

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// setBuffers asks for a large receive buffer before connecting, when it can
// still widen the TCP window: while byeguard is paused, what fits there blocks
// nobody. The forced form passes net.core.rmem_max and needs CAP_NET_ADMIN; what
// the kernel refuses is no error. The send buffer is small, so that a proxy that
// takes no acknowledgements any more is noticed after some hundred of them.
func setBuffers(rcvBuf int) func(network, address string, raw syscall.RawConn) error {
	return func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) {
			if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, rcvBuf) != nil {
				_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, rcvBuf)
			}
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, sendBuffer)
		})
	}
}

// quickAck makes the kernel acknowledge at once where byeguard itself does not.
// Kamailio leaves Nagle's algorithm on (evapi sets no TCP_NODELAY): it would
// hold the next small event back until the kernel's delayed ACK, 40 ms later.
func quickAck(fd int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
}
