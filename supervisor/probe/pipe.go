package probe

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"coppice/tree"
)

// OpenPipe makes a pipe for an incarnation that says by a newline that it is ready
// (s6). The write end is for the process, and the caller's to close; the other one
// stays Notify's: fd is there to be copied, to who is to keep it open when this
// process ends. Nothing is told before SetPID.
func (n *Notify) OpenPipe(ref tree.Ref) (write *os.File, fd int, err error) {
	var ends [2]int
	err = unix.Pipe2(ends[:], unix.O_CLOEXEC)
	if err == nil {
		if err = unix.SetNonblock(ends[0], true); err == nil {
			err = n.enter(&socket{ref: ref, fd: ends[0], pipe: true})
		} else {
			unix.Close(ends[0])
		}
		if err != nil {
			unix.Close(ends[1])
		}
	}
	if err != nil {
		return nil, -1, fmt.Errorf("cannot make a pipe for the readiness of %s: %w", ref.ID, err)
	}
	return os.NewFile(uintptr(ends[1]), "readiness"), ends[0], nil
}

// AdoptPipe goes on with the pipe of a process that an earlier Notify had opened.
// kept is a copy of the read end and Notify's from now on; nil: nobody has kept
// one, and it is opened through the descriptor of that number that the process has
// itself.
func (n *Notify) AdoptPipe(ref tree.Ref, kept *os.File, pid, number int) (fd int, err error) {
	if kept != nil {
		defer kept.Close()
		fd, err = unix.FcntlInt(kept.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	} else {
		fd, err = openPipe(fmt.Sprintf("/proc/%d/fd/%d", pid, number))
	}
	if err == nil {
		if err = unix.SetNonblock(fd, true); err == nil {
			err = n.enter(&socket{ref: ref, fd: fd, pid: pid, pipe: true})
		} else {
			unix.Close(fd)
		}
	}
	if err != nil {
		return -1, fmt.Errorf("cannot go on with the readiness of %s: %w", ref.ID, err)
	}
	return fd, nil
}

// openPipe opens the read end of a pipe that a process has, and nothing else.
func openPipe(path string) (int, error) {
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return -1, err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFIFO {
		return -1, errors.New("nobody has kept its pipe, and the process has closed it")
	}
	return unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
}

// readPipe reads what is in a pipe. What comes after the newline is read too, and
// means nothing: who writes it is not held up, and not killed by SIGPIPE. The
// caller holds socketsMu, as do those of the functions below.
func (n *Notify) readPipe(s *socket, pieces int) {
	var data [512]byte
	for range pieces {
		if s.fd < 0 {
			return
		}
		count, err := unix.Read(s.fd, data[:])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return // there is no more for now
		case count == 0:
			n.closePipe(s)
			return
		case bytes.IndexByte(data[:count], '\n') >= 0 && !s.ready:
			s.ready = true
			n.tellPipe(s)
		}
	}
}

// closePipe ends the reading of a pipe that nobody can write to any more.
func (n *Notify) closePipe(s *socket) {
	n.epoll.Remove(s.fd)
	unix.Close(s.fd)
	delete(n.numbers, s.number)
	s.fd, s.ended = -1, true
	if !s.ready {
		n.tellPipe(s)
	}
}

// tellPipe tells what became of a pipe, once its process is known.
func (n *Notify) tellPipe(s *socket) {
	switch {
	case s.pid == 0:
	case s.ready:
		n.post(Said{Ref: s.ref, Ready: true})
	case s.ended:
		n.post(Said{Ref: s.ref, Closed: true})
	}
}
