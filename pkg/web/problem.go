package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// problem is an error as the API answers it (RFC 9457). Its type is always
// about:blank: the status says what it is, the detail what to do.
type problem struct {
	Type    string       `json:"type"`
	Title   string       `json:"title"`
	Status  int          `json:"status"`
	Detail  string       `json:"detail"`
	Request string       `json:"request"` // its id, as in byeguard's log
	Errors  []fieldError `json:"errors,omitempty"`

	retry time.Duration // Retry-After; 0 = none
}

// fieldError is what is wrong with one parameter.
type fieldError struct {
	Name   string `json:"name"`
	Detail string `json:"detail"`
}

func (p *problem) Error() string { return p.Detail }

func newProblem(status int, format string, args ...any) *problem {
	return &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...)}
}

func badRequest(errs []fieldError) *problem {
	p := newProblem(http.StatusBadRequest, "%s: %s", errs[0].Name, errs[0].Detail)
	p.Errors = errs
	return p
}

// asProblem says what an error of the Backend means to the client. known says
// that it is no fault of byeguard's.
func asProblem(err error) (p *problem, known bool) {
	if errors.As(err, &p) {
		return p, true
	}
	switch {
	case errors.Is(err, ErrNotFound):
		return newProblem(http.StatusNotFound, "%s", err), true
	case errors.Is(err, ErrInvalid):
		return newProblem(http.StatusBadRequest, "%s", err), true
	case errors.Is(err, ErrTooMuch), errors.Is(err, context.DeadlineExceeded):
		p = newProblem(http.StatusServiceUnavailable, "%s; ask for a shorter time or fewer rows", err)
		p.retry = 10 * time.Second
		return p, true
	case errors.Is(err, ErrAway):
		p = newProblem(http.StatusServiceUnavailable, "%s", err)
		p.retry = 5 * time.Second
		return p, true
	}
	return newProblem(http.StatusInternalServerError, "byeguard could not answer; its log says why, under this request's id"), false
}

// fail answers with a problem.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil && !errors.Is(err, context.DeadlineExceeded) {
		return // nobody is there any more
	}
	p, known := asProblem(err)
	answer := *p
	answer.Request = requestID(r)
	if !known {
		s.log.WithError(err).WithField("request", answer.Request).Error("cannot answer " + r.Method + " " + routeOf(r))
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	if answer.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int(answer.retry/time.Second)))
	}
	if answer.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="byeguard"`)
	}
	w.WriteHeader(answer.Status)
	_ = json.NewEncoder(w).Encode(&answer) // a client that went away
}

// answer writes a JSON answer.
func answer(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil { // only a Detail that is no JSON could do that
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusInternalServerError)
		text = []byte(`{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"the answer cannot be written","request":""}`)
	} else {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
	}
	_, _ = w.Write(append(text, '\n')) // a client that went away
}
