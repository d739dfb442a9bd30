package evapi

import (
	"bytes"
	"math"
	"strconv"

	"github.com/byeguard/byeguard/pkg/call"
)

// parseInt reads a decimal with an optional sign. Leading zeros are taken: a
// CSeq is printed as the end point wrote it.
func parseInt(b []byte) (int64, bool) {
	neg := false
	if len(b) > 0 && b[0] == '-' {
		neg, b = true, b[1:]
	}
	if len(b) == 0 {
		return 0, false
	}
	n := int64(0)
	for _, c := range b {
		d := c - '0'
		if d > 9 || n > (math.MaxInt64-int64(d))/10 {
			return 0, false
		}
		n = n*10 + int64(d)
	}
	if neg {
		n = -n
	}
	return n, true
}

// parseMicros reads seconds with up to six decimals ("1700000000.123456", as
// $TV(Sn) prints them) into microseconds, exactly. Further decimals are cut.
func parseMicros(b []byte) (int64, bool) {
	whole, frac, _ := bytes.Cut(b, []byte{'.'})
	if len(whole) == 0 || whole[0] == '-' {
		return 0, false
	}
	sec, ok := parseInt(whole)
	if !ok || sec > math.MaxInt64/1_000_000-1 {
		return 0, false
	}
	micros, scale := int64(0), int64(100_000)
	for _, c := range frac {
		d := c - '0'
		if d > 9 {
			return 0, false
		}
		micros += int64(d) * scale
		scale /= 10
	}
	return sec*1_000_000 + micros, true
}

// parseDialog reads "h_entry:h_id". Parts that Kamailio does not know are empty
// or "<null>"; the dialog is then the zero value.
func parseDialog(b []byte) (call.DialogID, bool) {
	if len(b) == 0 || bytes.Contains(b, null) || string(b) == ":" {
		return call.DialogID{}, true
	}
	entry, id, found := bytes.Cut(b, []byte{':'})
	if !found {
		return call.DialogID{}, false
	}
	e, okE := parseUint32(entry)
	i, okI := parseUint32(id)
	if !okE || !okI {
		return call.DialogID{}, false
	}
	return call.DialogID{Entry: e, ID: i}, true
}

// parseUint32 takes negative numbers too: 5.6 prints its counters and dialog
// ids as a C int.
func parseUint32(b []byte) (uint32, bool) {
	n, ok := parseInt(b)
	if !ok || n > math.MaxUint32 || n < math.MinInt32 {
		return 0, false
	}
	return uint32(n), true
}

// newer says that counter a was printed after counter b, modulo 2^32.
func newer(a, b int64) bool { return int32(uint32(a)-uint32(b)) > 0 }

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }
