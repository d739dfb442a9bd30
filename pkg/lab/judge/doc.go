// Package judge decides whether a run went as byeguard promises: from what the
// user agents recorded themselves, what Kamailio says it holds, and the rows in
// the database. [Judge] is for a run without faults, where each call's end is
// known to the second (the demo); [UnderFaults] is for one in which anything may
// break at any time (the chaos suite).
//
// It refuses to take byeguard's word for anything that the agents can tell, and
// shares no code with byeguard.
package judge
