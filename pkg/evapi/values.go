package evapi

import (
	"math"

	"github.com/byeguard/byeguard/pkg/call"
)

var null = []byte("<null>")

// absent says that a value stands for "not told": an empty string, null, or
// what Kamailio prints for a pseudo-variable without a value.
func absent(kind valueKind, raw []byte) bool {
	return kind == valNull || kind == valString && (len(raw) == 0 || string(raw) == string(null))
}

func setKind(kind valueKind, raw []byte, ev *call.Event, out *Frame) string {
	if kind != valString {
		return "not a word"
	}
	switch string(raw) {
	case "hello":
		out.Kind = FrameHello
		return ""
	case "sync":
		out.Kind = FrameSync
		return ""
	}
	// Kinds behind KindFail are made by byeguard itself and never come from a
	// proxy.
	ev.Kind = call.ParseKind(string(raw))
	if ev.Kind == call.KindUnknown || ev.Kind > call.KindFail {
		return "unknown kind"
	}
	out.Kind = FrameEvent
	return ""
}

func signed(kind valueKind, raw []byte) (int64, string) {
	if kind != valNumber {
		return 0, "not a number"
	}
	n, ok := parseInt(raw)
	if !ok {
		return 0, "not an integer"
	}
	return n, ""
}

func setInt(dst *int64, kind valueKind, raw []byte) string {
	n, problem := signed(kind, raw)
	*dst = n
	return problem
}

func setSmall(dst *int, kind valueKind, raw []byte) string {
	if absent(kind, raw) {
		return ""
	}
	n, problem := signed(kind, raw)
	if problem == "" && (n < 0 || n > math.MaxInt32) {
		return "out of range"
	}
	*dst = int(n)
	return problem
}

func setMicros(dst *int64, kind valueKind, raw []byte) string {
	if absent(kind, raw) {
		return ""
	}
	n, ok := parseMicros(raw)
	if kind != valNumber || !ok {
		return "not seconds with decimals"
	}
	*dst = n
	return ""
}

func setDialog(dst *call.DialogID, kind valueKind, raw []byte) string {
	id, ok := parseDialog(raw)
	if kind != valString && kind != valNull || !ok {
		return "not h_entry:h_id"
	}
	*dst = id
	return ""
}

// setCSeq takes a CSeq. It is an end point's text, so one that RFC 3261 section
// 8.1.1.5 does not allow (it must be less than 2^31) is "not told" rather than
// an error: nobody outside may make events bad.
func setCSeq(dst *uint32, kind valueKind, raw []byte) string {
	if absent(kind, raw) {
		return ""
	}
	if kind != valNumber {
		return "not a number"
	}
	if n, ok := parseInt(raw); ok && n >= 0 && n <= math.MaxInt32 {
		*dst = uint32(n)
	}
	return ""
}
