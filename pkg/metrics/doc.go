// Package metrics shows byeguard's figures to Prometheus. It reads snapshots when
// it is scraped, so that nothing is added to the way of an event; only what a
// snapshot cannot tell (how long repairs and transactions took) is observed as it
// happens, which is rare. It knows names, units and help texts, and it decides
// nothing: pkg/app says what the figures are.
//
// Labels are bounded: nodes and routes of the configuration, and words of this
// program. Nothing that SIP says is ever a label.
package metrics
