package alert_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/byeguard/byeguard/pkg/alert"
)

func message(t *testing.T, r *alert.Route, texts ...string) *alert.Message {
	t.Helper()
	text := "harmless"
	if len(texts) > 0 {
		text = texts[0]
	}
	return alert.Compose(r, "5f2c7a8e61d94f0c8f0e0f3b8d7c6a51", began, alert.Incident{
		ID: 7, Key: "ab", CallID: text, Node: "kam1", Kind: "one_sided_bye", Severity: "critical", State: "open", Leg: "callee",
		Reason: "bye_missing", Detail: text, Opened: began, Caller: text, Callee: text, Carrier: "acme", Overrun: 1500,
		Stake: alert.Stake{Currency: "EUR", Amount: 12_500, PerMinute: 12_500},
	})
}

// The signature can be verified as the documentation says, with openssl alone.
func TestWebhook(t *testing.T) {
	t.Parallel()
	const key = "0123456789abcdef"
	var header http.Header
	var body []byte
	status := http.StatusNoContent
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		body, _ = io.ReadAll(r.Body)
		if status == http.StatusFound {
			w.Header().Set("Location", "/elsewhere")
		}
		if status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "120")
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte("no\r\nthanks " + r.Header.Get("Authorization")))
	}))
	defer srv.Close()
	r := valid(t, alert.Route{Type: alert.TypeWebhook, URL: srv.URL + "/in?k=v", SecretFile: keyFile(t, key+"\n"), TokenFile: keyFile(t, "tok-en")})
	m := message(t, &r)
	require.NoError(t, alert.Send(t.Context(), &r, m, time.Now()))
	require.Equal(t, m.ID, header.Get("Idempotency-Key"))
	require.Equal(t, "Bearer tok-en", header.Get("Authorization"))
	require.NoError(t, alert.Verify(key, header, body, time.Now(), time.Minute))
	require.ErrorIs(t, alert.Verify("other", header, body, time.Now(), time.Minute), alert.ErrSignature)
	require.ErrorIs(t, alert.Verify(key, header, append(body, ' '), time.Now(), time.Minute), alert.ErrSignature)
	require.ErrorIs(t, alert.Verify(key, header, body, time.Now().Add(time.Hour), time.Minute), alert.ErrSignature)
	var back alert.Message
	require.NoError(t, json.Unmarshal(body, &back))
	require.Equal(t, "0.012500", back.AtStake[0].Amount)

	// docs/alerts.md, "In shell".
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/body.json", body, 0o600))
	require.NoError(t, os.WriteFile(dir+"/billing.key", []byte(key), 0o600))
	docs, err := os.ReadFile("../../docs/alerts.md")
	require.NoError(t, err)
	_, script, _ := strings.Cut(string(docs), "```sh\n")
	script, _, _ = strings.Cut(script, "```")
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "timestamp="+header.Get("Byeguard-Timestamp"), "signature="+header.Get("Byeguard-Signature"))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "good\n", string(out))

	for _, status = range []int{http.StatusFound, http.StatusUnauthorized, http.StatusInternalServerError} {
		err := alert.Send(t.Context(), &r, m, time.Now())
		require.Error(t, err)
		require.NotContains(t, err.Error(), "tok-en")
		require.NotContains(t, err.Error(), "\n")
	}
	status = http.StatusTooManyRequests
	var later *alert.LaterError
	require.ErrorAs(t, alert.Send(t.Context(), &r, m, time.Now()), &later)
	require.Equal(t, 2*time.Minute, later.After)
}

// The URL of a Slack webhook is a secret: no error tells it.
func TestURLIsNotTold(t *testing.T) {
	t.Parallel()
	r := valid(t, alert.Route{Timeout: 200 * time.Millisecond})
	r.URL, r.URLFile = "", keyFile(t, "http://127.0.0.1:1/services/T0/B0/hunter2")
	err := alert.Send(t.Context(), &r, message(t, &r), time.Now())
	require.ErrorContains(t, err, "connection refused")
	require.NotContains(t, err.Error(), "hunter2")
	// A receiver that never answers costs the time-out, no more.
	stop := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
	defer srv.Close()
	defer close(stop)
	r.URL, r.URLFile = srv.URL+"/hunter2", ""
	err = alert.Send(t.Context(), &r, message(t, &r), time.Now())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotContains(t, err.Error(), "hunter2")
}

func TestMail(t *testing.T) {
	t.Parallel()
	cert, ca := certificate(t)
	for name, c := range map[string]struct {
		srv  *mailServer
		r    alert.Route
		want string // "" = it is taken
	}{
		"no TLS":                   {&mailServer{}, alert.Route{TLS: alert.TLSOff}, ""},
		"STARTTLS":                 {&mailServer{starttls: true, cert: cert, password: "pw"}, alert.Route{Username: "byeguard", PasswordFile: keyFile(t, "pw"), CAFile: ca}, ""},
		"TLS":                      {&mailServer{implicit: true, cert: cert, password: "pw"}, alert.Route{TLS: alert.TLSOn, Username: "byeguard", PasswordFile: keyFile(t, "pw"), CAFile: ca}, ""},
		"STARTTLS is not offered":  {&mailServer{password: "pw"}, alert.Route{Username: "byeguard", PasswordFile: keyFile(t, "pw")}, "STARTTLS"},
		"certificate not trusted":  {&mailServer{starttls: true, cert: cert}, alert.Route{}, "certificate"},
		"wrong password":           {&mailServer{implicit: true, cert: cert, password: "pw"}, alert.Route{TLS: alert.TLSOn, Username: "byeguard", PasswordFile: keyFile(t, "hunter2"), CAFile: ca}, "535"},
		"refused after it is said": {&mailServer{refuse: "554 no"}, alert.Route{TLS: alert.TLSOff}, "554"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := c.srv.start(t)
			r := c.r
			r.Type, r.SMTP, r.From, r.To = alert.TypeMail, srv.addr, "byeguard@example.net", []string{"Billing <billing@example.net>", "noc@example.net"}
			r = valid(t, r)
			err := alert.Send(t.Context(), &r, message(t, &r, "a\r\nBcc: evil@example.net"), time.Now())
			srv.mu.Lock()
			defer srv.mu.Unlock()
			if c.want != "" {
				require.ErrorContains(t, err, c.want)
				require.NotContains(t, err.Error(), "hunter2")
				require.Empty(t, srv.mails)
				return
			}
			require.NoError(t, err)
			require.Len(t, srv.mails, 1)
			require.Len(t, srv.tos, 2)
			require.Equal(t, r.TLS == alert.TLSOff, srv.plain)
			parts := readMail(t, []byte(srv.mails[0]))
			require.Contains(t, parts["text/plain"], "At stake:")
			require.Contains(t, parts["text/html"], "<h2")
		})
	}
}

// readMail checks a mail's headers and returns its parts' texts.
func readMail(t *testing.T, raw []byte) map[string]string {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	require.NoError(t, err)
	require.Empty(t, m.Header.Get("Bcc"))
	require.Equal(t, "<5f2c7a8e61d94f0c8f0e0f3b8d7c6a51@byeguard>", m.Header.Get("Message-ID"))
	require.Equal(t, "auto-generated", m.Header.Get("Auto-Submitted"))
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(subject, "byeguard critical: "), subject)
	known := "Date Message-Id Subject From To Mime-Version Auto-Submitted X-Byeguard-Severity Content-Type Importance Priority X-Priority X-Msmail-Priority"
	for h := range m.Header {
		require.Contains(t, known, h)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	require.NoError(t, err)
	require.Equal(t, "multipart/alternative", kind)
	parts := map[string]string{}
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return parts
		}
		require.NoError(t, err)
		require.Equal(t, "quoted-printable", p.Header.Get("Content-Transfer-Encoding"))
		text, err := io.ReadAll(quotedprintable.NewReader(p))
		require.NoError(t, err)
		kind, _, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
		require.NoError(t, err)
		parts[kind] = string(text)
	}
}

// FuzzHostileTexts: no text of a SIP message gets out of its place.
func FuzzHostileTexts(f *testing.F) {
	for _, s := range []string{
		"<script>alert(1)</script>", "=HYPERLINK(\"http://x\")", "<!channel> @here `x` *b*", "a\r\nBcc: x@y", "[x](javascript:y)",
		"\u202egnp.exe", "\x00\xff", "{{.}}", "&lt;b&gt;", "\n.\r\nQUIT", strings.Repeat("é", 1000), "</td></table><a href=//x>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, "?") // as PostgreSQL gives it
		r := valid(t, alert.Route{})
		m := message(t, &r, text)
		plain := alert.Plain(text)
		require.NotContains(t, plain, "\n")
		require.NotContains(t, plain, "\r")
		require.LessOrEqual(t, utf8.RuneCountInString(plain), 301)

		var slack struct{ Text string }
		require.NoError(t, json.Unmarshal(alert.SlackBody(m), &slack))
		require.NotContains(t, slack.Text, "<!")
		for line := range strings.SplitSeq(slack.Text, "\n") {
			require.Zero(t, strings.Count(line, "`")%2, line)
			outside := true
			for part := range strings.SplitSeq(line, "`") {
				if outside {
					require.NotContains(t, part, "@")
					require.NotContains(t, part, "](")
				}
				outside = !outside
			}
		}
		// Everything hostile is in a TextRun, which knows no Markdown.
		var card any
		require.NoError(t, json.Unmarshal(alert.TeamsBody(m), &card))
		walk(t, card, plain)

		var ams []map[string]any
		require.NoError(t, json.Unmarshal(alert.AlertmanagerBody(m, began), &ams))
		require.Len(t, ams, 1)

		mailRoute := alert.Route{Type: alert.TypeMail, SMTP: "h:25", From: "a@b.example", To: []string{"c@d.example"}}
		raw, err := alert.MailBytes(&mailRoute, m)
		require.NoError(t, err)
		parts := readMail(t, raw)
		html := parts["text/html"]
		for _, tag := range []string{"<script", "<a ", "<img", "<iframe", "<!--"} {
			require.NotContains(t, strings.ToLower(html), tag)
		}
		require.Equal(t, 1, strings.Count(html, "<table"))
	})
}

func walk(t *testing.T, v any, hostile string) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			walk(t, e, hostile)
		}
	case map[string]any:
		if kind := v["type"]; kind == "TextBlock" || kind == "FactSet" {
			t.Fatalf("a %v knows Markdown", kind)
		}
		for _, e := range v {
			walk(t, e, hostile)
		}
	}
}

// A thousand incidents are listed in part and counted in full.
func TestManyIncidentsAreCounted(t *testing.T) {
	t.Parallel()
	r := valid(t, alert.Route{})
	list := make([]alert.Incident, 1000)
	for i := range list {
		list[i] = alert.Incident{ID: int64(i + 1), Kind: "one_sided_bye", Node: "kam1", Severity: "warning", State: "resolved", Repaired: true,
			Opened: began.Add(time.Duration(i) * time.Millisecond), Resolved: began.Add(time.Minute), Stake: alert.Stake{Currency: "EUR", Amount: 1000}}
	}
	list[500].State, list[500].Repaired = "open", false
	m := alert.Compose(&r, "id", began, list...)
	require.Equal(t, []int{1000, 1, 999, 20, 980}, []int{m.Count, m.Open, m.Resolved, len(m.Incidents), m.Omitted})
	require.Equal(t, int64(501), m.Incidents[0].Number, "what is open comes first")
	require.Equal(t, "1.000000", m.AtStake[0].Amount)
	require.Equal(t, "byeguard warning: one side was not told of the end, 1000 times on kam1", m.Title)
}
