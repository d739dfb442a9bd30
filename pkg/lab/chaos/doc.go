// Package chaos runs byeguard under faults: a real Kamailio with calls that end
// in every way there is, a real PostgreSQL, the real byeguard program, and
// faults that come from a seed. At the end an independent judge
// (pkg/lab/judge) reads the user agents' own records and the database.
//
// The schedule of faults, the plan of each call and what the network loses are
// pure functions of the seed, so that a failing run can be replayed; what the
// machine does in between is not. The package refuses to look at byeguard's own
// state, and to excuse a failure by the faults that came before it.
package chaos
