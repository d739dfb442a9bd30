package kamrpc_test

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/indialog"
	"github.com/byeguard/byeguard/pkg/kamrpc"
)

func TestKamailioInfo(t *testing.T) {
	t.Parallel()
	before := time.Now().Unix()
	p := startKamailio(t)

	version, err := p.rpc.Version(t.Context())
	require.NoError(t, err)
	require.Contains(t, version, "kamailio")
	require.NoError(t, p.rpc.Check(t.Context()))

	up, err := p.rpc.Uptime(t.Context())
	require.NoError(t, err)
	require.GreaterOrEqual(t, up.Boot, before)
	require.LessOrEqual(t, up.Boot, time.Now().Unix())
	t.Logf("%s, started %d", version, up.Boot)
}

// hostile is a set of texts that a phone may really send, or not so really.
// Kamailio's own parser refuses a backslash in a tag or URI, and square brackets
// in a user part, so a call with them does not come to be.
var hostile = []struct{ name, callID, tag, uri string }{
	{"plain", "a84b4c76e66710@pc33.example", "1928301774", "sip:alice@atlanta.example"},
	{"quotes", `'"\"<>%&{}()|^` + "`@h", `a'b%c{d}e|f^g` + "`~!!", `sip:o'b{}%25|^~!!$&+=/@h`},
	{"commas", "a,b,c", "a,b", "sip:a,b;c?d@h;x=1,2"},
	{"utf-8", "é漢字😀@h", "é漢😀", "sip:é漢😀@h"},
	{"not utf-8", "\xff\xfe\x80\xc3(@h", "\xff\x80\xc3", "sip:\xff\xc3\xa9\x80@h"},
	{"json", `\u0041\n","id":"x"}]`, `u0041`, `sip:u0041n}@h`},
	{"long", strings.Repeat("c", 180), strings.Repeat("t", 180), "sip:" + strings.Repeat("u", 180) + "@h"},
	{"blank", "a b@h", "t", "tel:+15551234;phone-context=+1"},
}

func TestKamailioUACWaitBytes(t *testing.T) {
	t.Parallel()
	p := startKamailio(t)
	for _, c := range hostile {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			callee := newPhone(t)
			user := "b"
			if u, _, ok := strings.Cut(c.uri, "@"); ok {
				user = strings.TrimPrefix(u, "sip:")
			}
			r, err := indialog.Build(indialog.Dialog{
				Method: "BYE", CallID: c.callID, FromURI: c.uri, FromTag: c.tag, ToURI: c.uri, ToTag: c.tag,
				Target:   "<sip:" + user + "@" + callee.hostport() + ";x=1>;expires=3",
				RouteSet: `"P, <1>" <sip:` + callee.hostport() + `;lr;a=!>, <sip:a!!b!@192.0.2.1;lr>`,
				Socket:   "udp:" + p.addr.String(), CSeq: 1<<31 - 1, Marker: "m-1",
			})
			require.NoError(t, err)

			done := uacWait(t, p, r, callee)
			m := callee.read("BYE")
			callee.answer(p.addr, m, "481 Gone \"\\ \xff", "")
			o := <-done
			require.NoError(t, o.err)
			require.Equal(t, indialog.Reply{Code: 481, Reason: "Gone \"\\ \xff"}, o.reply)

			line, _, _ := strings.Cut(m, "\r\n")
			require.Equal(t, "BYE sip:"+user+"@"+callee.hostport()+";x=1 SIP/2.0", line)
			require.Equal(t, []string{c.callID}, header(m, "Call-ID"))
			require.Equal(t, []string{"<" + c.uri + ">;tag=" + c.tag}, header(m, "To"))
			require.Equal(t, []string{"2147483647 BYE"}, header(m, "CSeq"))
			require.Equal(t, []string{"<sip:" + callee.hostport() + ";lr;a=%21>, <sip:a%21%21b%21@192.0.2.1;lr>"}, header(m, "Route"))
			require.Equal(t, []string{"m-1"}, header(m, "X-Byeguard"))
			require.Equal(t, []string{"70"}, header(m, "Max-Forwards"))
			// 5.6 adds a second tag, which the routes of kamailio-cfg take away.
			from := header(m, "From")
			require.Len(t, from, 1)
			rest, ok := strings.CutPrefix(from[0], "<"+c.uri+">;tag="+c.tag)
			require.True(t, ok, "%q", from[0])
			require.NotContains(t, strings.TrimPrefix(rest, ";tag="), "tag")
		})
	}
}

type outcome struct {
	reply indialog.Reply
	err   error
}

// uacWait runs UACWait beside the test. If it fails, the phone stops waiting.
func uacWait(t *testing.T, p *proxy, r indialog.Request, to *phone) <-chan outcome {
	t.Helper()
	done := make(chan outcome, 1)
	go func() {
		reply, err := p.rpc.UACWait(t.Context(), r)
		done <- outcome{reply, err}
		if err != nil {
			to.conn.Close()
		}
	}()
	return done
}

// Before 6.1 a lone "!" in a header makes tm.t_uac_wait lose bytes of it, CR LF
// first: the reason for writing %21 in Route.
func TestKamailioExclamationMark(t *testing.T) {
	t.Parallel()
	p := startKamailio(t)
	callee := newPhone(t)
	done := uacWait(t, p, indialog.Request{
		Method: "OPTIONS", RequestURI: "sip:b@" + callee.hostport(), NextHop: ".", Socket: ".",
		Headers: "From: <sip:a@h>;tag=a\r\nTo: <sip:b@h>;tag=b\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n" +
			"X-Text: <sip:a!b@h;lr>\r\nX-Byeguard: m\r\n",
	}, callee)
	m := callee.read("OPTIONS")
	callee.answer(p.addr, m, "200 OK", "")
	require.NoError(t, (<-done).err)
	version, err := p.rpc.Version(t.Context())
	require.NoError(t, err)
	if kamrpc.SelfRouting(version) {
		require.Equal(t, []string{"<sip:a!b@h;lr>"}, header(m, "X-Text"))
	} else {
		require.Contains(t, m, "X-Text: <X-Byeguard: m\r\n")
	}
}

// A strict router first: what arrives there is the same from every version.
func TestKamailioStrictRouting(t *testing.T) {
	t.Parallel()
	p := startKamailio(t)
	router := newPhone(t)
	r, err := indialog.Build(indialog.Dialog{
		Method: "BYE", CallID: "c", FromURI: "sip:a@h", FromTag: "a", ToURI: "sip:b@h", ToTag: "b", CSeq: 1,
		Target: "sip:b@192.0.2.1;x=1", RouteSet: "<sip:" + router.hostport() + ";y>, <sip:p2@192.0.2.2;lr>",
	})
	require.NoError(t, err)
	done := uacWait(t, p, r, router)
	m := router.read("BYE")
	router.answer(p.addr, m, "200 OK", "")
	require.NoError(t, (<-done).err)
	line, _, _ := strings.Cut(m, "\r\n")
	require.Equal(t, "BYE sip:"+router.hostport()+";y SIP/2.0", line)
	require.Equal(t, "<sip:p2@192.0.2.2;lr>, <sip:b@192.0.2.1;x=1>", strings.ReplaceAll(header(m, "Route")[0], ">,<", ">, <"))
}

func TestKamailioUACWaitOutcomes(t *testing.T) {
	t.Parallel()
	p := startKamailio(t)
	silent := newPhone(t)
	r := indialog.Request{
		Method: "BYE", RequestURI: "sip:b@" + silent.hostport(), NextHop: ".", Socket: ".",
		Headers: "From: <sip:a@h>;tag=a\r\nTo: <sip:b@h>;tag=b\r\nCall-ID: x\r\nCSeq: 1 BYE\r\n",
	}
	reply, err := p.rpc.UACWait(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, 408, reply.Code)

	for name, change := range map[string]func(*indialog.Request){
		"socket": func(r *indialog.Request) { r.Socket = "udp:192.0.2.1:5060" },
		"hop":    func(r *indialog.Request) { r.NextHop = "nonsense" },
		"uri":    func(r *indialog.Request) { r.RequestURI = "nonsense" },
		"from":   func(r *indialog.Request) { r.Headers = "To: <sip:b@h>\r\n" },
	} {
		bad := r
		change(&bad)
		_, err := p.rpc.UACWait(t.Context(), bad)
		var refused *kamrpc.Error
		require.ErrorAs(t, err, &refused, name)
		require.Equal(t, 400, refused.Code, name)
		require.NotEmpty(t, refused.Message, name)
	}
}

// setUp makes a call through the proxy and returns a question about its dialog,
// without the dialog's id.
func setUp(t *testing.T, p *proxy, callID, tag string, more ...string) (q call.Question, caller, callee *phone) {
	t.Helper()
	caller, callee = newPhone(t), newPhone(t)
	caller.send(p.addr, append([]string{
		"INVITE sip:b@" + callee.hostport() + " SIP/2.0",
		"Via: SIP/2.0/UDP " + caller.hostport() + ";branch=z9hG4bK" + caller.hostport(),
		"From: <sip:a@h>;tag=" + tag, "To: <sip:b@h>", "Call-ID: " + callID, "CSeq: 1 INVITE",
		"Contact: <sip:a@" + caller.hostport() + ">", "Max-Forwards: 20",
	}, more...)...)
	callee.answer(p.addr, callee.read("INVITE"), "200 OK", "bt", "Contact: <sip:b@"+callee.hostport()+">")
	caller.read("200")
	up, err := p.rpc.Uptime(t.Context())
	require.NoError(t, err)
	return call.Question{Boot: up.Boot, CallID: callID, FromTag: tag, ToTag: "bt"}, caller, callee
}

// dialogs asks Kamailio for the ids of all dialogs with a Call-ID, last made
// last.
func dialogs(t *testing.T, p *proxy, callID string) []call.DialogID {
	t.Helper()
	ids, err := kamrpc.DialogIDs(t.Context(), p.rpc, callID)
	require.NoError(t, err)
	return ids
}

func TestKamailioHolds(t *testing.T) {
	t.Parallel()
	p := startKamailio(t)
	for _, c := range hostile {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			q, caller, callee := setUp(t, p, c.callID, c.tag)
			ids := dialogs(t, p, c.callID)
			require.Len(t, ids, 1)
			for _, id := range []call.DialogID{{}, ids[0]} {
				q.Dialog = id
				held, err := p.rpc.Holds(t.Context(), q)
				require.NoError(t, err)
				require.Equal(t, call.HeldYes, held)
			}

			other := q
			other.Dialog.ID++
			held, err := p.rpc.Holds(t.Context(), other)
			require.NoError(t, err)
			require.Equal(t, call.HeldNo, held, "another dialog of the same Call-ID")

			other = q
			other.Boot--
			held, err = p.rpc.Holds(t.Context(), other)
			require.Error(t, err)
			require.Equal(t, call.HeldUnknown, held, "another boot")

			caller.send(p.addr, "BYE sip:b@"+callee.hostport()+" SIP/2.0",
				"Via: SIP/2.0/UDP "+caller.hostport()+";branch=z9hG4bKbye"+caller.hostport(),
				"From: <sip:a@h>;tag="+c.tag, "To: <sip:b@h>;tag=bt", "Call-ID: "+c.callID, "CSeq: 2 BYE",
				"Route: <sip:"+p.addr.String()+";lr>", "Max-Forwards: 20")
			callee.answer(p.addr, callee.read("BYE"), "200 OK", "")
			caller.read("200")
			held, err = p.rpc.Holds(t.Context(), q)
			require.NoError(t, err)
			require.Equal(t, call.HeldNo, held)
		})
	}
}

func TestKamailioHoldsSpiral(t *testing.T) {
	t.Parallel()
	p := startKamailio(t)
	q, _, _ := setUp(t, p, "spiral@h", "st", "X-Spiral: 1")
	ids := dialogs(t, p, "spiral@h")
	require.Len(t, ids, 2)
	for _, id := range ids {
		q.Dialog = id
		held, err := p.rpc.Holds(t.Context(), q)
		require.NoError(t, err)
		require.Equal(t, call.HeldYes, held, "%s", id)
	}
	q.Dialog.ID += 1000
	held, err := p.rpc.Holds(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, call.HeldNo, held)
}

func TestKamailioHoldsRinging(t *testing.T) {
	t.Parallel()
	p := startKamailio(t)
	caller, callee := newPhone(t), newPhone(t)
	caller.send(p.addr, "INVITE sip:b@"+callee.hostport()+" SIP/2.0",
		"Via: SIP/2.0/UDP "+caller.hostport()+";branch=z9hG4bK1", "From: <sip:a@h>;tag=at", "To: <sip:b@h>",
		"Call-ID: ring", "CSeq: 1 INVITE", "Contact: <sip:a@"+caller.hostport()+">", "Max-Forwards: 20")
	callee.answer(p.addr, callee.read("INVITE"), "180 Ringing", "bt", "Contact: <sip:b@"+callee.hostport()+">")
	caller.read("180")
	up, err := p.rpc.Uptime(t.Context())
	require.NoError(t, err)
	held, err := p.rpc.Holds(t.Context(), call.Question{
		Boot: up.Boot, CallID: "ring", FromTag: "at", Dialog: dialogs(t, p, "ring")[0],
	})
	require.Error(t, err)
	require.Equal(t, call.HeldUnknown, held)
}

func TestKamailioGone(t *testing.T) {
	t.Parallel()
	p := startKamailio(t)
	p.stop()
	fresh, err := kamrpc.New(kamrpc.Options{URL: p.url}) // no connection kept from before
	require.NoError(t, err)
	require.Eventually(t, func() bool { // its children may live a little longer
		held, err := fresh.Holds(t.Context(), call.Question{CallID: "x"})
		require.Equal(t, call.HeldUnknown, held)
		var gone *kamrpc.TransportError
		require.ErrorAs(t, err, &gone)
		return gone.NotSent() && errors.As(err, new(*net.OpError))
	}, 10*time.Second, 10*time.Millisecond)
}
