package lostlog

import "syscall"

// dieWithParent ends journalctl with byeguard, a kill -9 of it included.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}
