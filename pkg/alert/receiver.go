package alert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Send sends a message to the route's receiver, once. nil means that it was
// taken. Errors hold no secret.
func Send(ctx context.Context, r *Route, m *Message, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	switch r.Type {
	case TypeWebhook:
		return r.sendWebhook(ctx, m, now)
	case TypeSlack:
		return r.post(ctx, "", slackBody(m), nil)
	case TypeTeams:
		return r.post(ctx, "", teamsBody(m), nil)
	case TypeAlertmanager:
		return r.post(ctx, "api/v2/alerts", alertmanagerBody(m, now), nil)
	case TypeMail:
		return r.sendMail(ctx, m)
	}
	return fmt.Errorf("type %q is unknown", r.Type)
}

// LaterError is a receiver's wish to be asked later.
type LaterError struct {
	After time.Duration
	Err   error
}

// Error says what the receiver answered.
func (e *LaterError) Error() string { return e.Err.Error() }

// Unwrap returns the answer.
func (e *LaterError) Unwrap() error { return e.Err }

// maxAfter bounds what a receiver may wish.
const maxAfter = time.Hour

// post sends JSON. A redirect is an error: the body and its signature are for
// the URL that the operator gave.
func (r *Route) post(ctx context.Context, path string, body []byte, header http.Header) error {
	u, err := r.url()
	if err != nil {
		return err
	}
	if path != "" {
		u = u.JoinPath(path)
	}
	token := secret{name: "token", file: r.TokenFile, env: r.TokenEnv}
	bearer, err := token.read()
	if err != nil {
		return err
	}
	cfg, err := r.tlsConfig("")
	if err != nil {
		return err
	}
	// A connection of its own each time: messages are few, and one that a
	// firewall has forgotten would cost a time-out.
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: cfg, DisableKeepAlives: true, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(string(body)))
	if err != nil {
		return errors.New("url: cannot be used")
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "byeguard")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", u.Host, withoutURL(err))
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 2048))
	if resp.StatusCode/100 == 2 {
		return nil
	}
	err = fmt.Errorf("%s answered %d", u.Host, resp.StatusCode)
	if text := hide(plain(string(answer)), u, bearer); text != "" {
		err = fmt.Errorf("%w: %s", err, text)
	}
	if s, convErr := strconv.Atoi(resp.Header.Get("Retry-After")); convErr == nil && s > 0 {
		return &LaterError{After: min(time.Duration(s)*time.Second, maxAfter), Err: err}
	}
	return err
}

// withoutURL strips the URL, which may be a secret, off an error of net/http.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// hide keeps a receiver's answer from repeating a secret into the log.
func hide(answer string, u *url.URL, bearer string) string {
	for _, s := range [...]string{bearer, u.Path, u.RawQuery} {
		if len(s) > 3 && strings.Contains(answer, s) {
			return ""
		}
	}
	return answer
}
