// Package lab is byeguard's laboratory: a real Kamailio, a private PostgreSQL,
// strict SIP user agents, a Record-Routing proxy, a phone that nobody here
// wrote, and faults. It is for tests, the demo and benchmarks only.
//
// The user agents are an independent judge: they share no code with byeguard,
// check every in-dialog request by RFC 3261 and keep their own record of each
// call. The package refuses to be lenient there (a wrong tag, Request-URI,
// Route or CSeq is answered 481 or 500 and noted), and refuses to simulate
// Kamailio or PostgreSQL.
//
// Whatever it starts dies with the process that started it, even by SIGKILL,
// and leaves no files behind. Functions named Start... and New... take
// no test and return errors; those named Must... take a [TB], fail it on an
// error and clean up at its end.
package lab
