package kamailiocfg_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The lab's behaviours do what testdata/lab.cfg says of them.

func TestLabForcedRace(t *testing.T) {
	t.Parallel()
	p := startProxy(t, "-A", "LAB")
	p.noisy = true // the fault's own log line
	r, _ := hello(t, p)
	c := newTalk(p)
	c.establish()
	r.collect("start", "confirm")
	_, err := p.call("htable.sets", "lab_race", c.callID, c.fromTag+" "+c.toTag)
	require.NoError(t, err)
	bye := c.caller.receive("BYE")
	c.caller.send(bye.via(), bye.answer("200 OK", ""))
	var out []event
	for replied := false; !replied; {
		switch e := r.next(); e.kind() {
		case "bye_out":
			out = append(out, e)
		case "bye_reply":
			replied = true
		}
	}
	require.Len(t, out, 1)
	require.Equal(t, c.fromTag, out[0].text("o"), "the caller got its BYE")
	c.callee.conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond)) // six times the pause
	n, err := c.callee.conn.Read(make([]byte, 2000))
	require.Error(t, err, "the callee gets none: %d bytes", n)
}

func TestLabSpiral(t *testing.T) {
	t.Parallel()
	p := startProxy(t, "-A", "LAB", "-A", "LAB_SPIRAL")
	r, _ := hello(t, p)
	c := newTalk(p)
	inv := c.invite("spiral")
	require.Len(t, inv.headers("Via"), 3, "it passed the proxy twice")
	c.callee.send(inv.via(), inv.answer("200 OK", c.toTag, "Contact: <sip:bob@"+c.callee.addr()+">"))
	c.caller.receive("SIP/2.0 200")
	// On its way back the 200 may look like a target refresh or a second answer,
	// because there is a dialog with its tags already, before it starts the outer one.
	var starts []event
	for len(starts) < 2 {
		e := r.next()
		require.Contains(t, []string{"start", "target", "answer"}, e.kind())
		if e.kind() == "start" {
			starts = append(starts, e)
		}
	}
	first, second := starts[0], starts[1]
	require.NotEqual(t, first["d"], second["d"])
	require.Equal(t, first.text("i"), second.text("i"))
	require.ElementsMatch(t, []string{c.caller.addr(), p.sip}, []string{first.text("a"), second.text("a")}, "each with its own INVITE's source")
}

func TestLabTimeouts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		define string
		byes   int
	}{"silent": {"LAB_TIMEOUT=1", 0}, "with BYEs": {"LAB_TIMEOUT_BYE=1", 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startProxy(t, "-A", "LAB", "-A", c.define)
			p.noisy = true // "dlg timeout"
			r, _ := hello(t, p)
			k := newTalk(p)
			k.establish()
			r.collect("start", "confirm")
			end, byes := event(nil), 0
			for end == nil || byes < c.byes {
				switch e := r.next(); e.kind() {
				case "end":
					end = e
				case "bye_out":
					byes++
				}
			}
			require.Equal(t, c.byes, byes)
			require.Equal(t, k.callID, end.text("i"))
			require.Equal(t, k.fromTag, end.text("f"))
			require.Equal(t, k.toTag, end.text("o"))
			t.Log("st", end["st"])
		})
	}
}

func TestIPv6Source(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	p := startProxy(t, "-A", fmt.Sprintf("LISTEN_UDP6=udp:[::1]:%d", port), "-A", fmt.Sprintf("LISTEN_TCP6=tcp:[::1]:%d", port))
	r, _ := hello(t, p)
	conn, err := net.Dial("udp", fmt.Sprintf("[::1]:%d", port))
	require.NoError(t, err)
	defer conn.Close()
	c := newTalk(p)
	_, err = conn.Write([]byte(strings.Replace(c.request("BYE", fmt.Sprintf("sip:bob@[::1]:%d", port), "x"), c.caller.addr(), conn.LocalAddr().String(), 1)))
	require.NoError(t, err)
	got := r.collect("bye_in", "bye_refused")["bye_in"]
	require.Equal(t, conn.LocalAddr().String(), got.text("a"))
	require.Equal(t, fmt.Sprintf("udp:[::1]:%d", port), strings.ToLower(got.text("l")))
}
