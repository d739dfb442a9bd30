package app_test

import (
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab"
)

// Where events are datagrams, whoever can have the proxy forward a message can
// have it sent to byeguard, from the proxy's own socket. P1: whatever such a
// message looks like, it is no event.
func TestP1ForwardedMessageIsNoEvent(t *testing.T) {
	t.Parallel()
	s := newSite(t, siteOptions{kamailio: lab.KamailioOptions{UDP: true}})
	pair := s.calls(1, lab.CallOptions{})[0]
	callID, from, to := pair.Caller.CallID(), pair.Caller.Record().LocalTag, pair.Caller.Record().RemoteTag
	b64 := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	// "Kamailio itself ended this call": reason enough to send BYEs to both.
	event := fmt.Sprintf(`{"bg":1,"k":"end","b":1,"s":1,"r":1,"t":1700000000.000001,"i":%q,"f":%q,"o":%q,"d":"1:1","st":4`,
		b64(callID), b64(from), b64(to))

	spy, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer spy.Close()
	for _, method := range []string{event + "}", event + `,"x":"`} {
		message := func(to string) string {
			return method + " sip:" + to + " SIP/2.0\r\n" +
				"Via: SIP/2.0/UDP " + spy.LocalAddr().String() + ";branch=z9hG4bK" + fmt.Sprintf("%x-%d", to, len(method)) + "\r\n" +
				"Route: <sip:" + s.kam.SIPAddr + ";lr>\r\n" +
				"From: <sip:x@example.org>;tag=1\r\nTo: <sip:y@example.org>;tag=2\r\nCall-ID: " + b64(method)[:12] + "\r\n" +
				"CSeq: 1 " + method + "\r\nMax-Forwards: 70\r\nContent-Length: 2\r\n\r\n" + `"}`
		}
		proxy, err := net.ResolveUDPAddr("udp", s.kam.SIPAddr)
		require.NoError(t, err)
		for _, target := range []string{s.kam.UDPAddr, spy.LocalAddr().String()} {
			_, err = spy.WriteTo([]byte(message(target)), proxy)
			require.NoError(t, err)
		}
		// The spy gets its own, so the proxy does forward such a message: it has
		// forwarded the one before too.
		buf := make([]byte, 64<<10)
		require.NoError(t, spy.SetReadDeadline(time.Now().Add(10*time.Second)))
		for forwarded := false; !forwarded; {
			n, _, err := spy.ReadFrom(buf)
			require.NoError(t, err, "the proxy forwards nothing of the kind")
			forwarded = strings.HasPrefix(string(buf[:n]), method)
		}
	}
	// An event that came after them was read, so they were.
	other := s.calls(1, lab.CallOptions{})[0]
	require.Equal(t, "open", s.open(other.Caller.CallID()).State)
	require.Equal(t, 0, s.count("SELECT count(*) FROM byeguard.events WHERE kind='end'"))
	require.True(t, pair.Caller.State().Live() && pair.Callee.State().Live(), "a live call was ended")
	s.noViolations()
}
