package indialog_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/indialog"
)

func TestReaches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		target, routes, source, hop string
		want                        bool
	}{
		{target: "sip:bob@192.0.2.2:5070", source: "192.0.2.2:5070", want: true},
		{target: "<sip:bob@192.0.2.2>", source: "192.0.2.2:5060", want: true},
		{target: "sip:bob@192.0.2.2:5070", source: "192.0.2.2:5071"}, // a neighbour behind the same NAT
		{target: "sip:bob@192.0.2.2:5070", source: "192.0.2.3:5070"},
		{target: "sip:bob@192.0.2.2:5060;transport=tcp", source: "192.0.2.2:40312", want: true},
		{target: "sip:bob@192.0.2.2;transport=TCP", source: "192.0.2.3:5060"},
		{target: "sip:bob@10.0.0.7:5060;alias=192.0.2.2~5070~1", source: "192.0.2.2:5070", want: true},
		{target: "sip:bob@10.0.0.7:5060;alias=192.0.2.2~5070~1", source: "10.0.0.7:5060"},
		{target: "sip:bob@10.0.0.7:5060", source: "192.0.2.2:5070"}, // an address of somebody's own network
		{target: "sip:bob@10.0.0.7:5060", source: "192.0.2.2:5070", hop: "192.0.2.2:5070", want: true},
		{target: "sip:bob@host.example:5060", source: "192.0.2.2:5060"},
		{target: "sip:192.0.2.2@10.0.0.7:5060", source: "192.0.2.2:5060"},
		{target: "sip:bob@192.0.2.2:5070", source: "192.0.2.2:5070", routes: "<sip:192.0.2.2:5070;lr>"},
		{target: "sip:bob@[2001:db8::2]:5070", source: "[2001:db8:0:0:0:0:0:2]:5070", want: true},
		{target: "sip:bob@[2001:db8::2]:5070", source: "[2001:db8::3]:5070"},
		{target: "sip:bob@192.0.2.2:5070", source: ""},
		{target: "", source: "192.0.2.2:5070"},
	} {
		d := indialog.Dialog{
			Method: "OPTIONS", CallID: "c", FromURI: "sip:a@a.example", FromTag: "A", ToURI: "sip:b@b.example", ToTag: "B",
			Target: c.target, RouteSet: c.routes, Socket: "udp:192.0.2.9:5060", Source: c.hop,
		}
		require.Equal(t, c.want, indialog.Reaches(d, c.source), "%+v", c)
	}
}
