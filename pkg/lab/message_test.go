package lab_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/lab"
)

const invite = "INVITE sip:bob@127.0.0.1 SIP/2.0\r\n" +
	"v: SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/UDP b\r\n" +
	"Via: SIP/2.0/TCP c\r\n" +
	"Record-Route: <sip:p1;lr>,\r\n <sip:p2;x=\",\";lr>\r\n" +
	"f: \"A \\\" ;tag=no, <x>\" <sip:a@b;tag=inside>;tag=yes\r\n" +
	"t: <sip:bob@b>\r\ni: \xff'%s\"{}\r\nCSeq: 7  INVITE\r\nl: 4\r\n\r\nbodyrest"

func TestParseMessageKeepsEveryByte(t *testing.T) {
	t.Parallel()
	m, err := lab.ParseMessage([]byte(invite))
	require.NoError(t, err)
	require.Equal(t, "INVITE", m.Method)
	require.Equal(t, "sip:bob@127.0.0.1", m.URI)
	require.Equal(t, "\xff'%s\"{}", m.CallID())
	require.Equal(t, []string{"SIP/2.0/UDP a;branch=z9hG4bK1", "SIP/2.0/UDP b", "SIP/2.0/TCP c"}, m.List("Via"))
	require.Equal(t, []string{"<sip:p1;lr>", "<sip:p2;x=\",\";lr>"}, m.List("record-route"))
	require.Equal(t, `"A \" ;tag=no, <x>" <sip:a@b;tag=inside>;tag=yes`, m.Get("From"))
	n, method := m.CSeq()
	require.EqualValues(t, 7, n)
	require.Equal(t, "INVITE", method)
	require.Equal(t, "body", string(m.Body))
}

func TestParseMessageRefuses(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"empty":         "",
		"keep-alive":    "\r\n\r\n",
		"no end":        strings.TrimSuffix(invite, "\r\n\r\nbodyrest"),
		"no Call-ID":    strings.Replace(invite, "i: ", "x: ", 1),
		"other version": strings.Replace(invite, "SIP/2.0\r\n", "SIP/3.0\r\n", 1),
		"bad status":    strings.Replace(invite, "INVITE sip:bob@127.0.0.1 SIP/2.0", "SIP/2.0 99 Low", 1),
		"no colon":      strings.Replace(invite, "t: ", "t ", 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := lab.ParseMessage([]byte(raw))
			require.Error(t, err)
		})
	}
}

func FuzzParseMessage(f *testing.F) {
	f.Add([]byte(invite))
	f.Add([]byte("SIP/2.0 200 OK\r\nVia: x\r\nFrom: <a>;tag=1\r\nTo: \"\r\nCall-ID: i\r\nCSeq: 1 BYE\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := lab.ParseMessage(raw)
		if err != nil {
			return
		}
		// What was written again means the same.
		again, err := lab.ParseMessage(m.Bytes())
		if err != nil {
			t.Fatalf("write %q: %v", raw, err)
		}
		if again.String() != m.String() || again.Get("From") != m.Get("From") || again.CallID() != m.CallID() ||
			len(again.List("Via")) != len(m.List("Via")) {
			t.Fatalf("%q became %q", raw, m.Bytes())
		}
	})
}

func TestCPUTimeCountsDescendants(t *testing.T) {
	t.Parallel()
	k := lab.MustKamailio(t, lab.KamailioOptions{Plain: true})
	used, err := lab.CPUTime(k.Pid())
	require.NoError(t, err)
	require.Positive(t, used)
	_, err = lab.CPUTime(1 << 30)
	require.Error(t, err)
}
