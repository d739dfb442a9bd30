package kamrpc

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/buger/jsonparser"
)

// decodeResponse checks a response and returns its result, raw, or the
// JSON-RPC error.
//
// The result is read with jsonparser, because texts from SIP in it need not be
// UTF-8 and encoding/json would replace their bytes. Its syntax is checked
// before that, since jsonparser reads half an answer as if it were whole.
func decodeResponse(body []byte, method, id string) (result []byte, err error) {
	if !json.Valid(body) || len(body) == 0 || body[0] != '{' {
		return nil, fmt.Errorf("%w: not a JSON object", ErrBadResponse)
	}
	gotID, idType, _, idErr := jsonparser.Get(body, "id")
	sameID := idErr == nil && idType == jsonparser.String && string(gotID) == id
	noID := errors.Is(idErr, jsonparser.KeyPathNotFoundError) || idType == jsonparser.Null

	object, errType, _, objErr := jsonparser.Get(body, "error")
	if objErr == nil && errType == jsonparser.Object {
		// The id is left out where the request could not be read (JSON-RPC 2.0,
		// section 5).
		if !sameID && !noID {
			return nil, fmt.Errorf("%w: error for another request", ErrBadResponse)
		}
		return nil, decodeError(object, method)
	}
	if !sameID {
		return nil, fmt.Errorf("%w: id of another request, or none", ErrBadResponse)
	}
	result, resultType, _, resErr := jsonparser.Get(body, "result")
	if resErr != nil {
		return nil, fmt.Errorf("%w: neither result nor error", ErrBadResponse)
	}
	if resultType == jsonparser.String {
		result = append(append([]byte{'"'}, result...), '"')
	}
	return result, nil
}

func decodeError(object []byte, method string) error {
	code, err := jsonparser.GetInt(object, "code")
	if err != nil {
		return fmt.Errorf("%w: error without code", ErrBadResponse)
	}
	message, err := jsonparser.GetString(object, "message")
	if err != nil {
		message = ""
	}
	return &Error{Method: method, Code: int(code), Message: message}
}

// uint32At reads a number of Kamailio's "d" format, which prints an unsigned
// value above 2^31 as a negative one.
func uint32At(object []byte, key string) (uint32, error) {
	value, kind, _, err := jsonparser.Get(object, key)
	if err != nil || kind != jsonparser.Number {
		return 0, fmt.Errorf("%w: no number %q", ErrBadResponse, key)
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || n < -1<<31 || n >= 1<<32 {
		return 0, fmt.Errorf("%w: number %q is out of range", ErrBadResponse, key)
	}
	return uint32(n), nil
}

// stringAt reads a text, unescaped, with all its bytes.
func stringAt(object []byte, path ...string) (string, error) {
	value, err := jsonparser.GetString(object, path...)
	if err != nil {
		return "", fmt.Errorf("%w: no text %q", ErrBadResponse, path[len(path)-1])
	}
	return value, nil
}

// isObject says whether raw is a JSON object, and whether it has no member.
func isObject(raw []byte) (empty, ok bool) {
	if len(raw) == 0 || raw[0] != '{' {
		return false, false
	}
	for _, c := range raw[1:] {
		switch c {
		case ' ', '\t', '\r', '\n':
		default:
			return c == '}', true
		}
	}
	return false, false
}

// isArray says whether raw is a JSON array.
func isArray(raw []byte) bool { return len(raw) > 0 && raw[0] == '[' }
