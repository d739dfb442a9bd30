package kamrpc

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/buger/jsonparser"

	"github.com/byeguard/byeguard/pkg/indialog"
)

// UACWait hands a request to tm.t_uac_wait and waits for its final reply, at
// most UACTimeout.
//
// Code 408 may be the far side's answer or, where nothing came, Kamailio's own.
// An [*Error] means that Kamailio did not send the request. A [*TransportError]
// with Sent means that it may have, and that the reply is not known.
//
// A request with SelfRouting set makes it ask for the version first: from 6.1 on
// tm.t_uac_wait reads the Route header and swaps targets for a strict router.
func (c *Client) UACWait(ctx context.Context, r indialog.Request) (indialog.Reply, error) {
	const method = "tm.t_uac_wait"
	if r.SelfRouting != nil {
		version, err := c.Version(ctx)
		if err != nil {
			return indialog.Reply{}, unsent(err)
		}
		if selfRouting(version) {
			r = *r.SelfRouting
		}
	}
	result, err := c.call(ctx, c.waits, c.o.UACTimeout, c.o.MaxResponse, false, method,
		[]any{r.Method, r.RequestURI, r.NextHop, r.Socket, r.Headers})
	if err != nil {
		return indialog.Reply{}, err
	}
	reply, err := decodeReply(result)
	if err != nil {
		return indialog.Reply{}, &TransportError{Method: method, Sent: true, Err: err}
	}
	return reply, nil
}

// decodeReply reads "[code, reason, ...]". The rest (new target, route set,
// header block) depends on the kind of reply and is not used.
func decodeReply(result []byte) (indialog.Reply, error) {
	bad := fmt.Errorf("%w: no code and reason", ErrBadResponse)
	if !isArray(result) {
		return indialog.Reply{}, bad
	}
	code, err := jsonparser.GetInt(result, "[0]")
	if err != nil || code < 200 || code > 699 {
		return indialog.Reply{}, bad
	}
	reason, err := jsonparser.GetString(result, "[1]")
	if err != nil {
		return indialog.Reply{}, bad
	}
	return indialog.Reply{Code: int(code), Reason: reason}, nil
}

// unsent marks an error of a question that came before the request.
func unsent(err error) error {
	var failed *TransportError
	if errors.As(err, &failed) {
		return &TransportError{Method: failed.Method, Err: failed.Err}
	}
	return err
}

// selfRouting says whether "kamailio 6.1.4 (x86_64/linux)" is 6.1 or later.
func selfRouting(version string) bool {
	_, number, _ := strings.Cut(version, " ")
	first, rest, _ := strings.Cut(number, ".")
	second, _, _ := strings.Cut(rest, ".")
	major, err1 := strconv.Atoi(first)
	minor, err2 := strconv.Atoi(second)
	return err1 == nil && err2 == nil && (major > 6 || major == 6 && minor >= 1)
}
