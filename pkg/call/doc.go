// Package call is the pure core of byeguard: it follows one SIP call, leg by
// leg, and decides whether a leg is owed a BYE.
//
// [Call.Step] takes one event and answers with effects: questions to ask the
// proxy, BYEs to send, incidents to raise. The same events always give the same
// effects, so a billing dispute can be replayed. The package does no I/O, has
// no clock (time arrives in events), starts no goroutine and imports nothing
// of byeguard. It refuses to guess: silence, time-outs and a proxy that lost
// its memory are never a reason to end a call.
package call
