package evapi

import (
	"errors"
	"strconv"
)

// Errors of framing. Both mean that the place in the stream is lost: the only
// way on is a new connection. Kamailio logs a short write at debug level only,
// so this is how a torn stream shows itself.
var (
	// ErrFrameSyntax is returned where a netstring is malformed: no digits, a
	// leading zero, a sign, or no comma at the end.
	ErrFrameSyntax = errors.New("malformed netstring")
	// ErrFrameTooLong is returned for a netstring longer than the reader's
	// limit, before any memory is made for it.
	ErrFrameTooLong = errors.New("netstring longer than the limit")
)

// Errors of one frame. The stream goes on after them.
var (
	// ErrForeign is returned for a frame that is not byeguard's: an operator's
	// untagged evapi_relay reaches every client.
	ErrForeign = errors.New("frame of another evapi client")
	// ErrVersion is returned for a byeguard frame of another protocol version.
	// In place of the answer to hello it ends the connection.
	ErrVersion = errors.New("protocol version not supported: byeguard and byeguard-routes.cfg do not fit together")
)

// Errors that end a connection. [Client.Run] hands them to
// [Handler.Disconnected] and connects again.
var (
	// ErrNotByeguard says that something listens but does not answer hello.
	ErrNotByeguard = errors.New("no answer to hello")
	// ErrNode says that the node calls itself otherwise than it was configured.
	ErrNode = errors.New("node name differs")
	// ErrDead says that the node answered no sync, or sent none.
	ErrDead = errors.New("no sync")
	// ErrSilent says that no datagram ever came.
	ErrSilent = errors.New("no datagram")
	// ErrSlow says that the handler refused a batch.
	ErrSlow = errors.New("events not taken by the handler")
	// ErrWrite says that an acknowledgement could not be written in time.
	ErrWrite = errors.New("write to evapi failed or blocked")
	// ErrBoot says that events of another boot came without a new hello.
	ErrBoot = errors.New("boot identity changed within a connection")
	// ErrEarly says that too many events came before the answer to hello.
	ErrEarly = errors.New("too many events before the answer to hello")
)

// DecodeError says which key of a frame is wrong. The frame is byeguard's by
// its first bytes but is not understood, so it is counted as bad; the stream
// goes on.
type DecodeError struct {
	Key     string // the wire key; "" where the JSON itself is broken
	Problem string // what is wrong with it
}

// Error names the key and the problem; the key is quoted, for it may be hostile.
func (e *DecodeError) Error() string {
	if e.Key == "" {
		return "decode event: " + e.Problem
	}
	return "decode event: key " + strconv.Quote(e.Key) + ": " + e.Problem
}
