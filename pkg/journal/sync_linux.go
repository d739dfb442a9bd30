package journal

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// dataSync has what was written on disk, and of the file's description only
// what is needed to read it again: its length, not its times.
func dataSync(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var serr error
	err = raw.Control(func(fd uintptr) {
		for serr = unix.EINTR; errors.Is(serr, unix.EINTR); {
			serr = unix.Fdatasync(int(fd))
		}
	})
	return errors.Join(err, serr)
}
