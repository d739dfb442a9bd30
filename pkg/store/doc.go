// Package store keeps byeguard's memory in PostgreSQL: shadow dialogs, evidence,
// CDRs, incidents, the outbox of commands and what was last heard of each node.
//
// Writing goes one way: [Store.Put] takes updates into bounded memory without
// ever waiting, [Store.Run] writes them in batches, one transaction each, so a
// call's state and the effects that follow from it are committed together. Only
// the newest state of a call within a flush window is written. SQL guards each
// transition again: a higher version wins, a final CDR never opens again, an
// incident only moves forward.
//
// The package decides nothing about calls and refuses to interpret SIP: texts go
// in and come out byte for byte ([Escape]).
package store
