// Package alert brings incidents to people: it says which route tells of which
// incident and when, gathers what belongs together, writes the message for each
// kind of receiver, and sends it until it was taken.
//
// What is to be sent is kept by an [Outbox]; PostgreSQL's is written with the
// incident. A message has an id that never changes, so that a receiver can drop
// what it gets twice: delivery is at least once. Each route has a worker of its
// own, and a slow receiver delays nobody else. The package never reads SIP and
// knows nothing of calls but what an incident says.
//
// Texts in incidents come from SIP messages and are hostile. They reach a
// message only through the encoder of its place.
package alert
