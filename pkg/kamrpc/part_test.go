package kamrpc_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/byeguard/byeguard/pkg/kamrpc"
)

// TestPartsCoverAll: however Call-IDs look and whatever the samples were, each
// of them is in exactly one part.
func TestPartsCoverAll(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfNDistinct(rapid.StringMatching(`(call-)?[A-Fa-f\[\]^\-\\.$()|]{1,6}`), 1, 60, rapid.ID).Draw(t, "ids")
		for i := range ids {
			ids[i] += "sip:alice@example.net" // what stands behind it in Kamailio's memory
		}
		for id, n := range kamrpc.Halves(ids, rapid.IntRange(1, 8).Draw(t, "splits")) {
			if n != 1 {
				t.Fatalf("%q is in %d parts", id, n)
			}
		}
	})
}

const listed = `{"h_entry":1,"h_id":2,"ref":2,"call-id":"c","from_uri":"sip:a@h","to_uri":"sip:b@h","state":4,
"start_ts":1700000003,"init_ts":1700000000,"end_ts":0,"duration":5,"timeout":9,"lifetime":9,"dflags":0,"sflags":0,"iflags":0,
"caller":{"tag":"A","contact":"sip:a@192.0.2.1","cseq":"12","route_set":"<sip:p;lr>","socket":"udp:192.0.2.9:5060"},
"callee":{"tag":"B","contact":"sip:b@192.0.2.2","cseq":"0","route_set":"","socket":"udp:192.0.2.9:5060"},"profiles":[],"variables":[]}`

// TestListedPartial: an answer that is cut short, or in which one dialog is not
// understood, is none.
func TestListedPartial(t *testing.T) {
	t.Parallel()
	events, err := kamrpc.DecodeListed([]byte("[" + listed + "," + listed + "]"))
	require.NoError(t, err)
	require.Len(t, events, 2)
	require.Equal(t, uint32(12), events[0].Caller.CSeq)
	require.Equal(t, int64(1700000003e6), events[0].Answer)
	for _, broken := range []string{
		"", "{}", "null", `"x"`, "[" + listed, "[" + listed + ",", "[1]", "[[]]", "[{}]", "[" + listed + ",{}]",
		"[" + strings.Replace(listed, `"h_id":2`, `"h_id":"2"`, 1) + "]",
		"[" + strings.Replace(listed, `"call-id":"c"`, `"call-id":""`, 1) + "]",
		"[" + strings.Replace(listed, `"state":4`, `"state":null`, 1) + "]",
		"[" + strings.Replace(listed, `"callee":`, `"other":`, 1) + "]",
	} {
		_, err := kamrpc.DecodeListed([]byte(broken))
		require.ErrorIs(t, err, kamrpc.ErrBadResponse, "%s", broken)
	}
}

// FuzzDecodeListed: no answer makes it panic, and what it takes for a dialog has
// a name.
func FuzzDecodeListed(f *testing.F) {
	f.Add([]byte("[" + listed + "]"))
	f.Add([]byte("[" + listed + "," + listed))
	f.Add([]byte(`[{"h_entry":-1}]`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		events, err := kamrpc.DecodeListed(bytes.Clone(answer))
		if err != nil {
			return
		}
		for i := range events {
			if events[i].Dialog.IsZero() || events[i].CallID == "" {
				t.Fatalf("a dialog without a name: %+v", events[i])
			}
		}
	})
}
