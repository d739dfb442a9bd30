package alert

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText bounds one text of a message: a Call-ID may be as long as a datagram.
const maxText = 300

// plain makes one printable line of a text: whatever could begin a new line,
// turn the writing direction or hide becomes a space or goes, and what is too
// long is cut. It is the first encoder of every place but JSON.
func plain(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > maxText {
			b.WriteString("…")
			break
		}
		switch {
		case r == utf8.RuneError:
			b.WriteByte('?')
		case unicode.IsSpace(r), unicode.IsControl(r):
			b.WriteByte(' ')
		case unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r): // bidi marks, zero width
		default:
			b.WriteRune(r)
		}
	}
	return strings.TrimSpace(b.String())
}

// slackSafe is a text for Slack's mrkdwn, and for the Markdown of those who
// take Slack's webhooks: in a code span nothing is formatted, linked or mentioned, and
// a backquote cannot end it. <, > and & are what Slack itself asks to be
// escaped (api.slack.com/reference/surfaces/formatting, "Escaping text").
func slackSafe(s string) string {
	s = plain(s)
	if s == "" {
		return ""
	}
	code := strings.ContainsAny(s, "*_~`@#:/[]()!|\\<>&")
	s = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "'").Replace(s)
	if code {
		return "`" + s + "`"
	}
	return s
}
