// Package app is the daemon: it reads the configuration, wires the packages
// together, starts them in order and stops them in the opposite one. It is the
// only package that sees all others, and it decides nothing about calls.
package app
