package indialog

import (
	"fmt"
	"strings"
)

// Bounds on what is sent. Kamailio reads a request over HTTP into
// tcp_rd_buf_size bytes (16384 by default), so all parts together must fit.
const (
	maxText   = 2048 // a URI, a tag, a Call-ID
	maxRoutes = 8192 // a route set
	maxHops   = 32
	maxCSeq   = 1<<31 - 1
)

// unfit holds the bytes that end, or change the meaning of, a value in its
// place. Control bytes are never allowed and not listed.
const (
	// A Call-ID is the whole header body; blanks inside are odd but harmless.
	unfitCallID = ""
	// A URI stands between angle brackets, or alone in the request line.
	unfitURI = " <>\""
	// A tag is a parameter's value. Kamailio's parser (parse_to_param) ends or
	// refuses it at these; a comma it accepts, since some phones use it.
	unfitTag = " ;<>\"\\="
	// A socket is "proto:host:port".
	unfitSocket = " <>\";,@"
)

// checkText refuses an empty or overlong value, control bytes, and the bytes in
// unfit.
func checkText(value, unfit string) error {
	if value == "" {
		return ErrEmpty
	}
	if len(value) > maxText {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrRange, len(value), maxText)
	}
	for i := 0; i < len(value); i++ {
		if isControl(value[i]) {
			return fmt.Errorf("%w: 0x%02x at byte %d", ErrControl, value[i], i)
		}
		if strings.IndexByte(unfit, value[i]) >= 0 {
			return fmt.Errorf("%w: unexpected %q at byte %d", ErrSyntax, value[i], i)
		}
	}
	return nil
}

// checkCallID allows whatever a header body can hold. Blanks at an end would be
// lost on the way.
func checkCallID(value string) error {
	if err := checkText(value, unfitCallID); err != nil {
		return err
	}
	if strings.Trim(value, " ") != value {
		return fmt.Errorf("%w: blank at an end", ErrSyntax)
	}
	return nil
}

// checkLogicalURI is for the URIs in From and To, which are not routed to: any
// scheme is allowed.
func checkLogicalURI(value string) error {
	if err := checkText(value, unfitURI); err != nil {
		return err
	}
	if scheme, rest, found := strings.Cut(value, ":"); !found || scheme == "" || rest == "" {
		return fmt.Errorf("%w: no scheme", ErrSyntax)
	}
	return nil
}

// checkMethod allows upper-case letters: every method that has a place inside a
// dialog is made of them.
func checkMethod(value string) error {
	if value == "" {
		return ErrEmpty
	}
	for i := 0; i < len(value); i++ {
		if value[i] < 'A' || value[i] > 'Z' {
			return fmt.Errorf("%w: unexpected byte at %d", ErrSyntax, i)
		}
	}
	switch value {
	case "INVITE", "ACK", "CANCEL":
		return fmt.Errorf("%w: %s needs more than one request", ErrSyntax, value)
	}
	return nil
}

// checkMarker allows letters, digits and "-._:". The exclamation mark, legal in
// a token, is left out: see escapeMark.
func checkMarker(value string) error {
	if len(value) > maxText {
		return ErrRange
	}
	for i := 0; i < len(value); i++ {
		if !isAlnum(value[i]) && strings.IndexByte("-._:", value[i]) < 0 {
			return fmt.Errorf("%w: unexpected byte at %d", ErrSyntax, i)
		}
	}
	return nil
}

func isControl(c byte) bool { return c < 0x20 || c == 0x7f }

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
