// Package kamrpc asks Kamailio questions and hands it requests to send: a
// JSON-RPC 2.0 client for the jsonrpcs module over HTTP, with a typed method for
// each RPC command that byeguard uses.
//
// It refuses to take a failure for an answer: a half, foreign, oversized or
// unreadable answer is an error, and [Client.Holds] says that a dialog is gone
// only if the same run of Kamailio said so that the question is about. Texts
// from SIP reach Kamailio byte for byte, UTF-8 or not.
//
// The package does not retry and does not decide anything.
package kamrpc
