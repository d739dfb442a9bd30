// Package cluster runs a private PostgreSQL cluster from the server binaries
// that the machine has: for `byeguard serve` without a database_url, and for
// tests.
//
// The cluster is reached through a Unix socket only, in a directory that
// nobody else may enter, so it needs no password and no port. It survives the
// process that started it: the next [Start] on the same directory finds the
// running postmaster and takes it over. The package refuses to download,
// install or upgrade anything, and never deletes a data directory.
package cluster
