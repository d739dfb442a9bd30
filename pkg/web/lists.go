package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxList is the longest part of a list.
const maxList = 500

// turn waits until a question may be asked, and asks it within a bound of time.
func (s *Server) turn(ctx context.Context, of chan struct{}, limit time.Duration, ask func(context.Context) error) error {
	patience := time.NewTimer(readPatience)
	defer patience.Stop()
	select {
	case of <- struct{}{}:
		defer func() { <-of }()
	case <-patience.C:
		p := newProblem(http.StatusServiceUnavailable, "too many ask at a time; try again")
		p.retry = 2 * time.Second
		return p
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := ask(ctx)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) && !errors.Is(err, ErrAway) {
		return errors.Join(ErrTooMuch, err)
	}
	return err
}

// read asks for something and answers it.
func read[T any](s *Server, w http.ResponseWriter, r *http.Request, ask func(context.Context) (T, error)) error {
	var v T
	err := s.turn(r.Context(), s.reads, readTimeout, func(ctx context.Context) (err error) {
		v, err = ask(ctx)
		return err
	})
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, v)
	return nil
}

func (s *Server) getOverview(w http.ResponseWriter, r *http.Request, _ identity) error {
	p := readParams(r)
	if err := p.err(); err != nil {
		return err
	}
	answer(w, http.StatusOK, s.feed.overview())
	return nil
}

func (s *Server) getIncidents(w http.ResponseWriter, r *http.Request, _ identity) error {
	p := readParams(r)
	q := Query{Node: p.text("node"), CallID: p.text("call_id"), Kind: p.text("kind"),
		State:    p.oneOf("state", "open", "acknowledged", "resolved", "unresolved"),
		Severity: p.oneOf("severity", "info", "warning", "critical"),
		Limit:    p.limit(), After: p.cursor()}
	p.times(&q)
	if err := p.err(); err != nil {
		return err
	}
	return read(s, w, r, func(ctx context.Context) (Page[Incident], error) { return s.opts.Backend.Incidents(ctx, q) })
}

func incidentID(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		return 0, newProblem(http.StatusNotFound, "%q is no number of an incident", short(r.PathValue("id")))
	}
	return id, nil
}

func (s *Server) getIncident(w http.ResponseWriter, r *http.Request, _ identity) error {
	id, err := incidentID(r)
	if err != nil {
		return err
	}
	return read(s, w, r, func(ctx context.Context) (Incident, error) { return s.opts.Backend.Incident(ctx, id) })
}

func (s *Server) cdrQuery(p *params) Query {
	q := Query{Node: p.text("node"), CallID: p.text("call_id"), Number: p.text("number"), Carrier: p.text("carrier"),
		State:      p.oneOf("state", "open", "final", "late", "corrected"),
		ReleasedBy: p.oneOf("released_by", "caller", "callee", "proxy", "byeguard", "unknown")}
	switch p.oneOf("repaired", "true", "false") {
	case "true":
		yes := true
		q.Repaired = &yes
	case "false":
		no := false
		q.Repaired = &no
	}
	p.times(&q)
	return q
}

func (s *Server) getCDRs(w http.ResponseWriter, r *http.Request, _ identity) error {
	p := readParams(r)
	q := s.cdrQuery(p)
	q.Limit, q.After = p.limit(), p.cursor()
	if err := p.err(); err != nil {
		return err
	}
	return read(s, w, r, func(ctx context.Context) (Page[CDR], error) { return s.opts.Backend.CDRs(ctx, q) })
}

// getCDRFile streams. What goes wrong after the first bytes breaks the connection,
// so that nobody takes the part for the whole.
func (s *Server) getCDRFile(w http.ResponseWriter, r *http.Request, id identity) error {
	p := readParams(r)
	q := s.cdrQuery(p)
	if err := p.err(); err != nil {
		return err
	}
	out := &download{w: w, rc: http.NewResponseController(w), name: "cdrs-" + s.now().UTC().Format("20060102-150405") + ".csv"}
	err := s.turn(r.Context(), s.scans, exportTimeout, func(ctx context.Context) error { return s.opts.Backend.WriteCDRs(ctx, q, out) })
	outcome := auditOK
	if err != nil {
		outcome = "broken off"
	}
	s.audit(r, id, "cdrs.download", "", r.URL.RawQuery, outcome)
	if err != nil && out.begun {
		s.log.WithError(err).WithField("request", requestID(r)).Warn("a download of CDRs was broken off")
		panic(http.ErrAbortHandler)
	}
	return err
}

// download writes a file. Each write may take so long, all of them as long as they
// need.
type download struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	name  string
	begun bool
}

// Write implements io.Writer.
func (d *download) Write(b []byte) (int, error) {
	if !d.begun {
		d.begun = true
		h := d.w.Header()
		h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
		h.Set("Content-Disposition", `attachment; filename="`+d.name+`"`)
		d.w.WriteHeader(http.StatusOK)
	}
	_ = d.rc.SetWriteDeadline(time.Now().Add(writePatience)) // not every writer has one
	return d.w.Write(b)
}

func (s *Server) getCalls(w http.ResponseWriter, r *http.Request, _ identity) error {
	p := readParams(r)
	q := Query{Node: p.text("node"), CallID: p.text("call_id"), Number: p.text("number"),
		State: p.oneOf("state", "new", "up", "ending", "done", "failed"), Limit: p.limit(), After: p.cursor()}
	p.times(&q)
	if err := p.err(); err != nil {
		return err
	}
	return read(s, w, r, func(ctx context.Context) (Page[Call], error) { return s.opts.Backend.Calls(ctx, q) })
}

func (s *Server) getCall(w http.ResponseWriter, r *http.Request, _ identity) error {
	id := r.PathValue("id")
	if len(id) > maxParam {
		return newProblem(http.StatusNotFound, "no call has a Call-ID of more than %d bytes", maxParam)
	}
	return read(s, w, r, func(ctx context.Context) (Page[Story], error) {
		list, err := s.opts.Backend.Call(ctx, strings.ToValidUTF8(id, "?"))
		return Page[Story]{Items: list}, err
	})
}

func (s *Server) search(w http.ResponseWriter, r *http.Request, _ identity) error {
	p := readParams(r)
	text := strings.TrimSpace(p.text("q"))
	if len(text) < 3 {
		p.bad("q", "give a Call-ID, or at least three digits of a number")
	}
	if err := p.err(); err != nil {
		return err
	}
	return read(s, w, r, func(ctx context.Context) (Found, error) { return s.opts.Backend.Search(ctx, text) })
}

func (s *Server) getReconciliations(w http.ResponseWriter, r *http.Request, _ identity) error {
	p := readParams(r)
	q := Query{Limit: p.limit(), After: p.cursor()}
	p.times(&q)
	if err := p.err(); err != nil {
		return err
	}
	return read(s, w, r, func(ctx context.Context) (Page[Reconciliation], error) {
		return s.opts.Backend.Reconciliations(ctx, q)
	})
}

func (s *Server) getAudit(w http.ResponseWriter, r *http.Request, _ identity) error {
	p := readParams(r)
	q := Query{Limit: p.limit(), After: p.cursor()}
	p.times(&q)
	if err := p.err(); err != nil {
		return err
	}
	return read(s, w, r, func(ctx context.Context) (Page[AuditEntry], error) { return s.opts.Backend.AuditLog(ctx, q) })
}
