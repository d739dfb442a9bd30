package web

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sirupsen/logrus"
)

const auditOK = "ok"

// auditPatience bounds how long an answer waits for its entry.
const auditPatience = 2 * time.Second

// audit tells the log, and PostgreSQL, who did what.
func (s *Server) audit(r *http.Request, id identity, action, target, detail, outcome string) {
	e := AuditEntry{At: Time{s.now()}, User: id.Name, Role: string(id.Role), Via: id.Via, Remote: s.remoteHost(r),
		Action: action, Target: target, Detail: short(detail), Outcome: outcome, Request: requestID(r)}
	if len(detail) < maxNote {
		e.Detail = detail
	}
	s.log.WithFields(logrus.Fields{"audit": action, "user": e.User, "via": e.Via, "remote": e.Remote, "target": target,
		"outcome": outcome, "request": e.Request}).Info("somebody asked for a change")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), auditPatience)
	defer cancel()
	s.opts.Backend.Audit(ctx, e)
}

// outcomeOf is an error as the audit log has it.
func outcomeOf(err error) string {
	if err == nil {
		return auditOK
	}
	p, _ := asProblem(err)
	return strconv.Itoa(p.Status) + " " + p.Title
}

// maxNote bounds a person's words, in bytes.
const maxNote = 2000

func checkWords(name, text string) error {
	if len(text) > maxNote || !utf8.ValidString(text) {
		return badRequest([]fieldError{{Name: name, Detail: "use " + strconv.Itoa(maxNote) + " bytes of text at most"}})
	}
	return nil
}

func (s *Server) ack(w http.ResponseWriter, r *http.Request, id identity) error {
	return s.handle(w, r, id, "incident.ack", false)
}

func (s *Server) resolve(w http.ResponseWriter, r *http.Request, id identity) error {
	return s.handle(w, r, id, "incident.resolve", true)
}

func (s *Server) handle(w http.ResponseWriter, r *http.Request, id identity, action string, resolve bool) error {
	number, err := incidentID(r)
	if err != nil {
		return err
	}
	var body struct {
		Note string `json:"note"`
	}
	if err := readBody(w, r, &body); err != nil {
		return err
	}
	if err := checkWords("note", body.Note); err != nil {
		return err
	}
	var in Incident
	err = s.turn(r.Context(), s.reads, readTimeout, func(ctx context.Context) (err error) {
		in, _, err = s.opts.Backend.HandleIncident(ctx, number, resolve, id.Name, strings.ReplaceAll(body.Note, "\x00", ""))
		return err
	})
	s.audit(r, id, action, strconv.FormatInt(number, 10), body.Note, outcomeOf(err))
	if err != nil {
		return err
	}
	s.feed.hurry()
	answer(w, http.StatusOK, in)
	return nil
}

// switchAnswer is what holds sending back after a change.
type switchAnswer struct {
	Switches []Switch `json:"switches"`
}

func (s *Server) pause(w http.ResponseWriter, r *http.Request, id identity) error {
	return s.turnSwitch(w, r, id, "pause", true)
}

func (s *Server) resume(w http.ResponseWriter, r *http.Request, id identity) error {
	return s.turnSwitch(w, r, id, "resume", false)
}

func (s *Server) turnSwitch(w http.ResponseWriter, r *http.Request, id identity, action string, pause bool) error {
	var body struct {
		Node   string `json:"node"`
		Reason string `json:"reason"`
	}
	if err := readBody(w, r, &body); err != nil {
		return err
	}
	if err := checkWords("reason", body.Reason); err != nil {
		return err
	}
	if len(body.Node) > 200 {
		return badRequest([]fieldError{{Name: "node", Detail: "no node has such a name"}})
	}
	if pause && strings.TrimSpace(body.Reason) == "" {
		return badRequest([]fieldError{{Name: "reason", Detail: "say why, for whoever finds sending paused"}})
	}
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	list, err := s.opts.Backend.Switch(ctx, pause, body.Node, id.Name, body.Reason)
	target := body.Node
	if target == "" {
		target = "all nodes"
	}
	s.audit(r, id, action, short(target), body.Reason, outcomeOf(err))
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, switchAnswer{Switches: list})
	return nil
}
