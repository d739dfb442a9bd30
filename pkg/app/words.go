package app

import (
	"strings"

	"github.com/byeguard/byeguard/pkg/call"
)

// The functions below say the words of logs and tables of the database to
// people who never saw SIP. A word that they do not know stays as it is.

var callStates = map[string]string{
	call.StateNew.String():    "just seen",
	call.StateUp.String():     "in progress",
	call.StateEnding.String(): "ending",
}

// StateWords says a call's state to people.
func StateWords(state string) string { return say(callStates, state) }

var legStates = map[call.LegState]string{
	call.LegUp:          "up",
	call.LegOwnBye:      "hung up",
	call.LegConfirmed:   "ended, confirmed",
	call.LegGone:        "gone before",
	call.LegUnconfirmed: "not confirmed",
}

// LegWords says a leg's state to people.
func LegWords(state string) string { return say(legStates, state) }

var reasonWords = map[call.Reason]string{
	call.ReasonByeMissing:    "the proxy ended one side only and forgot the call",
	call.ReasonProxyEnded:    "the proxy ended the call without telling this side",
	call.ReasonLogLine:       "the proxy logged that it could not tell this side",
	call.ReasonByeUnanswered: "this side did not answer when told to end",
	call.ReasonByeFailed:     "this side's answer was a failure when told to end",
	call.ReasonOtherEndGone:  "the other side ended and this one was never told",
	call.ReasonProbedGone:    "the other side, asked twice, does not know the call any more",
	call.ReasonVanished:      "the proxy does not hold the call any more, and nobody saw its end",
	call.ReasonRestarted:     "the proxy was restarted and has forgotten the call",
	call.ReasonTooOld:        "the call has been up for longer than max_age",
	call.ReasonSilent:        "this side has not answered for long",
	call.ReasonStillHeld:     "the proxy still holds the call",
	call.ReasonAskFailed:     "the proxy could not be asked",
	call.ReasonByeRefused:    "the proxy refused the hang-up",
	call.ReasonByeDropped:    "the proxy neither passed the hang-up on nor answered it",
	call.ReasonForgotten:     "the proxy forgot the call",
	call.ReasonAuthRequired:  "this side wants credentials before it ends the call",
	call.ReasonNoPath:        "nobody told where this side can be reached",
	call.ReasonExhausted:     "all tries are used up",
}

// ReasonWords says a call.Reason to people, and adds the word of logs and metrics.
func ReasonWords(reason string) string {
	if w := say(reasonWords, reason); w != reason {
		return w + " [" + reason + "]"
	}
	return reason
}

func say[K ~string](words map[K]string, word string) string {
	if s, ok := words[K(word)]; ok {
		return s
	}
	return word
}

// NotSeenWords says what byeguard did not see of a call, "" for nothing.
func NotSeenWords(names string) string {
	if names == "" {
		return ""
	}
	words := map[string]string{
		"gap":          "what happened before the restart: events were missed",
		"start_missed": "its start: it was found in the proxy's list",
		"vanished":     "its end: the proxy let go of it unseen",
		"restarted":    "what the proxy knew of it: it was restarted meanwhile",
	}
	var all []string
	for name := range strings.SplitSeq(names, ",") {
		if w, ok := words[name]; ok {
			name = w
		}
		all = append(all, name)
	}
	return strings.Join(all, "; ")
}
