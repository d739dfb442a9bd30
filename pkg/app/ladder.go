package app

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/byeguard/byeguard/pkg/alert"
	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/store"
)

// Parties are those of a ladder, from left to right.
func Parties() [3]string { return [3]string{call.Caller.String(), "proxy", call.Callee.String()} }

// Step is one line of a call's ladder. Its texts may hold anything.
type Step struct {
	Event *store.Event
	Since time.Duration // since the first step, by the proxies' clocks
	From  int           // index of a party; -1: it is no message, and Note tells all
	To    int
	Label string // on the arrow
	Note  string // what it means
	Own   bool   // byeguard did it, or it is byeguard's BYE
}

// Ladder tells a call's events in the order in which they happened.
func Ladder(events []store.Event) []Step {
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b store.Event) int { return a.At.Compare(b.At) })
	parties := Parties()
	steps := make([]Step, len(events))
	for i := range events {
		e := &events[i]
		st := Step{Event: e, Since: e.At.Sub(events[0].At), Own: e.Src == "byeguard" || e.Detail.Command != "",
			From: slices.Index(parties[:], e.Src), To: slices.Index(parties[:], e.Dst)}
		st.Label, st.Note = Explain(e)
		if st.From < 0 || st.To < 0 || st.From == st.To {
			st.From, st.To = -1, -1
			st.Label, st.Note = "", strings.TrimPrefix(st.Label+": "+st.Note, ": ")
		}
		steps[i] = st
	}
	return steps
}

// Explain says what an event is: the message on its arrow, and its meaning for
// people. Both may hold anything.
func Explain(e *store.Event) (label, note string) {
	label = message(e)
	switch kind := call.ParseKind(e.Kind); kind {
	case call.KindStart:
		return label, "the callee answers"
	case call.KindAnswer:
		return label, "the callee answers (a call of its own in the proxy's eyes)"
	case call.KindConfirm:
		return label, "the answer is confirmed"
	case call.KindTarget:
		if e.Code != 0 {
			return label, "the change is accepted"
		}
		return label, "a change within the call"
	case call.KindByeIn, call.KindByeFwd, call.KindByeRefused, call.KindByeOut, call.KindByeReply:
		return label, byeNote(kind, e)
	case call.KindEnd:
		return "", endNote(e.Detail.State)
	case call.KindFail:
		return "", "the call is not answered: " + message(e)
	case call.KindLost:
		return "", "the proxy's log: a BYE could not be sent"
	case call.KindAsked:
		return "", fmt.Sprintf("%s: %s", store.Unescape(e.Node), heldWords(e.Detail.Held))
	case call.KindResult:
		return "", fmt.Sprintf("byeguard: the %s's answer is %s: %s", e.Src, message(e), replyWords(e.Code))
	case call.KindProbed:
		if e.Code == 0 {
			return "", "byeguard: the " + e.Src + " was not asked: " + message(e)
		}
		return "", fmt.Sprintf("byeguard: the %s's answer to OPTIONS is %s: %s", e.Src, message(e), probedWords(e.Code))
	case call.KindListed:
		return "", store.Unescape(e.Node) + " lists the call: it is up there"
	case call.KindVanished:
		return "", store.Unescape(e.Node) + " does not hold the call any more, asked twice; how it ended was not seen"
	case call.KindRestarted:
		return "", store.Unescape(e.Node) + " was restarted and has forgotten the call"
	case call.KindDeferred:
		return "", fmt.Sprintf("byeguard keeps the BYE to the %s back: %s", e.Dst, store.Unescape(e.Detail.Phrase))
	case call.KindWithdrawn:
		return "", fmt.Sprintf("byeguard takes the BYE to the %s back and looks anew: %s", e.Dst, store.Unescape(e.Detail.Phrase))
	case call.KindTick, call.KindUnknown:
	}
	return ownNote(e)
}

// ownNote explains what byeguard did by itself.
func ownNote(e *store.Event) (label, note string) {
	because := ""
	if e.Reason != "" {
		because = ", since " + ReasonWords(e.Reason)
	}
	switch e.Kind {
	case "ask":
		return "", fmt.Sprintf("byeguard asks %s: do you still hold this call?", store.Unescape(e.Node))
	case "command":
		return "", fmt.Sprintf("byeguard sends BYE to the %s (try %d, CSeq %d)%s", e.Dst, e.Detail.Attempt, e.CSeq, because)
	case "probe":
		return "", fmt.Sprintf("byeguard asks the %s by OPTIONS whether it knows the call (number %d, CSeq %d)%s", e.Dst, e.Detail.Attempt, e.CSeq, because)
	case "incident":
		verb := "opens"
		if e.Detail.Resolved {
			verb = "is resolved"
		}
		note = fmt.Sprintf("incident %s: %s", verb, alert.KindWords(e.Detail.Incident))
		if e.Detail.Leg != "" {
			note += " (" + e.Detail.Leg + ")"
		}
		return "", note
	}
	return message(e), e.Kind + because
}

// message is what an arrow carries.
func message(e *store.Event) string {
	if e.Code == 0 {
		return store.Unescape(method(e))
	}
	s := strconv.Itoa(e.Code)
	if phrase := store.Unescape(e.Detail.Phrase); phrase != "" {
		s += " " + phrase
	}
	return s
}

// method is the request's; events that can be of one method only do not name it.
func method(e *store.Event) string {
	switch call.ParseKind(e.Kind) {
	case call.KindByeIn, call.KindByeFwd, call.KindByeOut:
		return "BYE"
	case call.KindConfirm:
		return "ACK"
	}
	return e.Method
}

func byeNote(kind call.Kind, e *store.Event) string {
	switch kind {
	case call.KindByeIn:
		if e.Src == "" {
			return "somebody wants to end the call"
		}
		return "the " + e.Src + " hangs up"
	case call.KindByeFwd:
		return "the proxy passes it on"
	case call.KindByeRefused:
		return "the proxy refuses it"
	case call.KindByeOut:
		if e.Detail.Command != "" {
			return "the BYE of byeguard goes out"
		}
		return "the proxy ends the call on this side"
	}
	return replyWords(e.Code)
}

// replyWords says what an answer to a BYE means (RFC 3261 15.1.1, 12.2.1.2).
func replyWords(code int) string {
	switch {
	case code < 200:
		return "not final"
	case code < 300:
		return "this side has ended"
	case code == 481:
		return "this side knows no such call (any more)"
	case code == 408:
		return "no answer in time"
	case code == 401, code == 403, code == 407:
		return "this side wants credentials"
	}
	return "this side does not take it"
}

// probedWords says what an answer to OPTIONS means: only 481 means anything.
func probedWords(code int) string {
	switch code {
	case 481:
		return "this side knows no such call (any more)"
	case 408:
		return "no answer in time, which proves nothing"
	}
	return "which proves nothing"
}

func heldWords(held string) string {
	switch held {
	case call.HeldYes.String():
		return "yes, still held"
	case call.HeldNo.String():
		return "no, gone"
	}
	return "no usable answer"
}

func endNote(state int) string {
	switch state {
	case call.DialogConfirmedNA, call.DialogConfirmed:
		return fmt.Sprintf("the proxy ended the call itself (its state %d)", state)
	case call.DialogDeleted:
		return fmt.Sprintf("the proxy let go of the call (its state %d)", state)
	}
	return fmt.Sprintf("the proxy ends its part (state %d)", state)
}
