package store

import (
	"bytes"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/byeguard/byeguard/pkg/call"
)

// SIP texts may be invalid UTF-8, which CBOR's text strings should not be: the
// blobs are our own, so both sides agree to let them pass.
var (
	encMode = must(cbor.EncOptions{}.UserBufferEncMode())
	decMode = must(cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // the options are constants
	}
	return v
}

// encodeTo appends v to buf as CBOR.
func encodeTo(buf *bytes.Buffer, v any) error {
	if err := encMode.MarshalToBuffer(v, buf); err != nil {
		return fmt.Errorf("encode %T: %w", v, err)
	}
	return nil
}

func decodeCall(blob []byte) (*call.Call, error) {
	c := new(call.Call)
	if err := decMode.Unmarshal(blob, c); err != nil {
		return nil, fmt.Errorf("decode call: %w", err)
	}
	return c, nil
}

func decodeCommand(blob []byte) (call.Command, error) {
	var c call.Command
	if err := decMode.Unmarshal(blob, &c); err != nil {
		return call.Command{}, fmt.Errorf("decode command: %w", err)
	}
	return c, nil
}
