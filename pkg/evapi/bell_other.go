//go:build unix && !linux

package evapi

import (
	"time"

	"golang.org/x/sys/unix"
)

// bell is poll(2).
type bell struct{}

func (bell) hang(int) error { return nil }

func (bell) wait(fd int, d time.Duration) error { return await(fd, unix.POLLIN, d) }

func (bell) close() {}
