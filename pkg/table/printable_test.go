package table_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/table"
)

func TestPrintable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                  "",
		"plain text":        "plain text",
		`a\b`:               `a\b`,
		`a\x1b`:             `a\x5cx1b`,
		`a\u{202e}`:         `a\x5cu{202e}`,
		`a\u{110000}`:       `a\u{110000}`, // no character
		"\x1b[31m":          `\x1b[31m`,
		"a\tb\r\n\x00\x7f":  `a\x09b\x0d\x0a\x00\x7f`,
		"\u009b2J":          `\u{9b}2J`,
		"\u202eabc":         `\u{202e}abc`,
		"\u2028":            `\u{2028}`,
		"\U000e0041":        `\u{e0041}`,
		"Zoë 日本 😀":          "Zoë 日本 😀",
		"\xff\xfe":          `\xff\xfe`,
		"\xc3":              `\xc3`,
		"\ufffd":            "\ufffd",
		"\xed\xa0\x80 half": `\xed\xa0\x80 half`,
	} {
		got := table.Printable(in)
		require.Equal(t, want, got)
		require.Equal(t, in, table.Unprintable(got))
	}
}

func TestExact(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":             "",
		"\x1b\t日":      "\x1b\t日",
		"\xff\x00":     `\xff\x00`,
		`\x1b`:         `\x5cx1b`,
		`\u{9b} \ \\`:  `\u{9b} \ \\`,
		"\\\xff":       `\\xff`,
		"tail\\x1":     `tail\x1`,
		"\\x\xff":      `\x\xff`,
		"upper \\xFF.": `upper \xFF.`,
	} {
		require.Equal(t, want, table.Exact(in), "%q", in)
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("\x1b[31m\xff\u009b\\x1b\\u{9b}")
	f.Add(`\x5c\x5cx41\u{`)
	f.Fuzz(func(t *testing.T, s string) {
		shown := table.Printable(s)
		for _, r := range shown {
			if !unicode.IsPrint(r) {
				t.Fatalf("%q shows %q", s, r)
			}
		}
		if back := table.Unprintable(shown); back != s {
			t.Fatalf("%q came back as %q by way of %q", s, back, shown)
		}
		if !utf8.ValidString(table.Exact(s)) {
			t.Fatalf("%q is no UTF-8", table.Exact(s))
		}
		cell := table.Cell(s)
		if cell != "" && strings.ContainsRune("=+@\t\r\n", rune(cell[0])) && (cell[0] != '+' || len(cell) == 1 || strings.Trim(cell[1:], "0123456789") != "") {
			t.Fatalf("%q is a formula", cell)
		}
		text, err := table.Object([]table.Column[string]{{Key: "s", Value: func(s *string) any { return *s }}}, &s)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range string(text) {
			if !unicode.IsPrint(r) {
				t.Fatalf("%s has %q", text, r)
			}
		}
		var back struct{ S string }
		if err := json.Unmarshal(text, &back); err != nil || back.S != table.Exact(s) {
			t.Fatalf("%s: %q, %v", text, back.S, err)
		}
	})
}
