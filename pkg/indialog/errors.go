package indialog

import "errors"

// Reasons why a value is refused; [FieldError] wraps one of them.
var (
	// ErrEmpty means that a value is missing that every request needs.
	ErrEmpty = errors.New("is empty")
	// ErrControl means that a value holds a control byte (0x00-0x1f, 0x7f), CR
	// and LF first of all. Sent in a header, it could begin another one.
	ErrControl = errors.New("holds a control byte")
	// ErrSyntax means that a value holds a byte, or lacks one, so that the proxy
	// would read it as something else.
	ErrSyntax = errors.New("is malformed")
	// ErrScheme means that a URI to be routed to is neither sip nor sips.
	ErrScheme = errors.New("is not a sip or sips URI")
	// ErrRange means that a number or length is out of its range.
	ErrRange = errors.New("is out of range")
)

// FieldError says which field of a [Dialog] cannot be sent, and why. The value
// itself is not part of the text: it is hostile.
type FieldError struct {
	Field string // name of the field of Dialog
	Err   error  // wraps one of the reasons of this package
}

// Error returns "build request: <field> <reason>".
func (e *FieldError) Error() string {
	return "build request: " + e.Field + " " + e.Err.Error()
}

// Unwrap returns the reason.
func (e *FieldError) Unwrap() error { return e.Err }
