package keeper

import (
	"os"

	"golang.org/x/sys/unix"
)

// waiter is an epoll set that Go's poller waits for: one goroutine, asleep until a
// descriptor is ready, and no thread.
type waiter struct {
	set     int
	ready   chan []unix.EpollEvent
	handled chan struct{}
	file    *os.File
	events  [16]unix.EpollEvent
}

func newWaiter() (*waiter, error) {
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	// Only a non-blocking descriptor is taken into Go's poller by NewFile.
	if err := unix.SetNonblock(set, true); err != nil {
		return nil, err
	}
	w := &waiter{
		set: set, file: os.NewFile(uintptr(set), "epoll"),
		ready: make(chan []unix.EpollEvent), handled: make(chan struct{}),
	}
	go w.run()
	return w, nil
}

// run tells what is ready, and looks again only when that was handled.
func (w *waiter) run() {
	conn, err := w.file.SyscallConn()
	for err == nil {
		n := 0
		err = conn.Read(func(uintptr) bool {
			n, _ = unix.EpollWait(w.set, w.events[:], 0) // only EINTR is possible
			return n > 0
		})
		if n > 0 {
			w.ready <- w.events[:n]
			<-w.handled
		}
	}
}

// add waits for a descriptor; events are those of epoll_ctl(2).
func (w *waiter) add(fd int, events uint32) error {
	return unix.EpollCtl(w.set, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// change waits for other events.
func (w *waiter) change(fd int, events uint32) {
	// It fails only for what was removed.
	_ = unix.EpollCtl(w.set, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// remove must come before the descriptor is closed: its other copies would go on
// to be reported.
func (w *waiter) remove(fd int) {
	_ = unix.EpollCtl(w.set, unix.EPOLL_CTL_DEL, fd, nil) // it may not be there
}
