// Package evapi reads byeguard's events from one Kamailio node: it holds the
// TCP connection to the node's evapi module, takes netstrings apart, turns each
// frame into a [call.Event], acknowledges what it has read (Kamailio relays on
// that credit) and tells where the stream has holes.
//
// The wire format is described in docs/decisions/0004-event-decoding.md; the
// Kamailio side is made by the include files in kamailio-cfg.
//
// The package refuses to wait for anything behind it: a [Handler] that cannot
// take a batch says so, the connection is closed and the hole is reported. It
// keeps no call state, drops no event silently and trusts no length that it was
// told. Kamailio's evapi listens on TCP only (evapi_run_dispatcher uses
// getaddrinfo, 5.6 to 6.1), so there is no unix socket here.
package evapi
