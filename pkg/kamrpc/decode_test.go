package kamrpc_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/kamrpc"
)

func TestDecodeUptime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 29, 3, 10, 7, 0, time.UTC)
	const up = 4000
	for _, zone := range []time.Duration{0, 2 * time.Hour, -9*time.Hour - 30*time.Minute, 5*time.Hour + 45*time.Minute, 14 * time.Hour, -12 * time.Hour} {
		for _, skew := range []time.Duration{0, 7 * time.Minute, -7 * time.Minute, time.Second} {
			answer := fmt.Sprintf(`{"now":%q,"up_since":"x","uptime":%d}`, now.Add(zone).Format(time.ANSIC), up)
			got, err := kamrpc.DecodeUptime([]byte(answer), now.Add(skew).Unix())
			require.NoError(t, err)
			require.Equal(t, kamrpc.Uptime{Boot: now.Unix() - up, Up: up * time.Second}, got, "%v %v", zone, skew)
		}
	}
	for _, answer := range []string{`{}`, `[]`, `{"now":"x","uptime":1}`, `{"now":"Sun Mar 29 03:10:07 2026"}`,
		`{"now":"Sun Mar 29 03:10:07 2026","uptime":"1"}`, `{"now":"Tue Mar 31 03:10:07 2026","uptime":1}`} {
		_, err := kamrpc.DecodeUptime([]byte(answer), now.Unix())
		require.ErrorIs(t, err, kamrpc.ErrBadResponse, answer)
	}
}

func TestSelfRouting(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"kamailio 5.6.3 (x86_64/linux)": false, "kamailio 6.0.1 (x86_64/linux)": false, "": false, "kamailio": false,
		"kamailio 6.1.4 (x86_64/linux) 8ba646": true, "kamailio 6.2.0-dev1 (x)": true, "kamailio 7.0.0": true,
	} {
		require.Equal(t, want, kamrpc.SelfRouting(version), version)
	}
}

// FuzzDecode: no answer can make the decoders panic, and a result is only taken
// from an answer that has our id in it.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"jsonrpc":"2.0","result":[200,"OK","","",""],"id":"me"}`))
	f.Add([]byte(`{"error":{"code":404,"message":"Not found"},"id":"me"}`))
	f.Add([]byte(`{"result":[{"h_entry":1,"h_id":-2,"state":4,"call-id":"\u0001` + "\xff" + `","caller":{"tag":"a"},"callee":{"tag":null}}],"id":"me"}`))
	f.Add([]byte(`{"result":{"now":"Sun Mar 29 03:10:07 2026","uptime":5},"id":"me"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		result, err := kamrpc.DecodeResponse(body, "x", "me")
		if err != nil {
			return
		}
		if !bytes.Contains(body, []byte(`"me"`)) {
			t.Fatalf("took %q for ours", body)
		}
		if reply, err := kamrpc.DecodeReply(result); err == nil && (reply.Code < 200 || reply.Code > 699) {
			t.Fatalf("code %d", reply.Code)
		}
		_, _ = kamrpc.DecodeDialogs(result)
		_, _ = kamrpc.DecodeUptime(result, 1)
	})
}
