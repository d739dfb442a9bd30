package kamailiocfg_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Texts from SIP arrive byte for byte whatever they hold, and break neither JSON
// nor netstring (reader.next checks both for each event).
//
//nolint:tparallel // the cases take turns at one proxy and its callee, and read its events by one reader
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	p := startProxy(t)
	r, _ := hello(t, p)
	evil := `'"\%{}[]<>,:;=/?$&(ci)$var(x)%s%n` + "`"
	for name, c := range map[string]struct{ callID, tag, display string }{
		"plain":       {"a", "b", "c"},
		"punctuation": {`x'"\%{}[]<>,:;=?$(ci){s.len}%s%n` + "`@h", `f'!%*_+` + "`~.-", `\"quoted\" \\ 'it' {a},b;c %41 $(ci{s.len}) <x>`},
		"utf8":        {"приве́т-😀@h", "ζωή", "Zoë 😀\t日本"},
		"latin1":      {"caf\xe9-\xff\x80@h", "\xe9\xff", "Caf\xe9 \xa0\xff"},
		"long":        {strings.Repeat("x'", 90), strings.Repeat("t", 128), strings.Repeat("Ä", 100)},
		"control":     {"a\x01\x7f\x1b[0m@h", "a\x01", "a\tb\x01\x1b"},
	} {
		t.Run(name, func(t *testing.T) {
			p.nextHop.t = t
			k := newTalk(p)
			k.callID, k.fromTag, k.toTag = c.callID+randomText(), c.tag+"f", c.tag+"t"
			if name == "long" {
				k.callID = c.callID
				require.Len(t, k.callID, 180)
			}
			k.from = `"` + c.display + `" <sip:al'ice%22;x={y}@example.org;p='q>`
			contact := `"` + c.display + `" <sip:b'ob%22@` + k.callee.addr() + `;x={y}>;p="q;r,{s}"`
			k.establish("Contact: "+contact, "X-Other: "+evil)
			got := r.collect("start", "confirm")
			k.cseq++
			reason := `SIP;cause=200;text="` + c.display + evil + `"`
			k.caller.send(p.sip, k.inDialog("BYE", "Reason: "+reason))
			bye := k.callee.receive("BYE")
			k.callee.send(bye.via(), bye.answer(`299 'Fine' "\%{}`+c.display, ""))
			k.caller.receive("SIP/2.0 299")
			for kind, e := range r.collect("bye_in", "end", "bye_fwd", "bye_reply") {
				got[kind] = e
			}
			for kind, e := range got {
				require.Equal(t, k.callID, e.text("i"), kind)
				require.Equal(t, k.fromTag, e.text("f"), kind)
				require.Equal(t, k.toTag, e.text("o"), kind)
			}
			require.Equal(t, contact, got["start"].text("ct"))
			require.Equal(t, `sip:al'ice%22;x={y}@example.org;p='q`, got["start"].text("fu"))
			require.Equal(t, reason, got["bye_in"].text("why"))
			require.Equal(t, `'Fine' "\%{}`+c.display, got["bye_reply"].text("why"))
		})
	}
}

// A CSeq is not checked to be a number by Kamailio's parser.
func TestHostileNumbers(t *testing.T) {
	t.Parallel()
	p := startProxy(t)
	p.noisy = true // about numbers beyond 2^31
	r, _ := hello(t, p)
	for cseq, want := range map[string]int64{
		"7": 7, `1"x`: 0, "0x10": 0, "-5": 0, "abc": 0, "2147483647": 2147483647, "007": 7, "1e9": 0, "1,\"k\":2": 0,
		"4294967295": 0, "4294967297": 0, "99999999999999999999999": 0,
	} {
		c := newTalk(p)
		msg := c.request("BYE", "sip:bob@"+p.sip, "x")
		c.caller.send(p.sip, strings.Replace(msg, "CSeq: 1 BYE", "CSeq: "+cseq+" BYE", 1))
		c.caller.receive("SIP/2.0 ")
		e := r.until("bye_refused")[0]
		require.Equal(t, "bye_in", e.kind())
		if got := e.num("c"); got <= 1<<31-1 { // beyond it is no CSeq: 5.7 and later print it, the decoder ignores it
			require.Equal(t, want, got, cseq)
		}
		require.Equal(t, c.callID, e.text("i"))
	}
}

// An event that outgrows evapi's 8 KiB buffer arrives whole; a text too long for
// Kamailio's base64 (48 KiB) arrives as an empty one.
func TestLargeTexts(t *testing.T) {
	t.Parallel()
	p := startProxy(t)
	r, first := hello(t, p)
	sizes := []int{1000, 6000, 6100, 6200, 8000, 20000, 32000}
	if strings.HasPrefix(first.text("ver"), "5.6.") {
		sizes = append(sizes, 48000, 55000) // later ones take no more than 32767 bytes
	}
	for _, size := range sizes {
		c := newTalk(p)
		reason := strings.Repeat("x", size)
		c.caller.send(p.sip, c.request("BYE", "sip:bob@"+p.sip, "y", "Reason: "+reason))
		c.caller.receive("SIP/2.0 ")
		got := r.collect("bye_in", "bye_refused")["bye_in"]
		require.Equal(t, c.callID, got.text("i"))
		if size <= 48000 {
			require.Equal(t, reason, got.text("why"))
		} else {
			require.Empty(t, got.text("why"))
		}
	}
}
