package chaos_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab"
	"github.com/byeguard/byeguard/pkg/lab/chaos"
)

// TestWorkersThatWaitAreSeen: the judge's witness sees a proxy that evapi holds up,
// and none in one that is idle. The proxy is frozen by a client that does not read,
// and relays past byeguard's gate.
func TestWorkersThatWaitAreSeen(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED HERE: looking at Kamailio's workers needs root on many machines")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	kam := lab.MustKamailio(t, lab.KamailioOptions{})
	waiting, err := chaos.Waiting(ctx, kam)
	require.NoError(t, err)
	require.Eventually(t, func() bool { // idle, once its start is over
		held, ok := waiting()
		return ok && !held
	}, 10*time.Second, 10*time.Millisecond)

	deaf, err := net.Dial("tcp", kam.EvapiAddr)
	require.NoError(t, err)
	defer deaf.Close()
	sip, err := net.Dial("udp", kam.SIPAddr)
	require.NoError(t, err)
	defer sip.Close()
	pad := strings.Repeat("x", 1400)
	sent := 0
	require.Eventually(t, func() bool {
		sent++
		_, err := fmt.Fprintf(sip, "OPTIONS sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKw%d\r\nMax-Forwards: 70\r\n"+
			"From: <sip:w@127.0.0.1>;tag=%d\r\nTo: <sip:w@127.0.0.1>\r\nCall-ID: w%d\r\nCSeq: 1 OPTIONS\r\n"+
			"X-Lab-Events: 200\r\nX-Lab-Kind: ungated\r\nX-Lab-Pad: %s\r\nContent-Length: 0\r\n\r\n", kam.SIPAddr, sent, sent, sent, pad)
		require.NoError(t, err)
		_, err = lab.Ping(ctx, kam.SIPAddr, 500*time.Millisecond)
		return err != nil
	}, 30*time.Second, 5*time.Millisecond, "the proxy does not freeze")
	held, ok := waiting()
	require.True(t, ok)
	require.True(t, held, "the proxy is frozen, and nobody sees it")
}
