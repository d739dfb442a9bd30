package indialog_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/indialog"
)

// bye is a complete dialog; tests change what they are about.
func bye() indialog.Dialog {
	return indialog.Dialog{
		Method: "BYE", CallID: "c@h", CSeq: 102,
		FromURI: "sip:alice@a.example", FromTag: "at",
		ToURI: "sip:bob@b.example", ToTag: "bt",
		Target: "sip:bob@192.0.2.7:5070", Socket: "udp:192.0.2.1:5060", Marker: "m-1",
	}
}

const plainHeaders = "From: <sip:alice@a.example>;tag=at\r\n" +
	"To: <sip:bob@b.example>;tag=bt\r\n" +
	"Call-ID: c@h\r\nCSeq: 102 BYE\r\n"

func TestBuildHeaders(t *testing.T) {
	t.Parallel()
	r, err := indialog.Build(bye())
	require.NoError(t, err)
	require.Equal(t, indialog.Request{
		Method: "BYE", RequestURI: "sip:bob@192.0.2.7:5070", NextHop: ".",
		Socket: "udp:192.0.2.1:5060", CSeq: 102,
		Headers: plainHeaders + "X-Byeguard: m-1\r\n",
	}, r)

	d := bye()
	d.Socket, d.Marker, d.Method = "", "", "OPTIONS"
	r, err = indialog.Build(d)
	require.NoError(t, err)
	require.Equal(t, ".", r.Socket)
	require.Equal(t, strings.Replace(plainHeaders, "BYE", "OPTIONS", 1), r.Headers)
}

func TestBuildTarget(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, target, ruri, hop string }{
		{"bare", "sip:bob@h", "sip:bob@h", "."},
		{"parameters kept in order", "sip:bob@h;ob;transport=TCP;x=%41;;y", "sip:bob@h;ob;transport=TCP;x=%41;;y", "."},
		{"trailing semicolon kept", "sip:bob@h;", "sip:bob@h;", "."},
		{"enclosed", "<sip:bob@h;transport=tcp>;expires=60", "sip:bob@h;transport=tcp", "."},
		{"display name with comma, brackets, quotes", `"B, <sip:x@y> \"q\\\" z" <sip:bob@h>;q=1`, "sip:bob@h", "."},
		{"token display name", "Bob Smith <sip:bob@h>", "sip:bob@h", "."},
		{"several contacts", "<sip:bob@h>, <sip:eve@h>", "sip:bob@h", "."},
		{"several bare contacts", "sip:bob@h, sip:eve@h", "sip:bob@h", "."},
		{"bare with contact parameters", `sip:bob@h;transport=tcp;expires=60;+sip.x=1;q=0.5`, "sip:bob@h;transport=tcp", "."},
		{"comma, semicolon, question mark in user", "sip:a,b;c?d@h;e", "sip:a,b;c?d@h;e", "."},
		{"escapes kept", "sip:%61b%00%0d%0A@h", "sip:%61b%00%0d%0A@h", "."},
		{"odd bytes kept", "sip:o'b\\{}|^`!~$&+=/é\xff@h", "sip:o'b\\{}|^`!~$&+=/é\xff@h", "."},
		{"password", "sip:bob:p:w@h:5061", "sip:bob:p:w@h:5061", "."},
		{"no user", "<sip:h:5061>", "sip:h:5061", "."},
		{"sips", "sips:bob@h", "sips:bob@h", "."},
		{"scheme case kept", "SIP:bob@H", "SIP:bob@H", "."},
		{"ipv6", "sip:bob@[2001:db8::1]:5062;transport=tcp", "sip:bob@[2001:db8::1]:5062;transport=tcp", "."},
		{"ipv6 no port", "<sip:[::1]>", "sip:[::1]", "."},
		{"headers and method go", "<sip:bob@h;method=REFER;a=b?X=y&Z=w>", "sip:bob@h;a=b", "."},
		{"headers after lone parameter", "<sip:bob@h;lr?X=y>", "sip:bob@h;lr", "."},
		{"dead websocket", "sip:x@abc.invalid;transport=ws", "sip:x@abc.invalid;transport=ws", "."},
		{"alias udp", "sip:x@10.0.0.1;alias=192.0.2.9~5070~1", "sip:x@10.0.0.1", "sip:192.0.2.9:5070"},
		{"alias tcp, not last", "sip:x@10.0.0.1;alias=192.0.2.9~5070~2;ob", "sip:x@10.0.0.1;ob", "sip:192.0.2.9:5070;transport=tcp"},
		{"alias tls", "<sip:x@h;a=1;alias=192.0.2.9~5070~3>;expires=1", "sip:x@h;a=1", "sip:192.0.2.9:5070;transport=tls"},
		{"alias sctp", "sip:x@h;alias=192.0.2.9~5070~4", "sip:x@h", "sip:192.0.2.9:5070;transport=sctp"},
		{"alias ws", "sip:x@h.invalid;alias=192.0.2.9~5070~5", "sip:x@h.invalid", "sip:192.0.2.9:5070;transport=ws"},
		{"alias wss is ws for Kamailio", "sip:x@h.invalid;alias=192.0.2.9~5070~6", "sip:x@h.invalid", "sip:192.0.2.9:5070;transport=ws"},
		{"alias ipv6", "sip:x@h;alias=[2001:db8::9]~5070~1", "sip:x@h", "sip:[2001:db8::9]:5070"},
		{"alias ipv6 without brackets", "sip:x@h;alias=2001:db8::9~5070~2", "sip:x@h", "sip:[2001:db8::9]:5070;transport=tcp"},
		{"last alias wins", "sip:x@h;alias=192.0.2.1~1~1;alias=192.0.2.2~2~1", "sip:x@h;alias=192.0.2.1~1~1", "sip:192.0.2.2:2"},
		{"alias in user part is none", "sip:x;alias=192.0.2.1~1~1@h", "sip:x;alias=192.0.2.1~1~1@h", "."},
		{"alias in headers is none", "<sip:x@h?a=b;alias=192.0.2.1~1~1>", "sip:x@h", "."},
		{"alias with name", "sip:x@h;alias=evil.example~1~1", "sip:x@h;alias=evil.example~1~1", "."},
		{"alias with bad port", "sip:x@h;alias=192.0.2.1~70000~1", "sip:x@h;alias=192.0.2.1~70000~1", "."},
		{"alias with port 0", "sip:x@h;alias=192.0.2.1~0~1", "sip:x@h;alias=192.0.2.1~0~1", "."},
		{"alias with bad protocol", "sip:x@h;alias=192.0.2.1~1~9", "sip:x@h;alias=192.0.2.1~1~9", "."},
		{"alias cut short", "sip:x@h;alias=192.0.2.1~1", "sip:x@h;alias=192.0.2.1~1", "."},
		{"received is not Kamailio's in a dialog", "sip:x@h;received=192.0.2.1", "sip:x@h;received=192.0.2.1", "."},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := bye()
			d.Target = c.target
			r, err := indialog.Build(d)
			require.NoError(t, err)
			require.Equal(t, c.ruri, r.RequestURI)
			require.Equal(t, c.hop, r.NextHop)
		})
	}
}

func TestBuildRouteSet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, routes, ruri, hop string
		want                    []string
	}{
		{"loose", "<sip:p1;lr>, <sip:p2;lr>", "sip:bob@h;x", "sip:p1;lr", []string{"<sip:p1;lr>", "<sip:p2;lr>"}},
		{"loose, no blanks", "<sip:p1;lr>,<sip:p2;lr=on;ftag=a;did=b.1>", "sip:bob@h;x", "sip:p1;lr", []string{"<sip:p1;lr>", "<sip:p2;lr=on;ftag=a;did=b.1>"}},
		{"transport, port, sips", "<sips:u@p1:5062;transport=tcp;LR;maddr=192.0.2.3>", "sip:bob@h;x", "sips:u@p1:5062;transport=tcp;LR;maddr=192.0.2.3", []string{"<sips:u@p1:5062;transport=tcp;LR;maddr=192.0.2.3>"}},
		{"ipv6", "<sip:[2001:db8::5]:5062;lr>", "sip:bob@h;x", "sip:[2001:db8::5]:5062;lr", []string{"<sip:[2001:db8::5]:5062;lr>"}},
		{"display name with comma", `"a, <b>" <sip:p1;lr>;x=1 , P2 <sip:p2;lr>`, "sip:bob@h;x", "sip:p1;lr", []string{"<sip:p1;lr>;x=1", "<sip:p2;lr>"}},
		{"comma in user", "<sip:a,b@p1;lr>,<sip:p2;lr>", "sip:bob@h;x", "sip:a,b@p1;lr", []string{"<sip:a,b@p1;lr>", "<sip:p2;lr>"}},
		{"empty values", ", <sip:p1;lr>,\t,", "sip:bob@h;x", "sip:p1;lr", []string{"<sip:p1;lr>"}},
		{"exclamation marks", "<sip:a!!b@p1;lr;x=!>;y=!", "sip:bob@h;x", "sip:a!!b@p1;lr;x=!", []string{"<sip:a%21%21b@p1;lr;x=%21>"}},
		{"without brackets", "sip:p1;lr", "sip:bob@h;x", "sip:p1;lr", []string{"<sip:p1;lr>"}},
		{"strict alone", "<sip:p1>", "sip:p1", "sip:p1", []string{"<sip:bob@h;x>"}},
		{"strict first", "<sip:p1;a=b;method=X?h=v>, <sip:p2;lr>", "sip:p1;a=b", "sip:p1;a=b;method=X", []string{"<sip:p2;lr>", "<sip:bob@h;x>"}},
		{"strict later", "<sip:p1;lr>, <sip:p2>", "sip:bob@h;x", "sip:p1;lr", []string{"<sip:p1;lr>", "<sip:p2>"}},
		{"strict, lr as part of a name", "<sip:lr@p1;lrx;x=lr>", "sip:lr@p1;lrx;x=lr", "sip:lr@p1;lrx;x=lr", []string{"<sip:bob@h;x>"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := bye()
			d.Target, d.RouteSet, d.Marker = `<sip:bob@h;x>`, c.routes, ""
			r, err := indialog.Build(d)
			require.NoError(t, err)
			require.Equal(t, c.ruri, r.RequestURI)
			require.Equal(t, c.hop, r.NextHop)
			require.Equal(t, plainHeaders+"Route: "+strings.Join(c.want, ", ")+"\r\n", r.Headers)
			if !strings.HasPrefix(c.name, "strict") || c.name == "strict later" {
				require.Nil(t, r.SelfRouting)
			}
		})
	}
}

// Kamailio from 6.1 on is given target and route set, and swaps them itself.
func TestBuildStrictForSelfRouting(t *testing.T) {
	t.Parallel()
	d := bye()
	d.Target, d.RouteSet, d.Marker = "sip:bob@h;x", "<sip:p1;a=b>, <sip:p2;lr>", ""
	r, err := indialog.Build(d)
	require.NoError(t, err)
	require.Equal(t, &indialog.Request{
		Method: "BYE", RequestURI: "sip:bob@h;x", NextHop: "sip:p1;a=b", Socket: "udp:192.0.2.1:5060", CSeq: 102,
		Headers: plainHeaders + "Route: <sip:p1;a=b>, <sip:p2;lr>\r\n",
	}, r.SelfRouting)
	require.Equal(t, plainHeaders+"Route: <sip:p2;lr>, <sip:bob@h;x>\r\n", r.Headers)
}

// With a route set an alias is somebody else's: the last proxy's, which will
// use it.
func TestBuildKeepsAliasBehindRoutes(t *testing.T) {
	t.Parallel()
	d := bye()
	d.Target, d.RouteSet = "sip:x@h;alias=192.0.2.1~1~1", "<sip:p1;lr>"
	r, err := indialog.Build(d)
	require.NoError(t, err)
	require.Equal(t, d.Target, r.RequestURI)
	require.Equal(t, "sip:p1;lr", r.NextHop)
}

func TestBuildRefuses(t *testing.T) {
	t.Parallel()
	type dialog = indialog.Dialog
	for _, c := range []struct {
		name, field string
		why         error
		set         func(*dialog)
	}{
		{"call-id CR LF", "CallID", indialog.ErrControl, func(d *dialog) { d.CallID = "a\r\nX: y" }},
		{"call-id NUL", "CallID", indialog.ErrControl, func(d *dialog) { d.CallID = "a\x00" }},
		{"call-id empty", "CallID", indialog.ErrEmpty, func(d *dialog) { d.CallID = "" }},
		{"call-id blank", "CallID", indialog.ErrSyntax, func(d *dialog) { d.CallID = "a " }},
		{"from tag empty", "FromTag", indialog.ErrEmpty, func(d *dialog) { d.FromTag = "" }},
		{"from tag ends", "FromTag", indialog.ErrSyntax, func(d *dialog) { d.FromTag = "a;tag=b" }},
		{"to tag bracket", "ToTag", indialog.ErrSyntax, func(d *dialog) { d.ToTag = "a>b" }},
		{"to tag LF", "ToTag", indialog.ErrControl, func(d *dialog) { d.ToTag = "a\nb" }},
		{"from uri bracket", "FromURI", indialog.ErrSyntax, func(d *dialog) { d.FromURI = "sip:a@h>;tag=x" }},
		{"from uri no scheme", "FromURI", indialog.ErrSyntax, func(d *dialog) { d.FromURI = "anonymous" }},
		{"to uri DEL", "ToURI", indialog.ErrControl, func(d *dialog) { d.ToURI = "sip:a\x7f@h" }},
		{"to uri long", "ToURI", indialog.ErrRange, func(d *dialog) { d.ToURI = "sip:" + strings.Repeat("a", 3000) }},
		{"target CR", "Target", indialog.ErrControl, func(d *dialog) { d.Target = "sip:a@h\rb" }},
		{"target CR in display name", "Target", indialog.ErrControl, func(d *dialog) { d.Target = "\"\r\n\" <sip:a@h>" }},
		{"target star", "Target", indialog.ErrScheme, func(d *dialog) { d.Target = "*" }},
		{"target tel", "Target", indialog.ErrScheme, func(d *dialog) { d.Target = "tel:+1" }},
		{"target empty", "Target", indialog.ErrEmpty, func(d *dialog) { d.Target = " " }},
		{"target empty brackets", "Target", indialog.ErrEmpty, func(d *dialog) { d.Target = "<>" }},
		{"target blank", "Target", indialog.ErrSyntax, func(d *dialog) { d.Target = "<sip:a@h SIP/2.0>" }},
		{"target two @", "Target", indialog.ErrSyntax, func(d *dialog) { d.Target = "sip:a@b@c" }},
		{"target no host", "Target", indialog.ErrSyntax, func(d *dialog) { d.Target = "sip:a@" }},
		{"target port", "Target", indialog.ErrSyntax, func(d *dialog) { d.Target = "sip:a@h:+60" }},
		{"target big port", "Target", indialog.ErrSyntax, func(d *dialog) { d.Target = "sip:a@h:65536" }},
		{"target after ipv6", "Target", indialog.ErrSyntax, func(d *dialog) { d.Target = "sip:a@[::1]x" }},
		{"target open quote", "Target", indialog.ErrSyntax, func(d *dialog) { d.Target = `"a <sip:a@h>` }},
		{"target open bracket", "Target", indialog.ErrSyntax, func(d *dialog) { d.Target = `<sip:a@h` }},
		{"routes LF", "RouteSet", indialog.ErrControl, func(d *dialog) { d.RouteSet = "<sip:p;lr>\n<sip:q;lr>" }},
		{"routes tel", "RouteSet", indialog.ErrScheme, func(d *dialog) { d.RouteSet = "<tel:1;lr>" }},
		{"routes open", "RouteSet", indialog.ErrSyntax, func(d *dialog) { d.RouteSet = "<sip:p;lr>, <sip:q" }},
		{"routes many", "RouteSet", indialog.ErrRange, func(d *dialog) { d.RouteSet = strings.Repeat("<sip:p;lr>,", 33) }},
		{"socket", "Socket", indialog.ErrSyntax, func(d *dialog) { d.Socket = "udp:h 1" }},
		{"marker", "Marker", indialog.ErrSyntax, func(d *dialog) { d.Marker = "a!b" }},
		{"method", "Method", indialog.ErrSyntax, func(d *dialog) { d.Method = "BYE sip:x" }},
		{"method ACK", "Method", indialog.ErrSyntax, func(d *dialog) { d.Method = "ACK" }},
		{"cseq 0", "CSeq", indialog.ErrRange, func(d *dialog) { d.CSeq = 0 }},
		{"cseq 2^31", "CSeq", indialog.ErrRange, func(d *dialog) { d.CSeq = 1 << 31 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := bye()
			c.set(&d)
			r, err := indialog.Build(d)
			require.ErrorIs(t, err, c.why)
			var field *indialog.FieldError
			require.ErrorAs(t, err, &field)
			require.Equal(t, c.field, field.Field)
			require.Zero(t, r)
			for i := 0; i < len(err.Error()); i++ {
				require.GreaterOrEqual(t, err.Error()[i], byte(0x20), "control byte in %q", err)
			}
		})
	}
}

func TestSourceNamesTheNextHopBehindNAT(t *testing.T) {
	t.Parallel()
	base := indialog.Dialog{
		Method: "BYE", CallID: "c", FromURI: "sip:a@a.example", FromTag: "A", ToURI: "sip:b@b.example", ToTag: "B",
		Target: "<sip:b@10.0.0.5:5060>", Socket: "udp:192.0.2.9:5060", CSeq: 7,
	}
	for _, c := range []struct{ name, source, socket, target, routes, want string }{
		{"udp", "198.51.100.7:1024", "udp:192.0.2.9:5060", base.Target, "", "sip:198.51.100.7:1024"},
		{"tcp", "198.51.100.7:1024", "tcp:192.0.2.9:5060", base.Target, "", "sip:198.51.100.7:1024;transport=tcp"},
		{"ipv6", "[2001:db8::7]:1024", "udp:[2001:db8::9]:5060", base.Target, "", "sip:[2001:db8::7]:1024"},
		{"none", "", "udp:192.0.2.9:5060", base.Target, "", indialog.None},
		{"rubbish", "198.51.100.7:1024\r\nX: y", "", base.Target, "", indialog.None},
		{"a route wins", "198.51.100.7:1024", "", base.Target, "<sip:192.0.2.50;lr>", "sip:192.0.2.50;lr"},
		{"an alias wins", "198.51.100.7:1024", "", "<sip:b@10.0.0.5;alias=203.0.113.4~5062~1>", "", "sip:203.0.113.4:5062"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := base
			d.Source, d.Socket, d.Target, d.RouteSet = c.source, c.socket, c.target, c.routes
			r, err := indialog.Build(d)
			require.NoError(t, err)
			require.Equal(t, c.want, r.NextHop)
		})
	}
}
