// Package lostlog finds Kamailio's own word that a BYE was not sent: the
// warning of the dialog module that carries the Call-ID (5.7.4 and later). It
// follows a log file or the journal of a systemd unit and makes events of kind
// lost.
//
// Log lines are weak evidence, since much of what stands in a log was written by
// callers. A line counts only if the place where Kamailio itself writes (level,
// module, source file, function) is at the very beginning of the message; the
// same words anywhere else are counted as suspect and make no event. Even so,
// whoever can write whole lines into the log (an xlog of a message body, say)
// can forge one, so the reader of these events must still ask the proxy.
//
// The package refuses to remember positions: it begins at the end of the log.
// Events that passed before are found again by resynchronisation.
package lostlog
