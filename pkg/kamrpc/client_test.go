package kamrpc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/indialog"
	"github.com/byeguard/byeguard/pkg/kamrpc"
)

// request is what a fake Kamailio reads.
type request struct {
	ID     string
	Method string
	Params []any
}

// fake starts an HTTP server and a client for it. answer writes the response.
func fake(t *testing.T, o kamrpc.Options, answer func(http.ResponseWriter, *http.Request, request)) *kamrpc.Client {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var req request
		if err == nil {
			err = json.Unmarshal(body, &req)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer(w, r, req)
	}))
	t.Cleanup(srv.Close)
	o.URL = srv.URL
	c, err := kamrpc.New(o)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

var someRequest = indialog.Request{Method: "BYE", RequestURI: "sip:b@h", NextHop: ".", Socket: ".", Headers: "From: <sip:a@h>\r\n"}

func TestFaults(t *testing.T) {
	t.Parallel()
	write := func(status int, format string) func(http.ResponseWriter, *http.Request, request) {
		return func(w http.ResponseWriter, _ *http.Request, r request) {
			w.WriteHeader(status)
			if strings.Contains(format, "%s") {
				format := strings.Replace(format, "%s", r.ID, 1)
				_, _ = io.WriteString(w, format)
				return
			}
			_, _ = io.WriteString(w, format)
		}
	}
	bad := func(err error) bool {
		var e *kamrpc.TransportError
		return errors.Is(err, kamrpc.ErrBadResponse) && errors.As(err, &e) && !e.NotSent()
	}
	refused := func(code int, message string) func(error) bool {
		return func(err error) bool {
			var e *kamrpc.Error
			return errors.As(err, &e) && e.Rejected() && e.Code == code && strings.Contains(e.Message, message)
		}
	}
	for _, c := range []struct {
		name   string
		answer func(http.ResponseWriter, *http.Request, request)
		want   func(error) bool
	}{
		{"not JSON", write(200, "hello"), bad},
		{"empty", write(200, ""), bad},
		{"array", write(200, "[1]"), bad},
		{"half", write(200, `{"jsonrpc":"2.0","result":[200,"OK"],"id":"%s`), bad},
		{"two objects", write(200, `{"result":[200,"OK"],"id":"%s"}{}`), bad},
		{"wrong id", write(200, `{"result":[200,"OK"],"id":"other%s"}`), bad},
		{"number id", write(200, `{"result":[200,"OK"],"id":1}`), bad},
		{"no id", write(200, `{"result":[200,"OK"]}`), bad},
		{"null id", write(200, `{"result":[200,"OK"],"id":null}`), bad},
		{"neither", write(200, `{"id":"%s"}`), bad},
		{"provisional", write(200, `{"result":[180,"Ringing"],"id":"%s"}`), bad},
		{"no reason", write(200, `{"result":[200],"id":"%s"}`), bad},
		{"no array", write(200, `{"result":{},"id":"%s"}`), bad},
		{"null", write(200, `{"result":null,"id":"%s"}`), bad},
		{"huge", write(200, `{"result":[200,"`+strings.Repeat("x", 5000)+`"],"id":"%s"}`), bad},
		{"502 of somebody", write(502, "<html>"), bad},
		{"503 with a result", write(503, `{"result":[200,"OK"],"id":"%s"}`), bad},
		{"404 of somebody", write(404, "<html>"), refused(404, "jsonrpc_dispatch")},
		{"redirect", func(w http.ResponseWriter, r *http.Request, _ request) {
			http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
		}, bad},
		{"500 with error", write(500, `{"error":{"code":-32000,"message":"Execution Error"},"id":"%s"}`), refused(-32000, "Execution")},
		{"400 with error", write(400, `{"error":{"code":400,"message":"Invalid headers"},"id":"%s"}`), refused(400, "Invalid headers")},
		{"error without id", write(200, `{"error":{"code":-32700,"message":"Parse error"},"id":null}`), refused(-32700, "Parse")},
		{"error for another", write(500, `{"error":{"code":500,"message":"x"},"id":"other"}`), bad},
		{"error without code", write(500, `{"error":{"message":"x"},"id":"%s"}`), bad},
		{"cut body", func(w http.ResponseWriter, _ *http.Request, _ request) {
			w.Header().Set("Content-Length", "500")
			_, _ = io.WriteString(w, `{"result":[200`)
		}, bad},
		{"hang up", func(http.ResponseWriter, *http.Request, request) { panic(http.ErrAbortHandler) }, func(err error) bool {
			var e *kamrpc.TransportError
			return errors.As(err, &e) && !e.NotSent()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := fake(t, kamrpc.Options{MaxResponse: 4096}, c.answer)
			_, err := k.UACWait(t.Context(), someRequest)
			require.Error(t, err)
			require.True(t, c.want(err), "%T: %v", err, err)
			require.NotContains(t, err.Error(), "127.0.0.1")
			held, err := k.Holds(t.Context(), call.Question{CallID: "x"})
			require.Error(t, err)
			require.Equal(t, call.HeldUnknown, held)
		})
	}
}

func TestGoodAnswer(t *testing.T) {
	t.Parallel()
	k := fake(t, kamrpc.Options{}, func(w http.ResponseWriter, r *http.Request, req request) {
		if len(req.ID) > 63 || r.Header.Get("Idempotency-Key") != "" {
			panic("bad request")
		}
		fmt.Fprintf(w, `{"jsonrpc":"2.0","result":[481,"a \"b\" `+"\xff"+`\u0001","","",""],"id":%q}`, req.ID)
	})
	reply, err := k.UACWait(t.Context(), someRequest)
	require.NoError(t, err)
	require.Equal(t, indialog.Reply{Code: 481, Reason: "a \"b\" \xff\x01"}, reply)
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	k := fake(t, kamrpc.Options{Timeout: 50 * time.Millisecond, UACTimeout: 50 * time.Millisecond},
		func(_ http.ResponseWriter, r *http.Request, _ request) {
			select {
			case <-r.Context().Done():
			case <-stop:
			}
		})
	defer close(stop)
	_, err := k.UACWait(t.Context(), someRequest)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "no answer within 50ms")
	var e *kamrpc.TransportError
	require.ErrorAs(t, err, &e)
	require.False(t, e.NotSent())

	_, err = k.Version(t.Context())
	require.ErrorIs(t, err, context.DeadlineExceeded)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = k.Version(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

// A request that got no connection was not sent, and waiting requests leave the
// connections of questions alone.
func TestConnectionLimits(t *testing.T) {
	t.Parallel()
	stop, busy := make(chan struct{}), make(chan struct{}, 1)
	k := fake(t, kamrpc.Options{MaxWaits: 1, UACTimeout: 10 * time.Second},
		func(w http.ResponseWriter, _ *http.Request, r request) {
			if r.Method == "tm.t_uac_wait" {
				busy <- struct{}{}
				<-stop
			}
			fmt.Fprintf(w, `{"result":"fine","id":%q}`, r.ID)
		})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = k.UACWait(t.Context(), someRequest)
	}()
	<-busy
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := k.UACWait(ctx, someRequest)
	var e *kamrpc.TransportError
	require.ErrorAs(t, err, &e)
	require.True(t, e.NotSent(), "%v", err)
	version, err := k.Version(t.Context())
	require.NoError(t, err)
	require.Equal(t, "fine", version)
	close(stop)
	<-done
}

func TestUnsendable(t *testing.T) {
	t.Parallel()
	k := fake(t, kamrpc.Options{}, func(http.ResponseWriter, *http.Request, request) { panic("was sent") })
	held, err := k.Holds(t.Context(), call.Question{CallID: "a\x00b"})
	require.ErrorIs(t, err, kamrpc.ErrUnsendable)
	require.Equal(t, call.HeldUnknown, held)
}

func TestCheckNamesMissing(t *testing.T) {
	t.Parallel()
	k := fake(t, kamrpc.Options{}, func(w http.ResponseWriter, _ *http.Request, r request) {
		fmt.Fprintf(w, `{"result":["core.uptime","dlg.dlg_list"],"id":%q}`, r.ID)
	})
	require.ErrorContains(t, k.Check(t.Context()), "dlg.list_match, tm.t_uac_wait")
}

// A restart between the answer "gone" and the question for the boot identity
// must not be taken for a dialog that is gone.
func TestHoldsAcrossRestart(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC().Truncate(time.Second)
	var boot atomic.Int64
	boot.Store(now.Unix() - 100)
	k := fake(t, kamrpc.Options{}, func(w http.ResponseWriter, _ *http.Request, r request) {
		result := "{}"
		if r.Method == "core.uptime" {
			result = fmt.Sprintf(`{"now":%q,"up_since":"x","uptime":%d}`, now.Format(time.ANSIC), now.Unix()-boot.Load())
		}
		fmt.Fprintf(w, `{"result":%s,"id":%q}`, result, r.ID)
	})
	q := call.Question{CallID: "x", Boot: now.Unix() - 100, Dialog: call.DialogID{Entry: 1, ID: 2}}
	held, err := k.Holds(t.Context(), q)
	require.NoError(t, err)
	require.Equal(t, call.HeldNo, held)

	boot.Store(now.Unix())
	held, err = k.Holds(t.Context(), q)
	require.ErrorContains(t, err, "restarted")
	require.Equal(t, call.HeldUnknown, held)
}

func TestOptionsValidate(t *testing.T) {
	t.Parallel()
	for _, o := range []kamrpc.Options{
		{}, {URL: "127.0.0.1:80"}, {URL: "ftp://h/"}, {URL: "http://"},
		{URL: "http://h", Timeout: -1}, {URL: "http://h", MaxConns: -1},
	} {
		_, err := kamrpc.New(o)
		require.Error(t, err, "%+v", o)
	}
}

// TestCheckTellsProofFromTrouble: only what proves that a command is missing says
// that the node is unfit.
func TestCheckTellsProofFromTrouble(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		unfit  bool
	}{
		"commands missing":      {200, `{"jsonrpc":"2.0","result":["core.uptime"],"id":"%s"}`, true},
		"no such method":        {200, `{"jsonrpc":"2.0","error":{"code":-32601,"message":"Method not found"},"id":"%s"}`, true},
		"not JSON-RPC":          {404, "nothing here", true},
		"forbidden":             {403, "only from this machine", true},
		"500 with an error":     {500, `{"jsonrpc":"2.0","error":{"code":500,"message":"busy"},"id":"%s"}`, false},
		"500 without":           {500, "oops", false},
		"503":                   {503, `{"jsonrpc":"2.0","error":{"code":503,"message":"overload"},"id":"%s"}`, false},
		"asked to come later":   {429, "later", false},
		"an answer cut in half": {200, `{"jsonrpc":"2.0","result":["core.uptime","core`, false},
		"somebody else's":       {200, `{"jsonrpc":"2.0","result":[],"id":"other"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := fake(t, kamrpc.Options{}, func(w http.ResponseWriter, _ *http.Request, r request) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, strings.ReplaceAll(c.body, "%s", r.ID))
			})
			err := k.Check(t.Context())
			require.Error(t, err)
			require.Equal(t, c.unfit, errors.Is(err, kamrpc.ErrUnfit), "%v", err)
		})
	}
}
