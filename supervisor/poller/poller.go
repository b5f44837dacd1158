package poller

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// EventsMax is how many ready descriptors one Wait reports at most.
const EventsMax = 128

// Poller is an epoll set. It is made by New; all methods but Wait may be called by
// many goroutines at once.
type Poller struct {
	file   *os.File
	conn   syscall.RawConn
	events [EventsMax]unix.EpollEvent
}

// New makes an empty set.
func New() (*Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot make an epoll set: %w", err)
	}
	// Only a non-blocking descriptor is taken into Go's poller by NewFile.
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("cannot make an epoll set non-blocking: %w", err)
	}
	file := os.NewFile(uintptr(fd), "epoll")
	conn, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("cannot wait for an epoll set: %w", err)
	}
	return &Poller{file: file, conn: conn}, nil
}

// Add reports a descriptor as number whenever it can be read.
func (p *Poller) Add(fd int, number int32) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: number}
	return p.control(unix.EPOLL_CTL_ADD, fd, &event)
}

// Remove ends the reports. It must come before the descriptor is closed: a copy
// of it in a fork that has not yet executed would go on to be reported.
func (p *Poller) Remove(fd int) { p.control(unix.EPOLL_CTL_DEL, fd, nil) }

func (p *Poller) control(op, fd int, event *unix.EpollEvent) error {
	var err error
	controlErr := p.conn.Control(func(set uintptr) { err = unix.EpollCtl(int(set), op, fd, event) })
	return errors.Join(controlErr, err)
}

// Wait returns what is ready; os.ErrDeadlineExceeded once the time of WakeAt has
// come, another error after Close. Only one goroutine may wait or poll, and what it gets is good
// until it waits again.
func (p *Poller) Wait() ([]unix.EpollEvent, error) { return p.ready(true) }

// Poll is Wait, but returns at once, with nothing if nothing is ready.
func (p *Poller) Poll() ([]unix.EpollEvent, error) { return p.ready(false) }

func (p *Poller) ready(wait bool) ([]unix.EpollEvent, error) {
	var n int
	var waitErr error
	err := p.conn.Read(func(set uintptr) bool {
		n, waitErr = unix.EpollWait(int(set), p.events[:], 0)
		if waitErr == unix.EINTR {
			waitErr = nil
		}
		return !wait || n > 0 || waitErr != nil
	})
	if err == nil {
		err = waitErr
	}
	return p.events[:max(n, 0)], err
}

// WakeAt sets the time at which Wait returns at the latest; zero is never. Until
// it is set anew every Wait after that time returns at once.
func (p *Poller) WakeAt(at time.Time) { p.file.SetReadDeadline(at) }

// Close ends the set and whoever waits for it.
func (p *Poller) Close() { p.file.Close() }
