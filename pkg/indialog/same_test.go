package indialog_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/indialog"
)

func TestSameTarget(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"sip:bob@h", "sip:bob@h", true},
		{"sip:bob@h", "<sip:bob@H>;expires=5", true},
		{"sip:bob@h", "SIP:bob@h.", true},
		{"sip:%62ob@h", "sip:bob@h", true},
		{"sip:b%3bob@h", "sip:b;ob@h", false},
		{"sip:b%3bob@h", "sip:b%3Bob@h", true},
		{"sip:Bob@h", "sip:bob@h", false},
		{"sip:bob@h", "sip:bob@i", false},
		{"sip:bob@h", "sips:bob@h", false},
		{"sip:bob@h", "sip:h", false},
		{"sip:bob@h:5060", "sip:bob@h", false}, // a name may have SRV records
		{"sip:bob@192.0.2.1:5060", "sip:bob@192.0.2.1", true},
		{"sip:bob@192.0.2.1:5070", "sip:bob@192.0.2.1", false},
		{"sip:bob@192.0.2.1;transport=udp", "sip:bob@192.0.2.1", true},
		{"sip:bob@192.0.2.1;transport=UDP", "sip:bob@192.0.2.1;transport=tcp", false},
		{"sip:bob@h;transport=udp", "sip:bob@h", false},
		{"sips:bob@192.0.2.1:5061", "sips:bob@192.0.2.1;transport=tcp", true},
		{"sip:bob@[2001:db8:0::1]", "sip:bob@[2001:DB8::1]:5060", true},
		{"sip:bob@192.0.2.1;alias=1.2.3.4~5~1", "sip:bob@192.0.2.1", true},
		{"sip:bob@192.0.2.1;alias=1.2.3.4~5~1", "sip:bob@192.0.2.1;alias=1.2.3.4~6~1", true},
		{"sip:bob@h;ob", "sip:bob@h", true},
		{"sip:bob@h;rinstance=a", "sip:bob@h;rinstance=b", false},
		{"sip:bob@h;maddr=1.2.3.4", "sip:bob@h", false},
		{"sip:bob@h", "sip:bob@h;user=phone", false},
		{"sip:bob@h?a=b", "sip:bob@h", false},
		{"", "", false},
		{"garbage", "garbage", true},
		{"garbage", "sip:bob@h", false},
		{"sip:bob@h", "garbage", false},
	} {
		require.Equal(t, c.same, indialog.SameTarget(c.a, c.b), "%q %q", c.a, c.b)
		require.Equal(t, c.same, indialog.SameTarget(c.b, c.a), "%q %q", c.b, c.a)
	}
}
