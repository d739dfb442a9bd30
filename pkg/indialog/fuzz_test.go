package indialog_test

import (
	"strings"
	"testing"

	"github.com/byeguard/byeguard/pkg/indialog"
)

// FuzzBuild: whatever comes in, either Build refuses or each line of the block
// is one of ours, in our order, and nothing can end a parameter early.
func FuzzBuild(f *testing.F) {
	f.Add("c@h", "sip:a@h", "t1", "sip:b@h", "t2", "sip:b@192.0.2.1;alias=192.0.2.9~5~1", "<sip:p;lr>, <sip:q>", "udp:192.0.2.1:5060", "m")
	f.Add("c\r\nX: y", "sip:a@h", "t1", "sip:b@h", "t2", `"a, <b>" <sip:b@[::1]:5?x=y>;expires=5`, `"q\"" <sip:p!!>`, "", "")
	f.Add("c", "tel:1", "a,b", "sips:b@h", "'", "sip:a;b?c@h;;d;alias=::1~5~6", "<sip:p>;x=!,,", ".", "a:b")
	f.Fuzz(func(t *testing.T, callID, fromURI, fromTag, toURI, toTag, target, routes, socket, marker string) {
		d := indialog.Dialog{
			Method: "BYE", CallID: callID, FromURI: fromURI, FromTag: fromTag, ToURI: toURI, ToTag: toTag,
			Target: target, RouteSet: routes, Socket: socket, Marker: marker, CSeq: 7,
		}
		r, err := indialog.Build(d)
		if err != nil {
			if r != (indialog.Request{}) {
				t.Fatalf("error and request %+v", r)
			}
			return
		}
		for name, value := range map[string]string{"ruri": r.RequestURI, "hop": r.NextHop, "socket": r.Socket} {
			if value == "" || strings.ContainsAny(value, " <>\"\r\n\x00\t\x7f") {
				t.Fatalf("%s: %q", name, value)
			}
		}
		if strings.Contains(r.RequestURI, "?") && !strings.Contains(r.RequestURI[:strings.LastIndex(r.RequestURI, "@")+1], "?") {
			t.Fatalf("headers in request uri %q", r.RequestURI)
		}
		block, ok := strings.CutSuffix(r.Headers, "\r\n")
		if !ok {
			t.Fatalf("no CR LF at the end: %q", r.Headers)
		}
		lines := strings.Split(block, "\r\n")
		want := []string{
			"From: <" + fromURI + ">;tag=" + fromTag, "To: <" + toURI + ">;tag=" + toTag,
			"Call-ID: " + callID, "CSeq: 7 BYE",
		}
		for i, w := range want {
			if len(lines) <= i || lines[i] != w {
				t.Fatalf("line %d of %q, want %q", i, lines, w)
			}
		}
		for i, l := range lines[len(want):] {
			last := i == len(lines)-len(want)-1
			if last && marker != "" {
				if l != "X-Byeguard: "+marker {
					t.Fatalf("marker line %q", l)
				}
				continue
			}
			if !strings.HasPrefix(l, "Route: <sip") && !strings.HasPrefix(strings.ToLower(l), "route: <sip") || strings.Contains(l, "!") {
				t.Fatalf("line %q", l)
			}
		}
		for i := 0; i < len(block); i++ {
			if c := block[i]; c < 0x20 && c != '\r' && c != '\n' || c == 0x7f {
				t.Fatalf("control byte %#x in %q", c, block)
			}
		}
		if strings.Count(block, "\r") != len(lines)-1 || strings.Count(block, "\n") != len(lines)-1 {
			t.Fatalf("stray CR or LF in %q", block)
		}
	})
}

// FuzzSameTarget: reflexive for what is not empty, symmetric, and deaf to an
// alias.
func FuzzSameTarget(f *testing.F) {
	f.Add("sip:bob@h", "<sip:%62ob@H;alias=1.2.3.4~5~1>")
	f.Add("sip:a;b?c@[::1]:5060", "sip:h;transport=udp")
	f.Fuzz(func(t *testing.T, a, b string) {
		if a != "" && !indialog.SameTarget(a, a) {
			t.Fatalf("%q differs from itself", a)
		}
		if indialog.SameTarget(a, b) != indialog.SameTarget(b, a) {
			t.Fatalf("%q and %q: not symmetric", a, b)
		}
	})
}
