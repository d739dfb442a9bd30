// Package reconcile compares two lists of the same calls, byeguard's own and
// somebody else's (Kamailio's accounting, a carrier, the live proxy), and says of
// each call what differs and why. It does no I/O: both lists arrive as sorted
// sources and leave as findings, so that millions of calls pass through a window.
package reconcile
