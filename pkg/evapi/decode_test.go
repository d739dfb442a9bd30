package evapi_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/evapi"
)

func decode(frame string) (evapi.Frame, call.Event, error) {
	d := evapi.Decoder{Node: testNode}
	var ev call.Event
	f, err := d.Decode([]byte(frame), &ev)
	return f, ev, err
}

func TestDecodeEveryKey(t *testing.T) {
	t.Parallel()
	frame := head("start", 7, 5) + texts("i", "call\"'\\\x00\xff@x", "f", "ft'", "o", "tö", "ft", "ft'",
		"m", "INVITE", "a", "192.0.2.1:5060", "ra", "[2001:db8::1]:5061", "l", "udp:203.0.113.5:5060",
		"why", "OK, {fine}", "u", "sip:b@x", "n", "sip:h", "ct", "<sip:c@y>", "rr", "<sip:r;lr>,<sip:q>", "id", "cmd1",
		"fu", "sip:a@a", "fc", "sip:ac", "fr", "<sip:ar>", "fs", "udp:as", "tu", "sip:b@b", "tc", "sip:bc",
		"tr", "<sip:br>", "ts", "tcp:bs") +
		`,"d":"3:4","c":102,"code":200,"st":4,"set":1699999999.5,"fn":102,"tn":7}`
	f, ev, err := decode(frame)
	require.NoError(t, err)
	require.Equal(t, evapi.Frame{
		Kind: evapi.FrameEvent, Seq: 7, HasSeq: true, Boot: testBoot, HasBoot: true, Sent: 5, HasSent: true,
	}, f)
	require.Equal(t, call.Event{
		Kind: call.KindStart, Node: testNode, Boot: testBoot, Seq: 7, Sent: 5, At: 1700000000_007123,
		CallID: "call\"'\\\x00\xff@x", FromTag: "ft'", ToTag: "tö", CallerTag: "ft'", Dialog: call.DialogID{Entry: 3, ID: 4},
		CSeq: 102, Method: "INVITE", Code: 200, Reason: "OK, {fine}", Source: "192.0.2.1:5060",
		PeerSource: "[2001:db8::1]:5061", Socket: "udp:203.0.113.5:5060", RURI: "sip:b@x", NextHop: "sip:h",
		Contact: "<sip:c@y>", RecordRoute: "<sip:r;lr>,<sip:q>", CommandID: "cmd1", State: 4, Setup: 1699999999_500000,
		Caller: call.Endpoint{URI: "sip:a@a", Contact: "sip:ac", RouteSet: "<sip:ar>", Socket: "udp:as", CSeq: 102},
		Callee: call.Endpoint{URI: "sip:b@b", Contact: "sip:bc", RouteSet: "<sip:br>", Socket: "tcp:bs", CSeq: 7},
	}, ev)
}

func TestDecodeControl(t *testing.T) {
	t.Parallel()
	f, ev, err := decode(head("hello", 41, -7) + texts("node", "edge1", "ver", "kamailio 5.6.3") + `,"limit":100}`)
	require.NoError(t, err)
	require.Zero(t, ev)
	require.Equal(t, evapi.FrameHello, f.Kind)
	require.Equal(t, &evapi.Control{
		Node: "edge1", Boot: testBoot, Seq: 41, Sent: -7, Limit: 100, Version: "kamailio 5.6.3", At: 1700000000_041123,
	}, f.Control)

	f, _, err = decode(head("sync", 42, 9) + texts("node", "edge1") + `,"limit":100}`)
	require.NoError(t, err)
	require.Equal(t, evapi.FrameSync, f.Kind)
	require.Equal(t, uint32(42), f.Control.Seq)
}

func TestDecodeKinds(t *testing.T) {
	t.Parallel()
	for k := call.KindUnknown; k <= call.KindRestarted; k++ {
		_, ev, err := decode(head(k.String(), 1, 1) + "}")
		if k >= call.KindStart && k <= call.KindFail {
			require.NoError(t, err, k)
			require.Equal(t, k, ev.Kind)
			continue
		}
		var bad *evapi.DecodeError
		require.ErrorAs(t, err, &bad, "kind %v is not the proxy's to tell", k)
		require.Equal(t, "k", bad.Key)
	}
}

// TestDecodeAbsent: what Kamailio prints for a value that it does not have.
func TestDecodeAbsent(t *testing.T) {
	t.Parallel()
	for _, void := range []string{`""`, `"<null>"`, `null`} {
		_, ev, err := decode(head("end", 1, 1) + `,"i":` + void + `,"d":` + void + `,"c":` + void + `,"code":` + void +
			`,"set":` + void + `,"st":` + void + `,"tn":` + void + `}`)
		require.NoError(t, err, void)
		require.Equal(t, call.Event{Kind: call.KindEnd, Node: testNode, Boot: testBoot, Seq: 1, Sent: 1, At: 1700000000_001123}, ev)
	}
	_, ev, err := decode(head("end", 1, 1) + `,"d":"<null>:<null>","i":"aQ=="}`)
	require.NoError(t, err)
	require.Zero(t, ev.Dialog)
	require.Equal(t, "i", ev.CallID)
}

func TestDecodeForwardCompatible(t *testing.T) {
	t.Parallel()
	_, ev, err := decode(head("end", 1, 1) + ` , "x" : {"a":[1,"}\"]",{}],"b":null}, "y\"":"\\", "z":[], "w":true,` + "\n" +
		`"v":false,"u2":-1.5e+3,"":"", "i" : "aQ==" } `)
	require.NoError(t, err)
	require.Equal(t, "i", ev.CallID)
}

func TestDecodeCounters(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]uint32{
		"0": 0, "-1": 1<<32 - 1, "-2147483648": 1 << 31, "4294967295": 1<<32 - 1, "4294967296": 0, "4294967301": 5,
	} {
		f, ev, err := decode(`{"bg":1,"k":"end","b":1,"s":` + in + `,"r":` + in + `,"t":1}`)
		require.NoError(t, err, in)
		require.Equal(t, want, f.Seq, in)
		require.Equal(t, uint64(want), ev.Seq, in)
		require.Equal(t, uint64(want), ev.Sent, in)
	}
}

func TestDecodeTime(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int64{
		"1700000000.123456": 1700000000_123456, "1700000000.000001": 1700000000_000001, "1700000000": 1700000000_000000,
		"1700000000.1": 1700000000_100000, "1700000000.999999": 1700000000_999999, "1.1234569": 1_123456, "0": 0, "0.0": 0,
		"4294967296.5": 4294967296_500000, "7.": 7_000000,
	} {
		_, ev, err := decode(`{"bg":1,"k":"end","b":1,"s":1,"t":` + in + `}`)
		require.NoError(t, err, in)
		require.Equal(t, want, ev.At, in)
	}
}

func TestDecodeBad(t *testing.T) {
	t.Parallel()
	base := head("end", 9, 8)
	for name, tc := range map[string]struct{ frame, key string }{
		"no kind":          {`{"bg":1,"b":1,"s":1,"t":1}`, "k"},
		"no boot":          {`{"bg":1,"k":"end","s":1,"t":1}`, "b"},
		"no number":        {`{"bg":1,"k":"end","b":1,"t":1}`, "s"},
		"no time":          {`{"bg":1,"k":"end","b":1,"s":1}`, "t"},
		"kind a number":    {`{"bg":1,"k":1,"b":1,"s":1,"t":1}`, "k"},
		"seq a string":     {`{"bg":1,"k":"end","b":1,"s":"1","t":1}`, "s"},
		"seq a null":       {`{"bg":1,"k":"end","b":1,"s":null,"t":1}`, "s"},
		"seq a fraction":   {`{"bg":1,"k":"end","b":1,"s":1.5,"t":1}`, "s"},
		"seq too long":     {`{"bg":1,"k":"end","b":1,"s":99999999999999999999,"t":1}`, "s"},
		"time negative":    {`{"bg":1,"k":"end","b":1,"s":1,"t":-1.5}`, "t"},
		"time exponent":    {`{"bg":1,"k":"end","b":1,"s":1,"t":1e9}`, "t"},
		"time quoted":      {`{"bg":1,"k":"end","b":1,"s":1,"t":"1.5"}`, "t"},
		"time huge":        {`{"bg":1,"k":"end","b":1,"s":1,"t":9223372036854775807}`, "t"},
		"text a number":    {base + `,"i":1}`, "i"},
		"text an object":   {base + `,"i":{}}`, "i"},
		"text no base64":   {base + `,"i":"a b"}`, "i"},
		"text escaped":     {base + `,"i":"aQ=\u003d"}`, "i"},
		"text half base64": {base + `,"i":"aQ"}`, "i"},
		"dialog":           {base + `,"d":"7"}`, "d"},
		"dialog a number":  {base + `,"d":7}`, "d"},
		"dialog three":     {base + `,"d":"7:8:9"}`, "d"},
		"code negative":    {base + `,"code":-1}`, "code"},
		"code a word":      {base + `,"code":"x"}`, "code"},
		"cseq quoted":      {base + `,"c":"7"}`, "c"},
		"twice":            {base + `,"k":"start"}`, "k"},
		"long key":         {base + `,"` + strings.Repeat("z", 99) + `":}`, strings.Repeat("z", 32)},
		"cut":              {base, ""},
		"trailing":         {base + `}x`, ""},
		"trailing comma":   {base + `,}`, ""},
		"no colon":         {base + `,"i"}`, ""},
		"no value":         {base + `,"i":}`, "i"},
		"open string":      {base + `,"i":"aQ==`, "i"},
		"open object":      {base + `,"x":{"a":[}`, "x"},
		"half a word":      {base + `,"x":nul}`, "x"},
		"bare word":        {base + `,"c":1abc}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, ev, err := decode(tc.frame)
			var bad *evapi.DecodeError
			require.ErrorAs(t, err, &bad)
			require.Equal(t, tc.key, bad.Key, err.Error())
			require.Zero(t, ev, "nothing half made is left")
			require.Equal(t, evapi.FrameNone, f.Kind)
			if strings.HasPrefix(tc.frame, base) {
				require.True(t, f.HasSeq && f.HasSent && f.HasBoot)
				require.Equal(t, uint32(9), f.Seq)
			}
		})
	}
}

// TestDecodeHostileCSeq: an end point writes the CSeq, so no CSeq is an error.
func TestDecodeHostileCSeq(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]uint32{
		"2147483647": 1<<31 - 1, "2147483648": 0, "99999999999999999999": 0, "-5": 0, "007": 7, "1.5": 0, "1e3": 0, "-": 0,
	} {
		_, ev, err := decode(head("bye_in", 1, 1) + `,"c":` + in + `}`)
		require.NoError(t, err, in)
		require.Equal(t, want, ev.CSeq, in)
	}
}

func TestDecodeStrange(t *testing.T) {
	t.Parallel()
	for frame, want := range map[string]error{
		"": evapi.ErrForeign, "{}": evapi.ErrForeign, `{"bg":1`: evapi.ErrForeign, `{ "bg":1,"k":"end"}`: evapi.ErrForeign,
		`{"event":"x","bg":1,}`: evapi.ErrForeign, `{"bg":"1",}`: evapi.ErrForeign, `{"bg":,`: evapi.ErrForeign,
		`{"bg":2,"k":"hello"}`: evapi.ErrVersion, `{"bg":10,"k":"end"}`: evapi.ErrVersion, `{"bg":1}`: evapi.ErrVersion,
	} {
		_, _, err := decode(frame)
		require.ErrorIs(t, err, want, frame)
	}
}

//nolint:paralleltest // testing.AllocsPerRun counts for the whole process
func TestDecodeAllocations(t *testing.T) {
	frames := callFrames(7, 1)
	d := evapi.Decoder{Node: testNode}
	slab := make([]call.Event, 20_000)
	i := 0
	got := testing.AllocsPerRun(10_000, func() {
		if _, err := d.Decode([]byte(frames[i%len(frames)]), &slab[i]); err != nil {
			t.Fatal(err)
		}
		i++
	})
	require.LessOrEqual(t, got, 2.0, "one string, and the copy of the frame that this test makes")
}

// FuzzDecode compares with encoding/json wherever that accepts the frame.
func FuzzDecode(f *testing.F) {
	for _, frame := range callFrames(1, 1) {
		f.Add([]byte(frame))
	}
	f.Add([]byte(head("hello", 1, 1) + texts("node", "n", "ver", "v") + `,"limit":100}`))
	f.Add([]byte(head("end", -1, -1) + `,"x":{"y":[1,{"z":"\"]"}]},"d":"<null>:<null>"}`))
	f.Add([]byte(`{"bg":1,"k":"end","b":1,"s":1,"t":1,"i":"AA==","i":"BB=="}`))
	f.Fuzz(func(t *testing.T, frame []byte) {
		d := evapi.Decoder{Node: testNode}
		var ev call.Event
		got, err := d.Decode(frame, &ev)
		if err != nil {
			require.Zero(t, ev)
			return
		}
		if got.Kind != evapi.FrameEvent {
			require.NotNil(t, got.Control)
			require.Zero(t, ev)
			return
		}
		require.NotZero(t, ev.Kind)
		var w map[string]json.RawMessage
		if json.Unmarshal(frame, &w) != nil {
			return // the scanner is laxer than JSON in numbers
		}
		for key, field := range map[string]string{
			"i": ev.CallID, "f": ev.FromTag, "o": ev.ToTag, "u": ev.RURI, "why": ev.Reason, "ts": ev.Callee.Socket,
		} {
			var text string
			if json.Unmarshal(w[key], &text) != nil || text == "<null>" {
				text = ""
			}
			want, err := base64.StdEncoding.DecodeString(text)
			require.NoError(t, err)
			require.Equal(t, string(want), field, key)
		}
	})
}
