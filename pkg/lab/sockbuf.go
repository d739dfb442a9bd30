package lab

import (
	"net"

	"golang.org/x/sys/unix"
)

// forceReadBuffer asks for a large receive buffer, past the machine's limit
// where we may. A smaller one only costs retransmissions.
func forceReadBuffer(c *net.UDPConn, size int) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) != nil {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, size)
		}
	})
}
