package metrics

import "github.com/byeguard/byeguard/pkg/call"

// Figures of a Kamailio.
var (
	nodeConnected = gauge("node_connected", "1 if the events of the Kamailio are read.", "node")
	nodeActive    = gauge("node_active", "1 if this byeguard acts for the node, 0 if another one does (a standby).", "node")
	nodeSending   = gauge("node_sending", "1 if BYEs that rest on evidence go out; 0 in mode observe, on a standby, and while paused.", "node")
	nodeStopped   = gauge("sending_stopped", "1 if sending is held back: kind pause is a person's, mass_action the guard's against too many BYEs on inference.", "node", "kind")
	nodeFits      = gauge("node_jsonrpc_matches", "0 if JSON-RPC is answered by another Kamailio than the one that sends the events: BYEs are held back.", "node")
	nodeSkew      = gauge("node_clock_skew_seconds", "The node's clock minus byeguard's.", "node")
	nodeConnects  = counter("node_connects_total", "Connections to the node's events that were answered.", "node")
	nodeFailures  = counter("node_connection_failures_total", "Connections to the node's events, or attempts, that ended with an error.", "node")
	nodeBytes     = counter("node_received_bytes_total", "Bytes of events that were read.", "node")

	eventsKinds   = counter("events_total", "Events of the proxy that were read.", "node", "kind")
	eventsBad     = counter("events_undecodable_total", "Frames that should have been events and could not be decoded.", "node")
	eventsRefused = counter("events_refused_total", "Events that were read and lost because a lane was full.", "node")
	eventsMissed  = counter("events_missed_total", "Events that the proxy counted and byeguard never got, as far as their number is known.", "node")
	eventsGaps    = counter("event_gaps_total", "Runs of events that were not seen. Cause hole: the credit gate was closed.", "node", "cause")
	eventsLast    = gauge("last_event_timestamp_seconds", "When the newest event was read, byeguard's clock.", "node")

	creditLimit = gauge("credit_limit_events", "Events that the proxy relays without an acknowledgement.", "node")
	creditUsed  = gauge("credit_used_events", "Events that were read and not acknowledged yet.", "node")
	creditGate  = gauge("credit_gate_open", "0 if the proxy keeps events back, or did so within the last 30 s, since its credit was used up; absent while nobody knows.", "node")
	creditAcks  = counter("acknowledgements_total", "Acknowledgements written to the proxy.", "node")

	resyncs        = counter("resyncs_total", "Looks through the proxy's dialogs.", "node", "outcome")
	resyncTook     = gauge("resync_last_duration_seconds", "How long the last look through the proxy's dialogs took that went through.", "node")
	resyncVanished = counter("resync_vanished_dialogs_total", "Dialogs that two looks did not find any more.", "node")

	byes         = counter("byes_total", "BYEs of byeguard that are done. confirmed: answered 2xx; gone: 481, the leg had ended already; observed: due, and not sent in mode observe.", "node", "outcome")
	byeAttempts  = counter("bye_attempts_total", "BYEs that were handed to the proxy, repetitions included.", "node")
	byeRetries   = counter("bye_retries_total", "Attempts that did not reach the proxy and were made again.", "node")
	byesDeferred = counter("byes_deferred_total", "BYEs that were not let out: paused, stopped, or another byeguard acts.", "node")
	byesQueued   = gauge("byes_queued", "BYEs that wait for their turn.", "node")
	byesFlying   = gauge("byes_in_flight", "BYEs that wait for their final reply.", "node")
	probes       = counter("probes_total", "OPTIONS to end points of odd calls. gone: 481; answered: any other final reply.", "node", "outcome")
)

// OfProxy are the kinds of events that a proxy sends.
var ofProxy = [...]call.Kind{
	call.KindStart, call.KindAnswer, call.KindConfirm, call.KindTarget, call.KindByeIn, call.KindByeFwd,
	call.KindByeRefused, call.KindByeOut, call.KindByeReply, call.KindEnd, call.KindFail, call.KindLost,
}

// causes of gaps, as pkg/evapi names them.
var causes = [...]string{"hole", "reconnect", "restart", "reset", "refused", "bad"}

func (o out) node(n *Node) {
	o.flag(nodeConnected, n.Connected, n.Name)
	o.flag(nodeActive, n.Active, n.Name)
	o.flag(nodeSending, n.Sending, n.Name)
	o.flag(nodeStopped, n.Paused, n.Name, "pause")
	o.flag(nodeStopped, n.MassStop, n.Name, "mass_action")
	o.flag(nodeFits, n.Fits, n.Name)
	o.span(nodeSkew, n.Skew, n.Name)
	o.count(nodeConnects, n.Connects, n.Name)
	o.count(nodeFailures, n.Failures, n.Name)
	o.count(nodeBytes, n.Bytes, n.Name)
	for _, k := range ofProxy {
		o.count(eventsKinds, n.Events[k], n.Name, k.String())
	}
	o.count(eventsBad, n.Bad, n.Name)
	o.count(eventsRefused, n.Refused, n.Name)
	o.count(eventsMissed, n.Missed, n.Name)
	for _, c := range causes {
		o.count(eventsGaps, n.Gaps[c], n.Name, c)
	}
	o.time(eventsLast, n.LastEvent, n.Name)
	if n.CreditLimit > 0 {
		o.put(creditLimit, float64(n.CreditLimit), n.Name)
		o.put(creditUsed, float64(n.CreditUsed), n.Name)
		if n.Connected {
			o.flag(creditGate, n.GateOpen, n.Name)
		}
	}
	o.count(creditAcks, n.Acks, n.Name)
	o.count(resyncs, n.Resyncs, n.Name, "ok")
	o.count(resyncs, n.ResyncFailures, n.Name, "failed")
	if n.Resyncs > 0 {
		o.put(resyncTook, n.ResyncTook.Seconds(), n.Name)
	}
	o.count(resyncVanished, n.Vanished, n.Name)
	o.sends(n)
}

func (o out) sends(n *Node) {
	b, p := &n.Byes, &n.Probes
	o.count(byes, b.Confirmed, n.Name, "confirmed")
	o.count(byes, b.Gone, n.Name, "gone")
	o.count(byes, b.Refused, n.Name, "refused")
	o.count(byes, b.Unanswered, n.Name, "unanswered")
	o.count(byes, b.NotSent, n.Name, "not_sent")
	o.count(byes, b.Observed, n.Name, "observed")
	o.count(byeAttempts, b.Attempts, n.Name)
	o.count(byeRetries, b.Retries, n.Name)
	o.count(byesDeferred, b.Deferred, n.Name)
	o.size(byesQueued, b.Queued, n.Name)
	o.size(byesFlying, b.InFlight, n.Name)
	o.count(probes, p.Gone, n.Name, "gone")
	o.count(probes, p.Confirmed+p.Refused, n.Name, "answered")
	o.count(probes, p.Unanswered, n.Name, "unanswered")
	o.count(probes, p.NotSent, n.Name, "not_sent")
}
