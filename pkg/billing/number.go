package billing

import "strings"

// Number returns who a SIP or tel URI names: its user part without parameters
// and without a phone number's visual separators (RFC 3966 section 5.1.1), the
// host where there is no user. A leading 00 stays: what it means depends on who
// dials.
func Number(uri string) string {
	s := uri
	if i := strings.IndexByte(s, '<'); i >= 0 {
		s, _, _ = strings.Cut(s[i+1:], ">")
	}
	scheme, rest, ok := strings.Cut(s, ":")
	if ok && len(scheme) <= 4 {
		s = rest
	}
	user, _, hasHost := strings.Cut(s, "@")
	if hasHost {
		s = user
	}
	if i := strings.IndexAny(s, ";?"); i >= 0 {
		s = s[:i]
	}
	if hasHost {
		s, _, _ = strings.Cut(s, ":") // a password
	}
	if strings.HasPrefix(s, "%2B") || strings.HasPrefix(s, "%2b") {
		s = "+" + s[3:]
	}
	if !isDialled(s) {
		return s
	}
	if !strings.ContainsAny(s, separators) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(separators, r) {
			return -1
		}
		return r
	}, s)
}

const separators = "-.()"

// isDialled says that s reads as a phone number.
func isDialled(s string) bool {
	digits := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c == '+' && i == 0, strings.IndexByte(separators, c) >= 0:
		default:
			return false
		}
	}
	return digits >= 3
}

// international reads a leading 00 as +, as prefixes are compared.
func international(number string) string {
	if rest, ok := strings.CutPrefix(number, "00"); ok {
		return "+" + rest
	}
	return number
}

// Masking keeps at most so many characters of a number: enough for the country
// and the kind of line, too few for the person.
const keepOfNumber = 6

// MaskNumber hides the second half of a number or name, and all beyond its
// sixth character, behind one * for each character.
func MaskNumber(s string) string {
	keep := min(len(s)/2, keepOfNumber)
	for keep > 0 && s[keep]&0xc0 == 0x80 { // not within a character
		keep--
	}
	n := 0
	for range s[keep:] {
		n++
	}
	return s[:keep] + strings.Repeat("*", n)
}

// MaskURI hides who a SIP or tel URI names; scheme and host stay.
func MaskURI(uri string) string {
	from, end := 0, len(uri)
	if i := strings.IndexByte(uri, '<'); i >= 0 {
		if i > 0 {
			uri = uri[i:] // the display name may be a number too
		}
		from, end = 1, len(uri)
	}
	if i := strings.IndexByte(uri[from:], ':'); i >= 0 && i <= 4 {
		from += i + 1
	}
	at := strings.IndexByte(uri[from:], '@')
	switch {
	case at >= 0:
		end = from + at
	case strings.HasPrefix(strings.ToLower(strings.TrimPrefix(uri, "<")), "tel:"):
		if i := strings.IndexAny(uri[from:], ";>?"); i >= 0 {
			end = from + i
		}
	default:
		return uri // a host alone
	}
	return uri[:from] + MaskNumber(uri[from:end]) + uri[end:]
}
