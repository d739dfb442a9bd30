package billing_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/billing"
)

func TestNumber(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"sip:+4930123456@carrier.example":             "+4930123456",
		"sip:+49-30-12.34(56)@c;user=phone":           "+4930123456",
		"sips:0049301234@c:5061":                      "0049301234",
		"tel:+49-30-123456;phone-context=example.com": "+4930123456",
		"TEL:110":                         "110",
		"sip:alice@host":                  "alice",
		"sip:al-ice.b@host":               "al-ice.b",
		"sip:%2B4930@h":                   "+4930",
		"sip:123;npdi;rn=+49@h":           "123",
		"sip:bob:secret@h":                "bob",
		"\"A\" <sip:+4930123@h>;tag=1":    "+4930123",
		"sip:host.example":                "host.example",
		"":                                "",
		"sip:@h":                          "",
		"sip:anonymous@anonymous.invalid": "anonymous",
	} {
		require.Equal(t, want, billing.Number(uri), uri)
	}
}

func TestMask(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"sip:+4930123456@carrier.example": "sip:+4930******@carrier.example",
		"sip:+4915112345678901@h;x=1":     "sip:+49151***********@h;x=1",
		"tel:+4930123456;ext=7":           "tel:+4930******;ext=7",
		"<sip:110@h>;tag=5":               "<sip:1**@h>;tag=5",
		"\"+4930123\" <sip:+4930123@h>":   "<sip:+493****@h>",
		"sip:host.example":                "sip:host.example",
		"sip:jürgen@h":                    "sip:jü****@h",
	} {
		require.Equal(t, want, billing.MaskURI(in), in)
	}
	require.Equal(t, "+4930*****", billing.MaskNumber("+493012345"))
	require.Empty(t, billing.MaskNumber(""))
	require.Equal(t, "*", billing.MaskNumber("1"))
}

func FuzzNumber(f *testing.F) {
	f.Add("sip:+4930123456@h;user=phone")
	f.Add("<tel:+49(30)1>;x")
	f.Fuzz(func(t *testing.T, s string) {
		if n := billing.Number(s); len(n) > len(s) {
			t.Fatalf("%q became %q", s, n)
		}
		if m := billing.MaskURI(s); utf8.ValidString(s) && !utf8.ValidString(m) {
			t.Fatalf("%q became %q", s, m)
		}
		if m := billing.MaskNumber(s); len(s) > 12 && strings.HasPrefix(m, s[:7]) && s[6] != '*' {
			t.Fatalf("%q became %q", s, m)
		}
		if c := billing.Q850(s); c < 0 || c > 127 {
			t.Fatalf("%q gave %d", s, c)
		}
	})
}

func TestQ850(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]int{
		`Q.850;cause=16;text="Terminated"`:              16,
		`q.850 ; text="a,b;cause=99" ; Cause = 31`:      31,
		`SIP;cause=200;text="Call completed elsewhere"`: 0,
		`SIP ;cause=486 ;text="Busy", Q.850 ;cause=17`:  17,
		`Q.850;cause=128`:                               0,
		`Q.850;cause=-1, Q.850;cause=x`:                 0,
		`Q.850`:                                         0,
		`Q.850;cause`:                                   0,
		"":                                              0,
		"Busy Here":                                     0,
		`X;text="unclosed;Q.850;cause=16`:               0,
		`X;text="say \"Q.850, Q.850;cause=1\" loud", Q.850;cause=38`: 38,
	} {
		require.Equal(t, want, billing.Q850(header), header)
	}
}
