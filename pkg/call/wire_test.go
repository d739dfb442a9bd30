package call_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
)

// fill gives every field of a struct a value of its own, so that a field that
// AppendEvent forgets is noticed here.
func fill(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	for i := range v.NumField() {
		f := v.Field(i)
		*n++
		switch f.Kind() {
		case reflect.String:
			f.SetString(fmt.Sprintf("text %d \x00\xff\r\n", *n))
		case reflect.Int, reflect.Int64:
			f.SetInt(int64(-*n))
		case reflect.Uint8:
			f.SetUint(uint64(*n % 200))
		case reflect.Uint32, reflect.Uint64:
			f.SetUint(uint64(*n) << 20)
		case reflect.Struct:
			fill(t, f, n)
		default:
			t.Fatalf("field %s has a kind that the codec does not know: %s", v.Type().Field(i).Name, f.Kind())
		}
	}
}

func TestEventOnDisk(t *testing.T) {
	t.Parallel()
	var full call.Event
	n := 0
	fill(t, reflect.ValueOf(&full).Elem(), &n)
	full.Kind = call.KindByeReply
	for name, ev := range map[string]call.Event{
		"full":  full,
		"tick":  {Kind: call.KindTick, CallID: "a", Seen: 1 << 50, At: -1},
		"blank": {Kind: call.KindStart},
	} {
		data := call.AppendEvent([]byte("before"), &ev)[len("before"):]
		var got call.Event
		require.NoError(t, call.DecodeEvent(data, &got), name)
		require.Equal(t, ev, got, "%s: does Event.wire know every field?", name)
		for cut := range data {
			require.ErrorIs(t, call.DecodeEvent(data[:cut], &got), call.ErrWire)
			require.Zero(t, got)
		}
		require.ErrorIs(t, call.DecodeEvent(append(data, 0), &got), call.ErrWire)
	}
}

// FuzzDecodeEvent: whatever the disk gives back, nothing breaks, and what is
// read is written the same again.
func FuzzDecodeEvent(f *testing.F) {
	var full call.Event
	full.Kind, full.CallID, full.Seen, full.Caller.Contact = call.KindStart, "id", 12, "sip:a@b"
	f.Add(call.AppendEvent(nil, &full))
	f.Add([]byte{5, 's', 't', 'a', 'r', 't', 255, 255, 255, 255, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, data []byte) {
		var ev, again call.Event
		if call.DecodeEvent(data, &ev) != nil {
			return
		}
		require.NoError(t, call.DecodeEvent(call.AppendEvent(nil, &ev), &again))
		require.Equal(t, ev, again)
	})
}

func BenchmarkAppendEvent(b *testing.B) {
	ev := flow(1)[0]
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = call.AppendEvent(buf[:0], &ev)
	}
	b.ReportMetric(float64(len(buf)), "B/event")
}
