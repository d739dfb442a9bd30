//go:build !linux

package watchdog

import "syscall"

// dieWithParent relies on the broken heartbeat pipe where the kernel has no
// parent-death signal.
func dieWithParent() *syscall.SysProcAttr { return nil }
