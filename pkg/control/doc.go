// Package control knows who may send: what persons have paused, what the
// mass-action guard has stopped, and for which nodes another byeguard acts. It
// is the gate that commands pass.
//
// It does no I/O but the files of [Dir], and decides nothing about calls.
package control
