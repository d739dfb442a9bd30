// Package compensate carries out commands: it sends the BYEs that [call.Step]
// decided on, through the proxy that has the leg, and reports what came of each.
//
// Commands of one node are paced, wait in a queue without bound (they are
// evidence-based and never dropped) and go out at most one at a time per leg.
// The package decides nothing: which reply closes a leg, and whether to try
// again with a higher CSeq, is said by package call when it gets the report. It
// retries on its own only what cannot have reached the proxy.
package compensate
