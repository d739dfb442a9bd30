package kamailiocfg_test

import (
	"crypto/rand"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func randomText() string { return rand.Text() }

// phone is one UDP socket that speaks SIP by hand.
type phone struct {
	t    testing.TB
	conn *net.UDPConn
}

func newPhone(tb testing.TB) *phone {
	tb.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(tb, err)
	tb.Cleanup(func() { c.Close() })
	return &phone{t: tb, conn: c}
}

func (p *phone) addr() string { return p.conn.LocalAddr().String() }

func (p *phone) send(to, msg string) {
	p.t.Helper()
	a, err := net.ResolveUDPAddr("udp", to)
	require.NoError(p.t, err)
	_, err = p.conn.WriteToUDP([]byte(msg), a)
	require.NoError(p.t, err)
}

// sip is a received message.
type sip string

// receive returns the next message that begins with prefix, and skips others
// (100 Trying, retransmissions).
func (p *phone) receive(prefix string) sip {
	p.t.Helper()
	buf := make([]byte, 65536)
	p.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	for {
		n, _, err := p.conn.ReadFromUDP(buf)
		require.NoError(p.t, err, "waiting for %q", prefix)
		if strings.HasPrefix(string(buf[:n]), prefix) {
			return sip(buf[:n])
		}
	}
}

// headers returns all header lines of that name, with the name.
func (m sip) headers(name string) []string {
	var out []string
	for _, line := range strings.Split(string(m), "\r\n")[1:] {
		if line == "" {
			break
		}
		if strings.HasPrefix(strings.ToLower(line), strings.ToLower(name)+":") {
			out = append(out, line)
		}
	}
	return out
}

// value returns the body of the first header of that name.
func (m sip) value(name string) string {
	h := m.headers(name)
	if len(h) == 0 {
		return ""
	}
	return strings.TrimSpace(h[0][len(name)+1:])
}

// via returns where a reply to the request goes.
func (m sip) via() string {
	v := m.value("Via")
	return strings.Split(strings.Fields(v)[1], ";")[0]
}

// answer makes a reply to a request; toTag is added if the request had none.
func (m sip) answer(status, toTag string, extra ...string) string {
	lines := append([]string{"SIP/2.0 " + status}, m.headers("Via")...)
	lines = append(lines, m.headers("Record-Route")...)
	lines = append(lines, m.headers("From")...)
	to := m.headers("To")[0]
	if toTag != "" && !strings.Contains(to, ";tag=") {
		to += ";tag=" + toTag
	}
	lines = append(lines, to, m.headers("Call-ID")[0], m.headers("CSeq")[0])
	return strings.Join(append(append(lines, extra...), "Content-Length: 0", "", ""), "\r\n")
}

// talk is one call set up through the proxy by two phones.
type talk struct {
	proxy          *proxy
	caller, callee *phone
	callID         string
	from, to       string // header bodies without tags
	fromTag, toTag string
	ok             sip // the 200 that the caller got
	cseq           int
}

func newTalk(p *proxy) *talk {
	id := randomText()
	return &talk{
		proxy: p, caller: newPhone(p.t), callee: p.nextHop, callID: id + "@test", from: "<sip:alice@example.org>",
		to: "<sip:bob@example.org>", fromTag: "f" + id, toTag: "t" + id, cseq: 1,
	}
}

// request makes a request of the caller.
func (c *talk) request(method, target, toTag string, extra ...string) string {
	to := c.to
	if toTag != "" {
		to += ";tag=" + toTag
	}
	lines := []string{
		method + " " + target + " SIP/2.0",
		"Via: SIP/2.0/UDP " + c.caller.addr() + ";branch=z9hG4bK" + randomText() + ";rport",
		"Max-Forwards: 70", "From: " + c.from + ";tag=" + c.fromTag, "To: " + to, "Call-ID: " + c.callID,
		fmt.Sprintf("CSeq: %d %s", c.cseq, method),
	}
	if method == "INVITE" {
		lines = append(lines, "Contact: <sip:alice@"+c.caller.addr()+">")
	}
	return strings.Join(append(append(lines, extra...), "Content-Length: 0", "", ""), "\r\n")
}

// invite sends the INVITE and returns it as the callee got it.
func (c *talk) invite(user string) sip {
	c.caller.send(c.proxy.sip, c.request("INVITE", "sip:"+user+"@"+c.proxy.sip, ""))
	return c.callee.receive("INVITE")
}

// establish sets the call up; the 200 carries the extra headers.
func (c *talk) establish(extra ...string) {
	inv := c.invite("bob")
	if len(extra) == 0 {
		extra = []string{"Contact: <sip:bob@" + c.callee.addr() + ">"}
	}
	c.callee.send(inv.via(), inv.answer("200 OK", c.toTag, extra...))
	c.ok = c.caller.receive("SIP/2.0 200")
	c.caller.send(c.proxy.sip, c.inDialog("ACK"))
	c.callee.receive("ACK")
}

// inDialog makes a request of the caller inside the call.
func (c *talk) inDialog(method string, extra ...string) string {
	for _, rr := range c.ok.headers("Record-Route") {
		extra = append([]string{"Route:" + rr[len("Record-Route:"):]}, extra...)
	}
	return c.request(method, "sip:bob@"+c.callee.addr(), c.toTag, extra...)
}

// bye ends the call from the caller's side.
func (c *talk) bye() {
	c.cseq++
	c.caller.send(c.proxy.sip, c.inDialog("BYE", "Reason: Q.850;cause=16"))
	got := c.callee.receive("BYE")
	c.callee.send(got.via(), got.answer("200 OK", ""))
	c.caller.receive("SIP/2.0 200")
}
