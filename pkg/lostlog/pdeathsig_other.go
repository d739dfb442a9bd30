//go:build !linux

package lostlog

import "syscall"

func dieWithParent() *syscall.SysProcAttr { return nil }
