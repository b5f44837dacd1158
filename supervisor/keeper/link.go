package keeper

import (
	"errors"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Link is the daemon's end of the link to its keeper. A nil Link is that of a
// daemon without a keeper: all methods may be called and do nothing.
//
// What it sends never waits: what the socket does not take is kept, in order, and
// written when it can be. Nothing fails because the keeper is gone, either: Run
// tells that.
type Link struct {
	file  *os.File
	conn  syscall.RawConn
	fd    int
	first int  // the keeper's pid, also when it is gone
	nohup bool // SIGHUP is to have no effect

	once  sync.Once // for what was handed over
	inbox inbox
	held  []Held
	exits []Exit
	early []message // came before the end of the handing over, and is Run's to tell
	over  bool      // the keeper was gone before that

	mu       sync.Mutex // outbox, flushing, gone
	out      outbox
	flushing bool // somebody waits until the socket can be written
	gone     bool
}

// Held is a descriptor that the keeper has kept for this daemon. It is the
// daemon's own copy, closed on exec; whether it blocks is as it was, for that is a
// property of all its copies.
type Held struct {
	Name string
	FD   int
}

// File makes an os.File of the descriptor, which belongs to the file from then on.
// A descriptor that does not block becomes known to Go's poller, which wakes this
// process for every change of it: wrong for the pipes of a log.
func (h Held) File() *os.File { return os.NewFile(uintptr(h.FD), h.Name) }

// Handler hears what the keeper says, one call at a time, on the goroutine of Run.
type Handler interface {
	// Exit: a process that an earlier daemon has started has ended. It is told
	// again to each new daemon until it is Taken, so that one process may be told
	// twice, and it may be a stranger: the orphan of a child.
	Exit(Exit)
	// Signal: somebody has sent SIGTERM, SIGINT, SIGQUIT or SIGHUP to the tree. It
	// is told again to each new daemon until it is Heard.
	Signal(syscall.Signal)
	// Ping is to be answered by Pong, by way of the loop that has to be alive.
	Ping(n uint64)
	// Upgraded says how the last Upgrade ended: "" is well, anything else says why
	// this is the old program again.
	Upgraded(why string)
	// Gone: the keeper has ended; nothing comes any more.
	Gone()
}

// Linked is the link to the keeper of this process, nil if it has none.
func Linked() *Link { return linked }

// newLink takes over the daemon's end of a link; nil if it is none.
func newLink(fd int, nohup bool) *Link {
	peer, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil || unix.SetNonblock(fd, true) != nil {
		return nil
	}
	unix.CloseOnExec(fd)
	file := os.NewFile(uintptr(fd), "keeper")
	conn, err := file.SyscallConn()
	if err != nil {
		return nil
	}
	// The credentials of a pair are those of whoever made it; getppid(2) may be
	// somebody else's number already.
	return &Link{file: file, conn: conn, fd: fd, first: int(peer.Pid), nohup: nohup, out: outbox{fd: fd}}
}

// Keeper is the pid of the keeper, 0 once it is known to be gone.
func (l *Link) Keeper() int {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return 0
	}
	return l.first
}

// HangUpIgnored says that whoever started the tree has ignored SIGHUP for it, as
// nohup(1) does: no end of a terminal is to end it.
func (l *Link) HangUpIgnored() bool { return l != nil && l.nohup }

// Held returns what earlier daemons have put, in no order; they are the caller's.
// It waits until all is here, or the keeper is gone.
func (l *Link) Held() []Held {
	if l == nil {
		return nil
	}
	l.once.Do(l.takeHandedOver)
	return l.held
}

// Exits returns the exits that no daemon has taken yet, the oldest first; later
// ones come to the Handler. It waits as Held does.
func (l *Link) Exits() []Exit {
	if l == nil {
		return nil
	}
	l.once.Do(l.takeHandedOver)
	return l.exits
}

// Signals returns the signals that no daemon has heard yet, the oldest first; Run
// does not tell them any more, and each is to be Heard. An earlier daemon may have
// acted upon one of them and have died before it could say so. It waits as Held
// does, and is called before Run.
func (l *Link) Signals() []syscall.Signal {
	if l == nil {
		return nil
	}
	l.once.Do(l.takeHandedOver)
	var signals []syscall.Signal
	l.early = slices.DeleteFunc(l.early, func(m message) bool {
		if m.kind == msgSignal {
			signals = append(signals, syscall.Signal(m.number))
		}
		return m.kind == msgSignal
	})
	return signals
}

// takeHandedOver reads what the keeper sends first, to its end.
func (l *Link) takeHandedOver() {
	for {
		m, fds, err := l.read()
		if err != nil {
			l.over = true
			return
		}
		switch m.kind {
		case msgEnd:
			return
		case msgHeld:
			l.keepHeld(m.names, fds)
		case msgExit:
			l.exits = append(l.exits, m.exits...)
		default:
			closeAll(fds)
			l.early = append(l.early, m)
		}
	}
}

// keepHeld pairs names and descriptors. There are less descriptors when this
// process may have no more (MSG_CTRUNC, recvmsg(2)): the last ones are missing.
func (l *Link) keepHeld(names []string, fds []int) {
	for i, fd := range fds {
		if i >= len(names) {
			closeAll(fds[i:])
			return
		}
		l.held = append(l.held, Held{names[i], fd})
	}
}

// read waits for one message. The error says that the keeper is gone.
func (l *Link) read() (m message, fds []int, err error) {
	for {
		waitErr := l.conn.Read(func(uintptr) bool {
			m, fds, err = l.inbox.receive(l.fd)
			return err != unix.EAGAIN && err != unix.EINTR
		})
		switch {
		case waitErr != nil:
			return m, nil, waitErr
		case err == errGarbled:
			closeAll(fds)
		case err == unix.ECONNRESET: // told once; what was sent before can be read
		default:
			return m, fds, err
		}
	}
}

// Run tells the handler what the keeper says, until the keeper is gone: Gone is the
// last call, and Run returns. Only one goroutine may run it. It begins with what
// came while Held waited.
func (l *Link) Run(h Handler) {
	if l == nil {
		return
	}
	l.once.Do(l.takeHandedOver)
	for _, m := range l.early {
		deliver(h, m)
	}
	l.early = nil
	for !l.over {
		m, fds, err := l.read()
		closeAll(fds)
		if l.over = err != nil; !l.over {
			deliver(h, m)
		}
	}
	l.mu.Lock()
	l.gone = true
	l.out.drop()
	l.mu.Unlock()
	h.Gone()
}

func deliver(h Handler, m message) {
	switch m.kind {
	case msgExit:
		for _, e := range m.exits {
			h.Exit(e)
		}
	case msgSignal:
		h.Signal(syscall.Signal(m.number))
	case msgPing:
		h.Ping(m.number)
	case msgUpgraded:
		h.Upgraded(m.text)
	}
}

// send sends a message, now or as soon as the socket takes it.
func (l *Link) send(m message, fds ...int) error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return nil
	}
	err := l.out.send(m, fds)
	if len(l.out.queue) > 0 && !l.flushing {
		l.flushing = true
		go l.flush()
	}
	if err == unix.EMFILE || err == unix.ENFILE {
		return errors.New("cannot copy a descriptor for the keeper: " + err.Error())
	}
	return nil
}

// flush sends what the socket did not take, and ends when that is done.
func (l *Link) flush() {
	for {
		var err error
		_ = l.conn.Write(func(uintptr) bool { // the file is never closed
			l.mu.Lock()
			defer l.mu.Unlock()
			err = l.out.flush()
			l.flushing = err == unix.EAGAIN || isShortage(err)
			return err != unix.EAGAIN
		})
		if !isShortage(err) {
			return
		}
		time.Sleep(shortageWait)
	}
}
