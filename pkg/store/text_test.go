package store_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/store"
)

func TestEscape(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"a84b4c76e66710@pc33.atlanta.example.com", "a84b4c76e66710@pc33.atlanta.example.com"},
		{`C:\temp\new \" \\`, `C:\temp\new \" \\`},
		{"日本 é\t\r\n", "日本 é\t\r\n"},
		{"\ufffd", "\ufffd"},
		{"a\x00b", `a\x00b`},
		{"\xff\xfe", `\xff\xfe`},
		{`\x41`, `\x5cx41`},
		{`\xAF`, `\xAF`}, // Escape never writes upper case
		{`\x4`, `\x4`},
		{"\\\xff", `\\xff`},
		{"\\x4\x00", `\x4\x00`},
		{"\xed\xa0\x80", `\xed\xa0\x80`}, // a surrogate
	} {
		require.Equal(t, tt.want, store.Escape(tt.in))
		require.Equal(t, tt.in, store.Unescape(tt.want))
	}
}

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "plain", `\x5c`, `\\x00`, "\\x\x00", "\xc3\x28", `\x5cx5c`, "é\xe9"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e := store.Escape(s)
		if !utf8.ValidString(e) || strings.ContainsRune(e, 0) {
			t.Fatalf("Escape(%q) = %q does not fit a text column", s, e)
		}
		if back := store.Unescape(e); back != s {
			t.Fatalf("Unescape(Escape(%q)) = %q", s, back)
		}
	})
}
