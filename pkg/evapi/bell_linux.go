package evapi

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bell rings once for each time that somebody waits for it: an epoll of its own
// with the socket in it, disarmed by its first event (EPOLLONESHOT), and watched
// by the runtime's poller in the socket's place. Blocking a thread in poll(2)
// would do as well, but the runtime then looks every 20 µs whether it should
// give that thread's turn to another one, which costs some 3 % of a core.
type bell struct {
	epfd  int
	epoll *os.File // the same; its method Fd would make it a blocking one
	raw   syscall.RawConn
	event [1]unix.EpollEvent
}

const ringsFor = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT

func (b *bell) hang(fd int) error {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("watch connection: %w", err)
	}
	err = unix.EpollCtl(epfd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: ringsFor, Fd: int32(fd)})
	if err == nil {
		err = unix.SetNonblock(epfd, true) // else the runtime takes it for a plain file
	}
	if err != nil {
		_ = unix.Close(epfd)
		return fmt.Errorf("watch connection: %w", err)
	}
	b.epfd, b.epoll = epfd, os.NewFile(uintptr(epfd), "epoll")
	b.raw, err = b.epoll.SyscallConn()
	return err
}

func (b *bell) wait(fd int, d time.Duration) error {
	err := b.epoll.SetReadDeadline(time.Now().Add(d))
	if err == nil {
		err = unix.EpollCtl(b.epfd, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: ringsFor, Fd: int32(fd)})
	}
	if err != nil {
		return fmt.Errorf("watch connection: %w", err)
	}
	var werr error
	err = b.raw.Read(func(epfd uintptr) bool {
		var n int
		n, werr = unix.EpollWait(int(epfd), b.event[:], 0)
		return n > 0 || werr != nil && !errors.Is(werr, unix.EINTR)
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return errors.Join(err, werr)
}

func (b *bell) close() {
	if b.epoll != nil {
		_ = b.epoll.Close()
	}
}
