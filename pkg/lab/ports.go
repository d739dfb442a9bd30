package lab

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
)

// Ports are taken from below Linux' range for outgoing connections (32768 and
// up), or some client's connection could sit on them.
const (
	firstPort = 20000
	lastPort  = 32000
)

var handedOut struct {
	sync.Mutex
	ports map[int]bool
}

// FreePort returns a port on which nobody listens at host, by UDP and by TCP,
// and which this process has not handed out before. Another process may still
// take it first.
func FreePort(host string) (int, error) {
	handedOut.Lock()
	defer handedOut.Unlock()
	if handedOut.ports == nil {
		handedOut.ports = make(map[int]bool)
	}
	for range 2000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if !handedOut.ports[port] && free(net.JoinHostPort(host, strconv.Itoa(port))) {
			handedOut.ports[port] = true
			return port, nil
		}
	}
	return 0, fmt.Errorf("find a free port on %s: none between %d and %d", host, firstPort, lastPort)
}

func free(addr string) bool {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	defer l.Close()
	p, err := net.ListenPacket("udp", addr)
	if err != nil {
		return false
	}
	p.Close()
	return true
}

// listening says whether somebody listens at addr (IPv4) by TCP. It only looks,
// because a connection would be an event for evapi.
func listening(addr string) bool {
	a, err := netip.ParseAddrPort(addr)
	if err != nil || !a.Addr().Is4() {
		return false
	}
	raw, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return false
	}
	ip := a.Addr().As4()
	// Address in the machine's byte order, port, state 0A = LISTEN (proc(5)).
	want := fmt.Sprintf(" %02X%02X%02X%02X:%04X 00000000:0000 0A ", ip[3], ip[2], ip[1], ip[0], a.Port())
	return strings.Contains(string(raw), want)
}
