package evapi_test

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/byeguard/byeguard/pkg/evapi"
)

const (
	testNode = "edge1"
	testBoot = 1700000000
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// head is what byeguard-events.cfg puts before the keys of a kind.
func head(kind string, seq, sent int64) string {
	at := max(seq, 0)
	return fmt.Sprintf(`{"bg":1,"k":"%s","b":%d,"s":%d,"r":%d,"t":%d.%06d`,
		kind, testBoot, seq, sent, 1700000000+at/1000, at%1000*1000+123)
}

func texts(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, `,"%s":"%s"`, pairs[i], b64(pairs[i+1]))
	}
	return b.String()
}

// callFrames returns the six events of one answered call that the proxy ends.
func callFrames(n, first int64) []string {
	id := fmt.Sprintf("%08x-7c1e-4c6b-9f59-3d2a90c1e7f%d@192.0.2.17", n*2654435761%(1<<32), n%10)
	from, to := fmt.Sprintf("as%08x", n), fmt.Sprintf("z9hG4bK-%08x", n^0x5a5a5a5a)
	dialog := fmt.Sprintf(`,"d":"%d:%d"`, n%4096, n)
	common := texts("i", id, "f", from, "o", to) + dialog
	caller := fmt.Sprintf("sip:+4930123%05d@192.0.2.17:5060;transport=udp", n%100000)
	callee := fmt.Sprintf("sip:+4989987%05d@198.51.100.44:5062", n%100000)
	route := "<sip:203.0.113.5;lr=on;ftag=" + from + ";did=" + fmt.Sprintf("%x.%x", n%4096, n) + ">"
	src, dst, sock := "192.0.2.17:5060", "198.51.100.44:5062", "udp:203.0.113.5:5060"
	sides := texts("fu", "sip:+4930123@example.net", "fc", caller, "fr", "", "fs", sock,
		"tu", "sip:+4989987@example.org", "tc", callee, "tr", "", "ts", sock)
	h := func(kind string, i int64) string { return head(kind, first+i, first+i) }
	return []string{
		h("start", 0) + common + texts("a", src, "ra", dst, "l", sock, "ct", "<"+callee+">", "rr", route) +
			`,"c":102,"code":200,"set":1700000000.000017,"fn":102` + sides + `}`,
		h("confirm", 1) + common + texts("a", src, "l", sock, "ct", "<"+caller+">") + `,"c":102,"fn":102,"tn":0` + sides + `}`,
		h("bye_out", 2) + common + texts("m", "BYE", "u", caller, "n", "sip:192.0.2.17:5060", "l", sock, "id", "") + `,"c":103}`,
		h("bye_reply", 3) + common + texts("m", "BYE", "why", "OK", "a", src, "l", sock) + `,"c":103,"code":200}`,
		h("bye_out", 4) + common + texts("m", "BYE", "u", callee, "n", "sip:198.51.100.44:5062", "l", sock, "id", "") + `,"c":104}`,
		h("end", 5) + common + `,"st":5,"set":1700000000.000017}`,
	}
}

// stream is the netstrings of that many calls, and the number of events in it.
func stream(calls int) ([]byte, int) {
	var out []byte
	events := 0
	for n := range calls {
		for _, f := range callFrames(int64(n), int64(events)+1) {
			out = evapi.AppendFrame(out, f)
			events++
		}
	}
	return out, events
}
