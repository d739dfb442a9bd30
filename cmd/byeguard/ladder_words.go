package main

import (
	"fmt"
	"strconv"

	"github.com/byeguard/byeguard/pkg/call"
	"github.com/byeguard/byeguard/pkg/store"
)

// explain says what an event is: the message on its arrow, and its meaning for
// people. Both may hold anything.
func explain(e *store.Event) (label, note string) {
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
		return "", fmt.Sprintf("%s: %s", sip(e.Node), heldWords(e.Detail.Held))
	case call.KindResult:
		return "", fmt.Sprintf("byeguard: the %s's answer is %s: %s", e.Src, message(e), replyWords(e.Code))
	case call.KindProbed:
		if e.Code == 0 {
			return "", "byeguard: the " + e.Src + " was not asked: " + message(e)
		}
		return "", fmt.Sprintf("byeguard: the %s's answer to OPTIONS is %s: %s", e.Src, message(e), probedWords(e.Code))
	case call.KindListed:
		return "", sip(e.Node) + " lists the call: it is up there"
	case call.KindVanished:
		return "", sip(e.Node) + " does not hold the call any more, asked twice; how it ended was not seen"
	case call.KindRestarted:
		return "", sip(e.Node) + " was restarted and has forgotten the call"
	case call.KindDeferred:
		return "", fmt.Sprintf("byeguard keeps the BYE to the %s back: %s", e.Dst, sip(e.Detail.Phrase))
	case call.KindWithdrawn:
		return "", fmt.Sprintf("byeguard takes the BYE to the %s back and looks anew: %s", e.Dst, sip(e.Detail.Phrase))
	case call.KindTick, call.KindUnknown:
	}
	return ownNote(e)
}

// ownNote explains what byeguard did by itself.
func ownNote(e *store.Event) (label, note string) {
	because := ""
	if e.Reason != "" {
		because = ", since " + reasonWords(e.Reason)
	}
	switch e.Kind {
	case "ask":
		return "", fmt.Sprintf("byeguard asks %s: do you still hold this call?", sip(e.Node))
	case "command":
		return "", fmt.Sprintf("byeguard sends BYE to the %s (try %d, CSeq %d)%s", e.Dst, e.Detail.Attempt, e.CSeq, because)
	case "probe":
		return "", fmt.Sprintf("byeguard asks the %s by OPTIONS whether it knows the call (number %d, CSeq %d)%s", e.Dst, e.Detail.Attempt, e.CSeq, because)
	case "incident":
		verb := "opens"
		if e.Detail.Resolved {
			verb = "is resolved"
		}
		note = fmt.Sprintf("incident %s: %s", verb, kindWords(e.Detail.Incident))
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
		return sip(method(e))
	}
	s := strconv.Itoa(e.Code)
	if phrase := sip(e.Detail.Phrase); phrase != "" {
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
