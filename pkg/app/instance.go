package app

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// openInstance takes data_dir for this process and returns the name of the
// byeguard that lives there. It is made up once and kept, so that a restart is
// the same byeguard. release gives data_dir free.
func openInstance(dir string) (id string, release func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil { // the private PostgreSQL's user must be able to enter it
		return "", nil, fmt.Errorf("make data_dir %s: %w: byeguard must be able to write there", dir, err)
	}
	lock, err := lockFile(filepath.Join(dir, "byeguard.lock"))
	if err != nil {
		return "", nil, fmt.Errorf("take data_dir %s: %w", dir, err)
	}
	release = func() { lock.Close() }
	path := filepath.Join(dir, "instance")
	text, err := os.ReadFile(path)
	if id = strings.TrimSpace(string(text)); err == nil && id != "" && len(id) <= 200 {
		return id, release, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		release()
		return "", nil, fmt.Errorf("read the name of this byeguard: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "byeguard"
	}
	var random [4]byte
	_, _ = rand.Read(random[:]) // it does not fail (crypto/rand)
	id = host + "-" + hex.EncodeToString(random[:])
	if err := os.WriteFile(path, []byte(id+"\n"), 0o600); err != nil {
		release()
		return "", nil, fmt.Errorf("keep the name of this byeguard: %w", err)
	}
	return id, release, nil
}

// errTaken says that another process lives in data_dir.
var errTaken = errors.New("another byeguard uses it: give each its own data_dir")
