package kamrpc

import (
	"fmt"
	"strconv"
	"strings"
)

// appendRequest appends a JSON-RPC request. A parameter is a string or an int:
// Kamailio takes a number that stands in quotes for none.
func appendRequest(b []byte, id, method string, params []any) ([]byte, error) {
	b = append(b, `{"jsonrpc":"2.0","method":"`...)
	b = append(b, method...)
	b = append(b, `","params":[`...)
	for i, p := range params {
		if i > 0 {
			b = append(b, ',')
		}
		switch p := p.(type) {
		case int:
			b = strconv.AppendInt(b, int64(p), 10)
		case string:
			if strings.IndexByte(p, 0) >= 0 {
				return nil, fmt.Errorf("encode parameter %d: %w", i+1, ErrUnsendable)
			}
			b = appendString(b, p)
		default:
			return nil, fmt.Errorf("encode parameter %d: %w: a %T", i+1, ErrUnsendable, p)
		}
	}
	b = append(b, `],"id":"`...)
	b = append(b, id...)
	return append(b, `"}`...), nil
}

const hexDigits = "0123456789abcdef"

// appendString appends a JSON string that Kamailio's parser (srjson,
// parse_string) turns back into the very bytes of s.
//
// That parser copies everything but backslash sequences, so bytes from 0x80 on
// are sent raw even where they are not UTF-8: \u00ff would arrive as two bytes.
// Strict JSON forbids that, and encoding/json would send U+FFFD instead. Below
// 0x20 it takes \u00xx, but it drops \u0000.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// newID returns the id of the n-th request. Kamailio keeps at most 63
// characters of it for a delayed reply (jsonrpcs, JSONRPC_ID_SIZE).
func newID(prefix string, n uint64) string {
	return prefix + "-" + strconv.FormatUint(n, 36)
}
