package kamrpc

import (
	"errors"
	"fmt"
)

// ErrBadResponse means that an answer came that is none: not JSON-RPC, cut
// short, too long, for another question, or without what was asked for.
var ErrBadResponse = errors.New("bad response")

// ErrUnsendable means that a text cannot be put into JSON so that Kamailio reads
// it back byte for byte: it holds a NUL.
var ErrUnsendable = errors.New("text with a zero byte cannot be sent")

// ErrUnfit means that what answers lacks what byeguard needs, so that asking again
// is no use: a Kamailio without one of [Needed], or something that is no
// JSON-RPC at all. Silence and failures (5xx, half an answer) prove no such thing.
var ErrUnfit = errors.New("no JSON-RPC that byeguard can work with")

// Error is Kamailio's refusal of a command: a JSON-RPC error object, or a plain
// HTTP 4xx. The command was not carried out.
type Error struct {
	Method  string // RPC command
	Code    int    // JSON-RPC error code, often a SIP-like one ("400"); else the HTTP status
	Message string
}

// Error returns method, code and message.
func (e *Error) Error() string {
	return fmt.Sprintf("call %s: kamailio answers %d %q", e.Method, e.Code, e.Message)
}

// Rejected is always true: the proxy said no, asking again the same way is no
// use.
func (e *Error) Rejected() bool { return true }

// TransportError means that no usable answer came.
type TransportError struct {
	Method string // RPC command
	Sent   bool   // Kamailio may have got the request
	Err    error
}

// Error returns method and cause.
func (e *TransportError) Error() string {
	return fmt.Sprintf("call %s: %v", e.Method, e.Err)
}

// Unwrap returns the cause.
func (e *TransportError) Unwrap() error { return e.Err }

// NotSent says that Kamailio cannot have got the request: it may be repeated
// even where doing it twice would do harm.
func (e *TransportError) NotSent() bool { return !e.Sent }
