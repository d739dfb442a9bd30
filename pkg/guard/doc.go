// Package guard drives the core: it finds the call of each event, steps it,
// hands the outcome to the store and has the effects carried out.
//
// Calls are spread over lanes by their Call-ID. One goroutine owns a lane, so
// the events of one call are stepped in the order in which they came, and no
// call is ever locked. The guard waits for nothing: not for the store, not for
// a proxy's answer, not for a command.
package guard
