package compensate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/indialog"
)

// codeSilent is what SIP says of a request without a final reply (RFC 3261
// section 8.1.3.1).
const codeSilent = 408

// build turns a command into a request.
func build(c call.Command) (indialog.Request, error) { return indialog.Build(dialog(&c)) }

func dialog(c *call.Command) indialog.Dialog {
	return indialog.Dialog{
		Method: cmp.Or(c.Method, call.MethodBye), CallID: c.CallID,
		FromURI: c.FromURI, FromTag: c.FromTag, ToURI: c.ToURI, ToTag: c.ToTag,
		Target: c.Target, RouteSet: c.RouteSet, Socket: c.Socket, Source: c.Source,
		CSeq: c.CSeq, Marker: c.ID,
	}
}

// Direct says that a command goes straight to source, see [indialog.Reaches].
func Direct(c *call.Command, source string) bool { return indialog.Reaches(dialog(c), source) }

// fly carries out one command and reports it. ctx ends when no more attempts
// shall be made, flight when the one under way shall be given up; then the
// command goes back to its lane unreported.
func (s *Sender) fly(ctx, flight context.Context, l *lane, c call.Command) {
	r, err := build(c)
	if err != nil {
		s.report(l, c, 0, err.Error())
		return
	}
	if c.Method == call.MethodOptions {
		if why := s.o.Gate.Admit(c); why != "" {
			s.deferred(c, why)
			s.land(l, c)
			return
		}
		s.ask(flight, l, c, r)
		return
	}
	start, pause := time.Now(), firstPause
	for first := true; ; first = false {
		// Asked as late as can be: a byeguard that was stopped and wakes up here
		// must find out that another acts for the node.
		ask := s.o.Gate.Hold
		if first {
			ask = s.o.Gate.Admit
		}
		if why := ask(c); why != "" {
			s.count(func() { l.stats.Deferred++ })
			s.deferred(c, why)
			s.land(l, c)
			return
		}
		s.count(func() { l.stats.Attempts++ })
		reply, err := l.caller.UACWait(flight, r)
		switch {
		case err == nil:
			s.report(l, c, reply.Code, reply.Reason)
			return
		case flight.Err() != nil:
			s.putBack(l, c) // sending it again is harmless
			return
		case rejected(err):
			s.report(l, c, 0, err.Error())
			return
		case !notSent(err):
			s.report(l, c, call.CodeOpen, "outcome unknown: "+err.Error())
			return
		case time.Since(start)+pause > s.o.RetryFor:
			s.report(l, c, 0, fmt.Sprintf("proxy not reached for %v: %v", s.o.RetryFor, err))
			return
		}
		s.count(func() { l.stats.Retries++ })
		if !sleep(ctx, pause) {
			s.putBack(l, c)
			return
		}
		pause = min(2*pause, lastPause)
	}
}

// sleep waits for about d; it returns false if ctx ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	// Spread, so that commands that failed together do not come back together.
	t := time.NewTimer(d - time.Duration(rand.Int64N(int64(d)/4)))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// report hands on the outcome and then frees the leg.
func (s *Sender) report(l *lane, c call.Command, code int, reason string) {
	if c.Method == call.MethodOptions {
		s.answered(l, c, code, reason)
		return
	}
	s.count(func() {
		l.stats.Reported++
		switch {
		case code == 0:
			l.stats.NotSent++
		case code == codeSilent, code == call.CodeOpen:
			l.stats.Unanswered++
		case code < 300 || code == 481:
			l.stats.Closed++
			if code == 481 {
				l.stats.Gone++
			}
		default:
			l.stats.Refused++
		}
	})
	log := s.o.Log.WithFields(fields(c)).WithField("code", code).WithField("reply", reason)
	switch code {
	case 0:
		log.Warn("bye was not sent")
	case call.CodeOpen:
		log.Warn("bye may have been sent: its answer is waited for among the events")
	default:
		log.Info("bye was sent")
	}
	s.o.Results(c.Key, call.Event{
		Kind: call.KindResult, Node: c.Node, Seen: s.o.Clock().UnixMicro(),
		CallID: c.CallID, FromTag: c.FromTag, ToTag: c.ToTag, Leg: c.Leg,
		Code: code, Reason: reason, CommandID: c.ID, CSeq: c.CSeq, Method: "BYE",
	})
	s.land(l, c)
}

// fields are what a log line about a command has.
func fields(c call.Command) logrus.Fields {
	return logrus.Fields{
		"command": c.ID, "call": c.Key.String(), "node": c.Node, "leg": c.Leg.String(),
		"attempt": c.Attempt, "reason": string(c.Reason), "call_id": c.CallID, "cseq": c.CSeq,
	}
}

func rejected(err error) bool {
	var r interface {
		error
		Rejected() bool
	}
	return errors.As(err, &r) && r.Rejected()
}

func notSent(err error) bool {
	var n interface {
		error
		NotSent() bool
	}
	return errors.As(err, &n) && n.NotSent()
}

// nobody is the caller for nodes that are not configured.
type nobody struct{}

// UACWait always fails.
func (nobody) UACWait(context.Context, indialog.Request) (indialog.Reply, error) {
	return indialog.Reply{}, errNoNode
}

// errNoNode is a rejection.
var errNoNode = noNodeError{}

type noNodeError struct{}

func (noNodeError) Error() string { return "send bye: no such node, name it in nodes" }

// Rejected is true: trying again is no use.
func (noNodeError) Rejected() bool { return true }
