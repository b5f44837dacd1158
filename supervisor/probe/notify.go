package probe

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"coppice/supervisor/poller"
	"coppice/tree"
)

const (
	// turnMax is how many messages of one socket are read before the next one
	// has its turn.
	turnMax = 16
	// drainMax is how many messages Drain reads at most: many times what the
	// kernel queues for one socket.
	drainMax = 1024
	// heldMax is how many messages are held until the process is known.
	heldMax = 64
)

// Notify hears what processes say of themselves: by sd_notify, with one datagram
// socket for each incarnation, or by a newline in a pipe. All are read by one
// goroutine. All methods may be called by
// many goroutines at once, and none of them waits.
type Notify struct {
	deliver func(Said)
	epoll   *poller.Poller
	done    chan struct{}
	uid     int

	// socketsMu guards what follows and the fields of every socket. Messages
	// are read under it, so that Drain finds none half judged.
	socketsMu sync.Mutex
	sockets   map[tree.Ref]*socket
	keepers   map[tree.Ref]keeping // of sockets to come
	pipes     map[tree.Ref]*socket
	numbers   map[int32]*socket
	number    int32
	news      []Said // not yet told
	looks     looks
}

// message is what one datagram said, and who sent it.
type message struct {
	notice
	sender sender
	fds    []int // to be stored
}

// NewNotify starts the goroutine, by which deliver is called: once when a process is
// ready, once for each incarnation when a stranger sent a message, which is ignored,
// and with all else that is to be told. It must return soon after Close is called.
func NewNotify(deliver func(Said)) (*Notify, error) {
	epoll, err := poller.New()
	if err != nil {
		return nil, err
	}
	n := &Notify{
		deliver: deliver,
		epoll:   epoll,
		done:    make(chan struct{}),
		uid:     os.Geteuid(),
		sockets: map[tree.Ref]*socket{},
		keepers: map[tree.Ref]keeping{},
		pipes:   map[tree.Ref]*socket{},
		numbers: map[int32]*socket{},
	}
	go n.serve()
	return n, nil
}

// Open makes the socket for an incarnation, and returns what belongs into its
// NOTIFY_SOCKET. uid is the user that the process will run as. The name is an
// abstract one of 128 random bits: it needs no folder that the process could not
// reach, and leaves nothing behind; only a process in another network namespace
// cannot send to it. Messages are held until SetPID. The descriptor stays
// Notify's: it is there to be copied, to who is to keep the socket open when this
// process ends.
func (n *Notify) Open(ref tree.Ref, uid int) (address string, fd int, err error) {
	address = newAddress()
	fd, err = listen(address)
	if err == nil {
		err = n.enter(&socket{ref: ref, fd: fd, address: address, uid: uid})
	}
	if err != nil {
		return "", -1, fmt.Errorf("cannot make a notify socket for %s: %w", ref.ID, err)
	}
	return address, fd, nil
}

// Adopt goes on with the socket of a process that an earlier Notify had opened.
// kept is a copy of it and Notify's from now on; nil: nobody has kept one, and one
// of the same name is made, which the process has in its environment.
func (n *Notify) Adopt(ref tree.Ref, kept *os.File, uid, pid int) (fd int, err error) {
	s := &socket{ref: ref, uid: uid, pid: pid}
	if kept != nil {
		s.fd, s.address, err = copySocket(kept)
	} else if s.address, err = notifySocket(pid); err == nil && s.address == "" {
		err = errors.New("nobody has kept it, and its name cannot be read from the environment of the process")
	} else if err == nil {
		s.fd, err = listen(s.address)
	}
	if err == nil {
		err = n.enter(s)
	}
	if err != nil {
		return -1, fmt.Errorf("cannot go on with the notify socket of %s: %w", ref.ID, err)
	}
	return s.fd, nil
}

// enter begins to read a socket, or closes it.
func (n *Notify) enter(s *socket) error {
	n.socketsMu.Lock()
	defer n.socketsMu.Unlock()
	s.number = n.freeNumber()
	if err := n.epoll.Add(s.fd, s.number); err != nil {
		unix.Close(s.fd)
		return err
	}
	if s.pipe {
		n.pipes[s.ref] = s
	} else {
		n.sockets[s.ref] = s
		s.keeping = n.keepers[s.ref]
		delete(n.keepers, s.ref)
	}
	n.numbers[s.number] = s
	return nil
}

// Each calls f with the descriptor of each socket and of each pipe, which stay
// Notify's.
func (n *Notify) Each(f func(ref tree.Ref, fd int, pipe bool)) {
	n.socketsMu.Lock()
	defer n.socketsMu.Unlock()
	for _, s := range n.numbers {
		f(s.ref, s.fd, s.pipe)
	}
}

// freeNumber finds the next number that no socket has.
func (n *Notify) freeNumber() int32 {
	for {
		n.number++
		if _, taken := n.numbers[n.number]; !taken {
			return n.number
		}
	}
}

// SetPID tells which process is the main one of an incarnation, once it was
// started. Messages that were held are judged now.
func (n *Notify) SetPID(ref tree.Ref, pid int) {
	n.socketsMu.Lock()
	defer n.socketsMu.Unlock()
	if p := n.pipes[ref]; p != nil {
		p.pid = pid
		n.tellPipe(p)
	}
	s := n.sockets[ref]
	if s == nil {
		return
	}
	s.pid = pid
	held := s.held
	s.held = nil
	for _, m := range held {
		n.judge(s, m)
	}
}

// Drain reads what an incarnation has said, and says whether the process is ready:
// by one of these words or by an earlier one. Call it
// before an end is judged. It does not call deliver itself, but what it finds is
// told that way too.
func (n *Notify) Drain(ref tree.Ref) (ready bool) {
	n.socketsMu.Lock()
	defer n.socketsMu.Unlock()
	for _, s := range []*socket{n.sockets[ref], n.pipes[ref]} {
		if s != nil {
			n.read(s, drainMax)
			ready = ready || s.ready
		}
	}
	return ready
}

// Told is what an incarnation has said of itself last.
func (n *Notify) Told(ref tree.Ref) Told {
	n.socketsMu.Lock()
	defer n.socketsMu.Unlock()
	if s := n.sockets[ref]; s != nil {
		return s.told
	}
	return Told{}
}

// Cancel closes an incarnation's socket and its pipe, and says which of them it
// had. Senders get an error from then on, unless somebody has a copy of it.
func (n *Notify) Cancel(ref tree.Ref) (socket, pipe bool) {
	n.socketsMu.Lock()
	defer n.socketsMu.Unlock()
	s, p := n.sockets[ref], n.pipes[ref]
	n.close(s)
	n.close(p)
	delete(n.sockets, ref)
	delete(n.keepers, ref)
	delete(n.pipes, ref)
	return s != nil, p != nil
}

// close is Cancel for one of the two, and for who holds socketsMu.
func (n *Notify) close(s *socket) {
	if s != nil && s.fd >= 0 {
		n.epoll.Remove(s.fd)
		unix.Close(s.fd)
		delete(n.numbers, s.number)
		s.fd = -1
		s.drop()
	}
}

// Close closes all sockets and ends the goroutine.
func (n *Notify) Close() {
	n.epoll.Close()
	<-n.done
	n.socketsMu.Lock()
	defer n.socketsMu.Unlock()
	for _, s := range n.numbers {
		unix.Close(s.fd)
		s.fd = -1
		s.drop()
	}
	clear(n.sockets)
	clear(n.pipes)
	clear(n.numbers)
}

// serve is the goroutine: it reads messages as they come, and tells what they,
// and those that others have read, say.
func (n *Notify) serve() {
	defer close(n.done)
	for {
		events, err := n.epoll.Wait()
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return // closed
		}
		for _, event := range events {
			n.turn(event.Fd)
		}
		n.bark(time.Now())
		for _, said := range n.takeNews() {
			n.deliver(said)
		}
	}
}

func (n *Notify) turn(number int32) {
	n.socketsMu.Lock()
	defer n.socketsMu.Unlock()
	if s := n.numbers[number]; s != nil {
		n.read(s, turnMax)
	}
}

// read takes up to so many messages from a socket. The caller holds socketsMu, as
// do those of the functions below.
func (n *Notify) read(s *socket, messages int) {
	if s.pipe {
		n.readPipe(s, messages)
		return
	}
	for range messages {
		data, from, fds, err := receive(s.fd)
		if err != nil {
			return
		}
		said := parseNotice(data)
		fds = s.admit(&said, fds)
		if said == (notice{}) {
			continue // nothing that anybody here wants to know
		}
		m := message{notice: said, sender: from, fds: fds}
		if s.pid == 0 || from.pid != s.pid {
			m.sender.look()
		}
		n.judge(s, m)
	}
}

// judge hears a message, if its sender may speak for the process.
func (n *Notify) judge(s *socket, m message) {
	if s.pid == 0 {
		if len(s.held) < heldMax {
			s.held = append(s.held, m)
		} else {
			discardAll(m.fds)
		}
		return
	}
	if !m.sender.belongsTo(s, n.uid) {
		discardAll(m.fds)
		if !s.strange {
			s.strange = true
			n.post(Said{Ref: s.ref, Stranger: m.sender.pid})
		}
		return
	}
	s.pass(m)
	n.tell(s, m.notice)
}
