package kamailiocfg_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// event is one frame of ours, decoded with encoding/json.
type event map[string]any

// text returns the bytes of a base64 key.
func (e event) text(key string) string {
	s, _ := e[key].(string)
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return "not base64: " + s
	}
	return string(b)
}

// num returns a number; keys that are not there are 0.
func (e event) num(key string) int64 {
	n, _ := e[key].(json.Number)
	v, err := strconv.ParseInt(string(n), 10, 64)
	if err != nil {
		f, _ := n.Float64()
		return int64(f)
	}
	return v
}

func (e event) kind() string { s, _ := e["k"].(string); return s }

// reader is a minimal evapi client.
type reader struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

func dialEvapi(tb testing.TB, addr string) *reader {
	tb.Helper()
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	require.NoError(tb, err)
	tb.Cleanup(func() { c.Close() })
	return &reader{t: tb, conn: c, r: bufio.NewReaderSize(c, 1<<20)}
}

// hello connects as byeguard does and returns the answer too.
func hello(tb testing.TB, p *proxy) (*reader, event) {
	tb.Helper()
	r := dialEvapi(tb, p.evapi)
	r.send("byeguard hello 1 test")
	e := r.next()
	require.Equal(tb, "hello", e.kind())
	return r, e
}

func (r *reader) send(body string) {
	r.t.Helper()
	_, err := fmt.Fprintf(r.conn, "%d:%s,", len(body), body)
	require.NoError(r.t, err)
}

func (r *reader) ack(e event) { r.send("byeguard ack " + string(e["r"].(json.Number))) }

// frame reads one netstring; an error is a timeout or a broken frame.
func (r *reader) frame(wait time.Duration) (string, error) {
	r.conn.SetReadDeadline(time.Now().Add(wait))
	size, err := r.r.ReadString(':')
	if err != nil {
		return "", err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(size, ":"))
	if err != nil {
		return "", fmt.Errorf("frame length: %w", err)
	}
	body := make([]byte, n+1)
	if _, err := io.ReadFull(r.r, body); err != nil {
		return "", err
	}
	if body[n] != ',' {
		return "", fmt.Errorf("frame ends with %q", body[n])
	}
	return string(body[:n]), nil
}

// next returns the next frame, which must be a valid event.
func (r *reader) next() event {
	r.t.Helper()
	body, err := r.frame(5 * time.Second)
	require.NoError(r.t, err)
	return decode(r.t, body)
}

func decode(tb testing.TB, body string) event {
	tb.Helper()
	require.True(tb, strings.HasPrefix(body, `{"bg":1,`), body)
	for _, c := range []byte(body) {
		require.True(tb, c >= 0x20 && c < 0x7f, "byte %#x in %q", c, body)
	}
	dec := json.NewDecoder(strings.NewReader(body))
	dec.UseNumber()
	e := event{}
	require.NoError(tb, dec.Decode(&e), body)
	_, err := dec.Token()
	require.ErrorIs(tb, err, io.EOF, body)
	return e
}

// until reads and acknowledges events up to and including the first of that kind.
func (r *reader) until(kind string) []event {
	r.t.Helper()
	var got []event
	for {
		e := r.next()
		r.ack(e)
		got = append(got, e)
		if e.kind() == kind {
			return got
		}
	}
}

// silent requires that nothing comes: a sync is answered at once and alone.
func (r *reader) synced() event {
	r.t.Helper()
	r.send("byeguard sync")
	e := r.next()
	require.Equal(r.t, "sync", e.kind(), "an event came before the sync: %v", e)
	return e
}

func kinds(events []event) []string {
	var k []string
	for _, e := range events {
		k = append(k, e.kind())
	}
	return k
}
