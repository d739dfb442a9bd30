package kamrpc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/indialog"
	"github.com/byeguard/byeguard/pkg/kamrpc"
)

const oneDialog = `{"h_entry":1,"h_id":2,"call-id":"x","from_uri":"sip:a@h","to_uri":"sip:b@h","state":4,"start_ts":1,"init_ts":1,
	"caller":{"tag":"a","contact":"sip:a@h","cseq":"1","route_set":"","socket":"udp:h:1"},
	"callee":{"tag":"b","contact":"sip:b@h","cseq":"0","route_set":"","socket":"udp:h:1"}}`

// fakeBoot is when the Kamailio of these answers started: one moment, however
// long a test takes.
var fakeBoot = time.Now().Unix() - 100

// wellAnswers is what a Kamailio in order answers.
func wellAnswers(method string) string {
	now := time.Now().UTC()
	return map[string]string{
		"tm.t_uac_wait":      `[200,"OK","","",""]`,
		"dlg.dlg_list":       strings.Replace(oneDialog, `"h_id":2`, `"h_id":3`, 1), // a spiral's other dialog: list_match is asked
		"dlg.list_match":     "[" + oneDialog + "]",
		"core.uptime":        fmt.Sprintf(`{"now":%q,"up_since":"x","uptime":%d}`, now.Format(time.ANSIC), now.Unix()-fakeBoot),
		"core.version":       `"kamailio 5.6.3 (x86_64/linux)"`,
		"core.modules":       `["tm.so","topos.so"]`,
		"system.listMethods": `["core.modules","core.uptime","dlg.dlg_list","dlg.list_match","tm.t_uac_wait"]`,
	}[method]
}

// use is something byeguard does by one command.
type use struct {
	name, method string
	do           func(ctx context.Context, k *kamrpc.Client, boot int64) error
}

// uses are all of them, and for each what must not follow from a bad answer.
func uses() []use {
	uac := func(method string) func(context.Context, *kamrpc.Client, int64) error {
		return func(ctx context.Context, k *kamrpc.Client, _ int64) error {
			reply, err := k.UACWait(ctx, indialog.Request{Method: method, RequestURI: "sip:b@h", NextHop: ".", Socket: ".", Headers: "From: <sip:a@h>\r\n"})
			if err != nil && reply != (indialog.Reply{}) {
				return errors.New("a reply although there is none")
			}
			return err
		}
	}
	holds := func(ctx context.Context, k *kamrpc.Client, boot int64) error {
		held, err := k.Holds(ctx, call.Question{CallID: "x", Boot: boot, Dialog: call.DialogID{Entry: 1, ID: 2}})
		if err != nil && held != call.HeldUnknown || err == nil && held != call.HeldYes {
			return fmt.Errorf("held: %v, %w", held, err)
		}
		return err
	}
	return []use{
		{"BYE", "tm.t_uac_wait", uac("BYE")},
		{"OPTIONS", "tm.t_uac_wait", uac("OPTIONS")},
		{"is it held", "dlg.dlg_list", holds},
		{"is any held", "dlg.list_match", holds},
		{"held by which run", "core.uptime", holds},
		{"snapshot", "dlg.list_match", func(ctx context.Context, k *kamrpc.Client, boot int64) error {
			return k.Snapshot(ctx, boot, func(context.Context, time.Duration) error { return nil }, func([]call.Event) {})
		}},
		{"snapshot of which run", "core.uptime", func(ctx context.Context, k *kamrpc.Client, boot int64) error {
			return k.Snapshot(ctx, boot, func(context.Context, time.Duration) error { return nil }, func([]call.Event) {})
		}},
		{"uptime", "core.uptime", func(ctx context.Context, k *kamrpc.Client, _ int64) error {
			up, err := k.Uptime(ctx)
			if err != nil && up != (kamrpc.Uptime{}) {
				return errors.New("an uptime although there is none")
			}
			return err
		}},
		{"check", "system.listMethods", func(ctx context.Context, k *kamrpc.Client, _ int64) error { return k.Check(ctx) }},
		{"hiding", "core.modules", func(ctx context.Context, k *kamrpc.Client, _ int64) error {
			found, err := k.Hiding(ctx)
			if err == nil && len(found) != 1 {
				return fmt.Errorf("found %v", found)
			}
			return err
		}},
		{"version", "core.version", func(ctx context.Context, k *kamrpc.Client, _ int64) error {
			_, err := k.Version(ctx)
			return err
		}},
	}
}

// answer is what the server does with one request.
type answer func(w http.ResponseWriter, r *http.Request, id, result string)

func well(w http.ResponseWriter, _ *http.Request, id, result string) {
	fmt.Fprintf(w, `{"jsonrpc":"2.0","result":%s,"id":%q}`, result, id)
}

// take hijacks the connection.
func take(w http.ResponseWriter) net.Conn {
	c, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	return c
}

// reset ends a connection by RST.
func reset(c net.Conn) {
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
}

// TestHostileAnswers: whatever the far side does to any of the commands, the
// answer is an error within its time, nothing is concluded from it, no request
// goes out a second time, and the client works again when the far side does.
func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	const timeout = 300 * time.Millisecond
	status := func(code int, body string) answer {
		return func(w http.ResponseWriter, _ *http.Request, id, _ string) {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, strings.ReplaceAll(body, "ID", id))
		}
	}
	whole := func(id, result string) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","result":%s,"id":%q}`, result, id)
	}
	faults := map[string]answer{
		"silent": func(_ http.ResponseWriter, r *http.Request, _, _ string) { <-r.Context().Done() },
		"drips": func(w http.ResponseWriter, r *http.Request, id, result string) {
			for _, b := range []byte(whole(id, result)) {
				_, _ = w.Write([]byte{b})
				w.(http.Flusher).Flush()
				select {
				case <-time.After(50 * time.Millisecond):
				case <-r.Context().Done():
					return
				}
			}
		},
		"headers and no more": func(w http.ResponseWriter, r *http.Request, _, _ string) {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
		"never ends": func(w http.ResponseWriter, r *http.Request, id, _ string) {
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, strings.Repeat("x", 64<<10)); err != nil {
					return
				}
			}
		},
		"endless headers": func(w http.ResponseWriter, _ *http.Request, _, _ string) {
			c := take(w)
			defer c.Close()
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			for range 10_000 {
				if _, err := io.WriteString(c, "X-X: "+strings.Repeat("x", 1000)+"\r\n"); err != nil {
					return
				}
			}
		},
		"endless provisional": func(w http.ResponseWriter, _ *http.Request, _, _ string) {
			c := take(w)
			defer c.Close()
			for range 100_000 {
				if _, err := io.WriteString(c, "HTTP/1.1 103 Early Hints\r\n\r\n"); err != nil {
					return
				}
			}
		},
		"no HTTP": func(w http.ResponseWriter, _ *http.Request, _, _ string) {
			c := take(w)
			_, _ = io.WriteString(c, "SIP/2.0 200 OK\r\n\r\n")
			c.Close()
		},
		"hangs up": func(w http.ResponseWriter, _ *http.Request, _, _ string) { take(w).Close() },
		"reset":    func(w http.ResponseWriter, _ *http.Request, _, _ string) { reset(take(w)) },
		"reset within": func(w http.ResponseWriter, _ *http.Request, id, result string) {
			c, text := take(w), whole(id, result)
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text[:len(text)/2])
			reset(c)
		},
		"half, and says it is whole": func(w http.ResponseWriter, _ *http.Request, id, result string) {
			text := whole(id, result)
			_, _ = io.WriteString(w, text[:len(text)-len(id)/2-2])
		},
		"half the result": func(w http.ResponseWriter, r *http.Request, id, result string) {
			well(w, r, id, result[:len(result)/2])
		},
		"twice": func(w http.ResponseWriter, r *http.Request, id, result string) {
			well(w, r, id, result)
			well(w, r, id, result)
		},
		"id of before": func(w http.ResponseWriter, r *http.Request, id, result string) {
			well(w, r, id[:len(id)-1]+"!", result)
		},
		"longer id": func(w http.ResponseWriter, r *http.Request, id, result string) { well(w, r, id+"0", result) },
		"no id": func(w http.ResponseWriter, _ *http.Request, _, result string) {
			fmt.Fprintf(w, `{"result":%s}`, result)
		},
		"error of another": status(500, `{"error":{"code":404,"message":"Not found"},"id":"another"}`),
		"null":             func(w http.ResponseWriter, r *http.Request, id, _ string) { well(w, r, id, "null") },
		"a number":         func(w http.ResponseWriter, r *http.Request, id, _ string) { well(w, r, id, "1") },
		"numbers":          func(w http.ResponseWriter, r *http.Request, id, _ string) { well(w, r, id, "[1,2,3]") },
		"deep": func(w http.ResponseWriter, r *http.Request, id, _ string) {
			well(w, r, id, strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000))
		},
		"500": status(500, "<html>sorry</html>"),
		"502": status(502, ""),
		"503, whole": func(w http.ResponseWriter, r *http.Request, id, result string) {
			w.WriteHeader(503)
			well(w, r, id, result)
		},
		"elsewhere": func(w http.ResponseWriter, r *http.Request, _, _ string) {
			http.Redirect(w, r, "/RPC", http.StatusTemporaryRedirect)
		},
		"after its time": func(w http.ResponseWriter, r *http.Request, id, result string) {
			<-time.After(timeout + 100*time.Millisecond)
			well(w, r, id, result)
		},
	}
	for _, u := range uses() {
		for name, fault := range faults {
			if u.name == "snapshot" && (name == "drips" || name == "headers and no more") {
				continue // 10 s each, and the same as "silent" to it
			}
			t.Run(u.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				var healthy atomic.Bool
				var asked atomic.Int64
				k := fake(t, kamrpc.Options{Timeout: timeout, UACTimeout: timeout, MaxResponse: 1 << 20},
					func(w http.ResponseWriter, r *http.Request, req request) {
						if req.Method == u.method && !healthy.Load() {
							asked.Add(1)
							fault(w, r, req.ID, wellAnswers(req.Method))
							return
						}
						well(w, r, req.ID, wellAnswers(req.Method))
					})
				boot := fakeBoot
				began := time.Now()
				err := u.do(t.Context(), k, boot)
				if name == "after its time" && u.name == "snapshot" { // it has more of it than the others
					require.NoError(t, err)
					return
				}
				require.Error(t, err)
				require.Less(t, time.Since(began), 13*time.Second)
				var broken *kamrpc.TransportError
				require.ErrorAs(t, err, &broken, "%v", err)
				require.False(t, broken.NotSent(), "it may have been carried out: %v", err)
				var refused *kamrpc.Error
				require.NotErrorAs(t, err, &refused)
				if u.method == "tm.t_uac_wait" {
					require.EqualValues(t, 1, asked.Load(), "it was sent again")
				} else { // net/http asks once more where a kept connection has just been closed
					require.LessOrEqual(t, asked.Load(), int64(2), "it was asked again and again")
				}
				require.Less(t, len(err.Error()), 1000, "the answer is in the error")

				healthy.Store(true)
				require.NoError(t, u.do(t.Context(), k, boot))
			})
		}
	}
}

// TestRefusedConnection: what nobody took was not sent, whatever it was.
func TestRefusedConnection(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	url := "http://" + l.Addr().String() + "/RPC"
	require.NoError(t, l.Close())
	k, err := kamrpc.New(kamrpc.Options{URL: url})
	require.NoError(t, err)
	for _, u := range uses() {
		var broken *kamrpc.TransportError
		if err := u.do(t.Context(), k, 1); u.method == "tm.t_uac_wait" {
			require.ErrorAs(t, err, &broken)
			require.True(t, broken.NotSent(), u.name)
		} else {
			require.Error(t, err, u.name)
		}
	}
}
