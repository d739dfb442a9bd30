// Package judge decides whether a run of the demo went as byeguard promises:
// from what the user agents recorded themselves, what Kamailio says it holds,
// and the rows in the database.
//
// It refuses to take byeguard's word for anything that the agents can tell, and
// shares no code with byeguard.
package judge
