package evapi_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/evapi"
)

// sender is a proxy that sends datagrams.
type sender struct {
	t    *testing.T
	conn net.PacketConn
	to   net.Addr
}

// datagrams returns a sender and the options of a client that listens to it.
func datagrams(t *testing.T) (*sender, evapi.Options) {
	t.Helper()
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	to := free.LocalAddr()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, free.Close())
	o := quick("")
	o.Listen, o.From = to.String(), conn.LocalAddr().String()
	return &sender{t: t, conn: conn, to: to}, o
}

func (s *sender) send(bodies ...string) {
	s.t.Helper()
	for _, b := range bodies {
		_, err := s.conn.WriteTo([]byte(b), s.to)
		require.NoError(s.t, err)
	}
}

// sync sends syncs until the client knows the node.
func (s *sender) sync(r *recorder, frame string) evapi.Hello {
	s.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case h := <-r.hellos:
			return h
		case <-tick.C:
			s.send(frame)
		}
	}
}

func TestDatagrams(t *testing.T) {
	t.Parallel()
	p, o := datagrams(t)
	r := newRecorder()
	c := start(t, o, r)
	h := p.sync(r, syncFrame(41, 41))
	require.Equal(t, uint64(41), h.Seq)
	require.EqualValues(t, testBoot, h.Boot)

	p.send(event(42, 42), event(44, 44), event(43, 43))
	for _, want := range []uint64{42, 44, 43} {
		require.Equal(t, want, wait(t, r.events).Seq)
	}
	p.send("", event(46, 46)) // an empty datagram, and 45 was lost on its way
	require.Equal(t, uint64(46), wait(t, r.events).Seq)
	require.Equal(t, evapi.Gap{Boot: testBoot, From: 45, To: 45, Cause: evapi.CauseHole}, wait(t, r.gaps))
	p.send(syncFrame(48, 48)) // so were the last two
	require.Equal(t, evapi.Gap{Boot: testBoot, From: 47, To: 48, Cause: evapi.CauseHole}, wait(t, r.gaps))
	require.Zero(t, c.Stats().Acks, "nothing goes back")
}

// What does not come from the proxy's own socket is not read, and a SIP message
// that somebody has the proxy forward to byeguard is no event whatever it says.
func TestDatagramsOfStrangers(t *testing.T) {
	t.Parallel()
	p, o := datagrams(t)
	r := newRecorder()
	c := start(t, o, r)
	p.sync(r, syncFrame(0, 0))
	stranger := &sender{t: t, to: p.to}
	var err error
	stranger.conn, err = net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer stranger.conn.Close()
	stranger.send(event(1, 1))

	forged := strings.TrimSuffix(event(1, 1), "}")
	sip := " sip:127.0.0.1:1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1\r\n\r\n"
	before := c.Stats().Foreign
	p.send(event(1, 1)+sip, forged+`,"x":"`+sip+`"}`, "OPTIONS"+sip)
	p.send(event(2, 2))
	require.Equal(t, uint64(2), wait(t, r.events).Seq)
	require.Equal(t, before+3, c.Stats().Foreign)
}

func TestDatagramsOfAnotherStart(t *testing.T) {
	t.Parallel()
	p, o := datagrams(t)
	r := newRecorder()
	start(t, o, r)
	p.sync(r, syncFrame(10, 10))
	again := strings.Replace(syncFrame(2, 2), `"b":1700000000`, `"b":1700000500`, 1)
	p.send(again)
	require.ErrorIs(t, wait(t, r.errs), evapi.ErrBoot)
	h := p.sync(r, again)
	require.True(t, h.Restarted)
	require.Equal(t, evapi.CauseRestart, wait(t, r.gaps).Cause)
}

func TestDatagramsCease(t *testing.T) {
	t.Parallel()
	p, o := datagrams(t)
	o.DeadAfter = 100 * time.Millisecond
	r := newRecorder()
	start(t, o, r)
	require.ErrorIs(t, wait(t, r.errs), evapi.ErrSilent)
	p.sync(r, syncFrame(1, 1))
	for err := wait(t, r.errs); ; err = wait(t, r.errs) {
		if !strings.Contains(err.Error(), evapi.ErrSilent.Error()) { // one may have been under way
			require.ErrorIs(t, err, evapi.ErrDead)
			break
		}
	}
	p.sync(r, syncFrame(3, 3)) // while nobody listened, 2 and 3 passed
	require.Equal(t, evapi.Gap{Boot: testBoot, From: 2, To: 3, Cause: evapi.CauseReconnect}, wait(t, r.gaps))
}

func TestDatagramOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]evapi.Options{
		"a name":      {Listen: "localhost:1", From: "127.0.0.1:2"},
		"no source":   {Listen: "127.0.0.1:1"},
		"bad source":  {Listen: "127.0.0.1:1", From: "127.0.0.1"},
		"bad address": {Listen: "127.0.0.1", From: "127.0.0.1:2"},
	} {
		o.Node = testNode
		_, err := evapi.New(o)
		require.ErrorContains(t, err, "want ip:port", name)
	}
}
