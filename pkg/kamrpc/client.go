package kamrpc

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"
)

// Client talks to one Kamailio. It is safe for concurrent use; Close it at the
// end.
type Client struct {
	o      Options
	prefix string // of request ids, different in each process
	last   atomic.Uint64

	// Questions and waiting requests have connections of their own: hundreds of
	// BYEs that wait for an answer must not keep a question from being asked.
	quick, waits *http.Client
}

// New returns a client. It does not connect yet.
func New(o Options) (*Client, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	var random [6]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, fmt.Errorf("make request id: %w", err)
	}
	return &Client{
		o: o, prefix: "byeguard-" + hex.EncodeToString(random[:]),
		quick: newHTTP(o, o.MaxConns), waits: newHTTP(o, o.MaxWaits),
	}, nil
}

func newHTTP(o Options, conns int) *http.Client {
	dialer := &net.Dialer{Timeout: o.DialTimeout}
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			MaxConnsPerHost:        conns,
			MaxIdleConnsPerHost:    conns,
			IdleConnTimeout:        o.Idle,
			MaxResponseHeaderBytes: 16 << 10,
			DisableCompression:     true,
		},
		// A redirect would send the command somewhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Close drops idle connections. Calls under way go on.
func (c *Client) Close() {
	c.quick.CloseIdleConnections()
	c.waits.CloseIdleConnections()
}

// ask calls a command that changes nothing.
func (c *Client) ask(ctx context.Context, method string, params ...any) ([]byte, error) {
	return c.call(ctx, c.quick, c.o.Timeout, c.o.MaxResponse, true, method, params)
}

// callLong is ask for an answer that is longer, and takes longer, than others.
func (c *Client) callLong(ctx context.Context, timeout time.Duration, most int64, method string, params ...any) ([]byte, error) {
	return c.call(ctx, c.quick, max(timeout, c.o.Timeout), max(most, c.o.MaxResponse), true, method, params)
}

// call sends a command and returns its result, raw, or an [*Error] or
// [*TransportError]. harmless says that the HTTP client may send it twice when
// Kamailio has just closed an idle connection; most bounds the answer in bytes.
func (c *Client) call(ctx context.Context, via *http.Client, timeout time.Duration, most int64, harmless bool,
	method string, params []any) ([]byte, error) {
	id := newID(c.prefix, c.last.Add(1))
	body, err := appendRequest(make([]byte, 0, 1024), id, method, params)
	if err != nil {
		return nil, &TransportError{Method: method, Err: err}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %v", timeout))
	defer cancel()

	var sent atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace),
		http.MethodPost, c.o.URL, bytes.NewReader(body))
	if err != nil {
		return nil, &TransportError{Method: method, Err: err}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "byeguard")
	if harmless {
		req.Header["Idempotency-Key"] = nil // marks it for net/http, is not sent
	}
	resp, err := via.Do(req)
	if err != nil {
		return nil, &TransportError{Method: method, Sent: sent.Load(), Err: cause(ctx, err)}
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	switch {
	case err != nil:
		err = fmt.Errorf("%w: cut short: %w", ErrBadResponse, cause(ctx, err))
	case int64(len(answer)) > most:
		err = fmt.Errorf("%w: more than %d bytes", ErrBadResponse, most)
	default:
		var result []byte
		if result, err = decodeResponse(answer, method, id); err == nil && resp.StatusCode/100 == 2 {
			return result, nil
		}
		err = judge(resp.StatusCode, err, method)
	}
	var refused *Error
	if errors.As(err, &refused) {
		return nil, refused
	}
	return nil, &TransportError{Method: method, Sent: true, Err: err}
}

// judge makes an error of an HTTP response that is no result. Kamailio gives its
// refusals an HTTP status too, and error 600, say, means nothing to HTTP: the
// body decides. A 4xx of anybody else is a refusal as well.
func judge(status int, err error, method string) error {
	var refused *Error
	if errors.As(err, &refused) {
		return err
	}
	if status/100 == 4 {
		return &Error{Method: method, Code: status, Message: http.StatusText(status) +
			" (does event_route[xhttp:request] call jsonrpc_dispatch?)"}
	}
	if status/100 != 2 {
		return fmt.Errorf("%w: http status %d", ErrBadResponse, status)
	}
	return err
}

// cause tells of our own time-out rather than of what it did to a socket, and
// takes the URL off the HTTP client's errors.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		if reason := context.Cause(ctx); reason != nil && !errors.Is(reason, ctx.Err()) {
			return fmt.Errorf("%w: %w", reason, ctx.Err())
		}
		return ctx.Err()
	}
	if text := err.Error(); strings.HasPrefix(text, "Post ") {
		if inner := errors.Unwrap(err); inner != nil {
			return inner
		}
	}
	return err
}
