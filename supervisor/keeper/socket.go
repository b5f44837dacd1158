package keeper

import (
	"io"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// descriptorsMax is how many descriptors a datagram carries: SCM_MAX_FD, unix(7).
const descriptorsMax = 253

// socketBytes is the size asked for a link's buffers, so that what is handed over
// is in the socket before the daemon reads. The kernel grants what it allows.
const socketBytes = 4 << 20

// socketPair makes a link: datagrams that keep their order, carry descriptors and
// tell the end of either side.
func socketPair() (keeper, daemon int, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, -1, err
	}
	for _, fd := range pair {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, socketBytes) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, socketBytes) // what does not fit is kept
		}
	}
	return pair[0], pair[1], nil
}

// inbox is where datagrams are received. The zero value is ready.
type inbox struct {
	data    []byte
	control []byte
}

// errGarbled is a datagram that is no message.
const errGarbled = syscall.EBADMSG

// receive reads one datagram of a non-blocking link. The descriptors are the
// caller's, closed on exec, also beside errGarbled. io.EOF: the other end is gone.
// After ECONNRESET there may be more to read: the other end left something unread.
func (in *inbox) receive(fd int) (message, []int, error) {
	if in.data == nil {
		in.data = make([]byte, messageBytesMax+1)
		in.control = make([]byte, unix.CmsgSpace(descriptorsMax*4))
	}
	n, controlBytes, flags, _, err := unix.Recvmsg(fd, in.data, in.control, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
	if err != nil {
		return message{}, nil, err
	}
	fds := rights(in.control[:controlBytes])
	if n == 0 && isHungUp(fd) {
		closeAll(fds)
		return message{}, nil, io.EOF
	}
	m, ok := parse(in.data[:n])
	if !ok || flags&unix.MSG_TRUNC != 0 {
		return message{}, fds, errGarbled
	}
	return m, fds, nil
}

// rights are the descriptors that came with a datagram.
func rights(control []byte) []int {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil
	}
	var all []int
	for i := range messages {
		if fds, err := unix.ParseUnixRights(&messages[i]); err == nil {
			all = append(all, fds...)
		}
	}
	return all
}

// isHungUp tells the end of a link from an empty datagram.
func isHungUp(fd int) bool {
	set := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	n, err := unix.Poll(set, 0)
	return err != nil || n == 1 && set[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
}

// packet is a datagram that waits to be sent. Its descriptors are copies of its own.
type packet struct {
	data []byte
	fds  []int
}

// outbox sends on a link without ever waiting: what the socket does not take is
// kept, in order. It is not safe for concurrent use.
type outbox struct {
	fd    int
	queue []packet
}

// send sends a datagram, or keeps it with copies of its descriptors. The error is
// that of a descriptor that could not be copied, or that of flush.
func (o *outbox) send(m message, fds []int) error {
	data := m.bytes()
	if len(o.queue) > 0 {
		return o.keep(data, fds)
	}
	switch err := sendOn(o.fd, data, fds); {
	case err == nil || isOver(err):
		return err
	default:
		if kept := o.keep(data, fds); kept != nil {
			return kept
		}
		return err
	}
}

func (o *outbox) keep(data []byte, fds []int) error {
	copies := make([]int, 0, len(fds))
	for _, fd := range fds {
		c, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			closeAll(copies)
			return err
		}
		copies = append(copies, c)
	}
	o.queue = append(o.queue, packet{data, copies})
	return nil
}

// flush sends what was kept. nil: nothing is left; EAGAIN: the rest can go once
// the socket can be written; ETOOMANYREFS, ENOBUFS, ENOMEM: it can go some time
// later; anything else: the link is dead.
func (o *outbox) flush() error {
	for len(o.queue) > 0 {
		first := o.queue[0]
		if err := sendOn(o.fd, first.data, first.fds); err != nil && err != unix.EMSGSIZE {
			return err
		}
		closeAll(first.fds)
		o.queue = o.queue[1:]
	}
	o.queue = nil
	return nil
}

// drop forgets what was kept.
func (o *outbox) drop() {
	for _, p := range o.queue {
		closeAll(p.fds)
	}
	o.queue = nil
}

// isOver: it is of no use to send this again.
func isOver(err error) bool { return err != unix.EAGAIN && !isShortage(err) }

// isShortage: the kernel lacks something whose return nobody tells.
func isShortage(err error) bool {
	return slices.Contains([]error{unix.ETOOMANYREFS, unix.ENOBUFS, unix.ENOMEM}, err)
}

func sendOn(fd int, data []byte, fds []int) error {
	var control []byte
	if len(fds) > 0 {
		control = unix.UnixRights(fds...)
	}
	for {
		err := unix.Sendmsg(fd, data, control, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return err
		}
	}
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}
