package compensate

import (
	"context"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/indialog"
)

// Bounds on OPTIONS of one node. An end point that does not answer holds an HTTP
// connection for half a minute, and those are for BYEs first.
const (
	maxProbing  = 64     // on the way
	maxPatient  = 100    // wait, when a patient one comes
	maxPressing = 10_000 // wait, when any other one comes
)

// refuse says that an OPTIONS is not to be queued. Its call asks again later:
// better than a queue of hours after the restart of a large proxy.
func (l *lane) refuse(c *call.Command) bool {
	return c.Method == call.MethodOptions && (len(l.queue) >= maxPressing || c.Patient && len(l.queue) >= maxPatient)
}

// ask carries out an OPTIONS. It is sent once: who asked will ask again. What is
// not certain to have been answered counts as not sent.
func (s *Sender) ask(flight context.Context, l *lane, c call.Command, r indialog.Request) {
	s.count(func() { l.stats.Attempts++ })
	reply, err := l.caller.UACWait(flight, r)
	if err != nil {
		s.answered(l, c, 0, err.Error())
		return
	}
	s.answered(l, c, reply.Code, reply.Reason)
}

// answered hands on the outcome of an OPTIONS and frees the leg.
func (s *Sender) answered(l *lane, c call.Command, code int, reason string) {
	s.count(func() {
		l.stats.Reported++
		switch code {
		case 0:
			l.stats.NotSent++
		case 408:
			l.stats.Unanswered++
		case 481:
			l.stats.Closed++
		default:
			l.stats.Refused++
		}
	})
	s.tellProbed(c, code, reason)
	s.land(l, c)
}

func (s *Sender) tellProbed(c call.Command, code int, reason string) {
	s.o.Log.WithFields(fields(c)).WithField("code", code).WithField("reply", reason).Debug("end point was asked by options")
	s.o.Results(c.Key, call.Event{
		Kind: call.KindProbed, Node: c.Node, Seen: s.o.Clock().UnixMicro(),
		CallID: c.CallID, FromTag: c.FromTag, ToTag: c.ToTag, Leg: c.Leg, RURI: c.Target,
		Code: code, Reason: reason, CommandID: c.ID, CSeq: c.CSeq, Method: c.Method,
	})
}
