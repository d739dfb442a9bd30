package watchdog

import "syscall"

// dieWithParent lets the kernel kill the child when the parent dies. SIGKILL,
// for a stopped or stalled child would not act on anything milder.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
