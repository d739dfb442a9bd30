//go:build !unix

package app

import "os"

// lockFile opens the file; there is no lock on this system.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
}
