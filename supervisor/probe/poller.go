package probe

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// eventsMax is how many ready sockets one wait reports at most.
const eventsMax = 128

// poller is an epoll set that is itself a descriptor in Go's poller: its owner
// sleeps as a goroutine, not as a thread, whatever the number of sockets.
type poller struct {
	file   *os.File
	conn   syscall.RawConn
	events [eventsMax]unix.EpollEvent
}

func newPoller() (*poller, error) {
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
	return &poller{file: file, conn: conn}, nil
}

// add reports a descriptor as number whenever it can be read.
func (p *poller) add(fd int, number int32) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: number}
	return p.control(unix.EPOLL_CTL_ADD, fd, &event)
}

// remove ends the reports. It must come before the descriptor is closed: a copy
// of it in a fork that has not yet executed would go on to be reported.
func (p *poller) remove(fd int) { p.control(unix.EPOLL_CTL_DEL, fd, nil) }

func (p *poller) control(op, fd int, event *unix.EpollEvent) error {
	var err error
	controlErr := p.conn.Control(func(set uintptr) { err = unix.EpollCtl(int(set), op, fd, event) })
	return errors.Join(controlErr, err)
}

// wait returns what is ready; os.ErrDeadlineExceeded after wake, another error
// after close. Only one goroutine may wait.
func (p *poller) wait() ([]unix.EpollEvent, error) {
	var n int
	var waitErr error
	err := p.conn.Read(func(set uintptr) bool {
		n, waitErr = unix.EpollWait(int(set), p.events[:], 0)
		return n > 0 || waitErr != nil && waitErr != unix.EINTR
	})
	if err == nil {
		err = waitErr
	}
	return p.events[:max(n, 0)], err
}

// wake makes wait return, now and whenever it is called until rest.
func (p *poller) wake() { p.file.SetReadDeadline(time.Unix(1, 0)) }

// rest lets wait wait again.
func (p *poller) rest() { p.file.SetReadDeadline(time.Time{}) }

func (p *poller) close() { p.file.Close() }
