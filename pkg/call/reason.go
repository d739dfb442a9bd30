package call

// Reason is why byeguard did, or did not do, something. The same word stands
// in logs, metrics, CDRs, incidents and evidence.
type Reason string

// Reasons to send a BYE, after the rows of the evidence table in docs/safety.md.
const (
	ReasonNone          Reason = ""
	ReasonByeMissing    Reason = "bye_missing"    // row 1: BYE to one leg only, dialog gone from the proxy
	ReasonProxyEnded    Reason = "proxy_ended"    // row 2: Kamailio ended the call, a leg got no BYE
	ReasonLogLine       Reason = "log_line"       // row 3: Kamailio logged "BYE not sent"
	ReasonByeUnanswered Reason = "bye_unanswered" // row 4: the BYE to the leg had no final reply
	ReasonByeFailed     Reason = "bye_failed"     // row 4: the BYE to the leg got a failing reply
	ReasonOtherEndGone  Reason = "other_end_gone" // row 4: the other end confirmed a BYE, this leg never saw one
	ReasonProbedGone    Reason = "end_point_gone" // rows 5, 6, zombies: the other end answered 481 to OPTIONS, twice
)

// Reasons to ask the end points by OPTIONS; bye_refused, bye_dropped,
// bye_unanswered and dialog_forgotten are others.
const (
	ReasonVanished  Reason = "dialog_vanished" // row 6: the proxy lost the dialog while byeguard could not see
	ReasonRestarted Reason = "proxy_restarted" // row 7
	ReasonTooOld    Reason = "too_old"         // up for longer than max_age
	ReasonSilent    Reason = "no_answer"       // the leg answers no OPTIONS
)

// Reasons not to send a BYE.
const (
	ReasonStillHeld    Reason = "still_held"       // the proxy holds the dialog in state 3 or 4
	ReasonAskFailed    Reason = "ask_failed"       // the proxy could not be asked
	ReasonByeRefused   Reason = "bye_refused"      // row 5: the proxy refused the end point's BYE
	ReasonByeDropped   Reason = "bye_dropped"      // row 5: neither forwarded nor answered
	ReasonForgotten    Reason = "dialog_forgotten" // rows 6, 7: the proxy forgot the dialog
	ReasonAuthRequired Reason = "auth_required"    // 401, 403 or 407 to our BYE
	ReasonNoPath       Reason = "path_unknown"     // nobody told where the leg can be reached
	ReasonExhausted    Reason = "attempts_exhausted"
)

// Inferred says that a BYE for this reason rests on inference (evidence table,
// rows 5 and 6, and policies for zombies), not on evidence that the call has
// ended (rows 1 to 4). BYEs of the first kind count for the mass-action guard,
// those of the second are only paced. A reason that is not listed here as
// evidence is an inference: a new one is on the safe side until it is listed.
func (r Reason) Inferred() bool {
	switch r {
	case ReasonByeMissing, ReasonProxyEnded, ReasonLogLine, ReasonByeUnanswered, ReasonByeFailed, ReasonOtherEndGone:
		return false
	}
	return true
}
