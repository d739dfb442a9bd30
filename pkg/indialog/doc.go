// Package indialog builds a request inside an existing SIP dialog, as the proxy
// that routed the dialog would send it to one of its two sides: the BYE that a
// leg is owed, or an OPTIONS that asks whether the leg is still there.
//
// It turns what is known of a leg (remote target, route set, tags, sequence
// number) into the parameters of Kamailio's RPC command tm.t_uac_wait
// (RFC 3261 section 12.2.1.1, and Kamailio's own rules where it bends them for
// NAT). Everything it is given came from SIP messages and may be hostile: bytes
// are kept as they are, and a value that could end a header line or be read as
// something else is an error, never a header.
//
// The package does no I/O, does not decide whether a request is right, and does
// not resolve names. It imports nothing of byeguard.
package indialog
