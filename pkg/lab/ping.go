package lab

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"
)

// Ping sends one OPTIONS by UDP to addr and returns how long the answer took;
// any status will do, for it shows that a worker is alive. Nothing is
// retransmitted.
func Ping(ctx context.Context, addr string, limit time.Duration) (time.Duration, error) {
	conn, err := net.Dial("udp", addr)
	if err != nil {
		return 0, fmt.Errorf("ping %s: %w", addr, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	id := token()
	local := conn.LocalAddr().String()
	req := "OPTIONS sip:" + addr + " SIP/2.0\r\n" +
		"Via: SIP/2.0/UDP " + local + ";branch=z9hG4bK" + id + ";rport\r\n" +
		"Max-Forwards: 10\r\n" +
		"From: <sip:ping@" + local + ">;tag=" + id + "\r\n" +
		"To: <sip:" + addr + ">\r\n" +
		"Call-ID: ping-" + id + "\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
	start := time.Now()
	if err := conn.SetDeadline(start.Add(limit)); err != nil {
		return 0, fmt.Errorf("ping %s: %w", addr, err)
	}
	if _, err := conn.Write([]byte(req)); err != nil {
		return 0, fmt.Errorf("ping %s: %w", addr, err)
	}
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return 0, fmt.Errorf("ping %s: %w", addr, err)
		}
		if strings.HasPrefix(string(buf[:n]), "SIP/2.0 ") {
			return time.Since(start), nil
		}
	}
}
