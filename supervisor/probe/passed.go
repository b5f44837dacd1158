package probe

import (
	"golang.org/x/sys/unix"

	"coppice/tree"
)

// Passed is what an incarnation wants of its store of descriptors, sd_notify(3).
type Passed struct {
	tree.Ref
	// Name is its FDNAME: printable ASCII without a colon, at most 255 bytes; it may
	// be empty.
	Name string
	// FDs are to be stored under that name; they are the receiver's, closed on exec.
	// None: those of that name are to be removed.
	FDs []int
	// Forever keeps them also when their other side has gone (FDPOLL=0).
	Forever bool
}

// Keeper takes what an incarnation passes. It is called by any goroutine that reads
// messages, in their order, and must not wait or call Notify.
type Keeper func(Passed)

// Keep has the descriptors that an incarnation passes given to keep; without it they
// are closed, as all are that come with any other word. It must be called before Open
// or Adopt of that incarnation. Before its process is known at most limit of them are
// held for it.
func (n *Notify) Keep(ref tree.Ref, limit int, keep Keeper) {
	n.socketsMu.Lock()
	defer n.socketsMu.Unlock()
	n.keepers[ref] = keeping{keep: keep, limit: limit}
}

// keeping is where the descriptors of an incarnation go; the zero value: nowhere.
type keeping struct {
	keep  Keeper
	limit int
	held  int // with messages that are held
}

// storing is what a message says of the store.
type storing struct {
	store, remove, forever bool
	// named: it has a name that is one; name is storedName otherwise.
	named bool
	name  string
}

const (
	// storedName is what descriptors are called that come without a good name.
	storedName = "stored"
	// fdNameMax is the length of a name (FDNAME_MAX of systemd).
	fdNameMax = 255
)

// hear reads a line that may be of the store.
func (s *storing) hear(key, value string) {
	switch key {
	case "FDSTORE":
		s.store = s.store || value == "1"
	case "FDSTOREREMOVE":
		s.remove = s.remove || value == "1"
	case "FDPOLL":
		s.forever = s.forever || value == "0"
	case "FDNAME":
		if isFDName(value) {
			s.named, s.name = true, value
		}
	}
}

// isFDName says whether a descriptor can be called so in LISTEN_FDNAMES.
func isFDName(name string) bool {
	for i := range len(name) {
		if name[i] < ' ' || name[i] > '~' || name[i] == ':' {
			return false
		}
	}
	return len(name) <= fdNameMax
}

// admit closes the descriptors of a message that are not to be kept, and returns the
// others; what cannot be heeded is taken out of what was said. The caller holds
// socketsMu, as do those of the functions below.
func (s *socket) admit(said *notice, fds []int) []int {
	if s.keeping.keep == nil || said.remove && !said.named || !said.remove && (!said.store || len(fds) == 0) {
		said.storing = storing{}
	}
	if !said.store || said.remove {
		discardAll(fds)
		return nil
	}
	if s.pid != 0 {
		return fds
	}
	room := max(0, min(s.keeping.limit-s.keeping.held, len(fds)))
	discardAll(fds[room:])
	s.keeping.held += room
	return fds[:room]
}

// pass hands over what a message says of the store.
func (s *socket) pass(m message) {
	name := m.name
	if !m.named {
		name = storedName
	}
	switch {
	case m.remove:
		s.keeping.keep(Passed{Ref: s.ref, Name: name})
	case len(m.fds) > 0:
		s.keeping.keep(Passed{Ref: s.ref, Name: name, FDs: m.fds, Forever: m.forever})
	}
}

// drop closes what came with messages that are not heard any more.
func (s *socket) drop() {
	for _, m := range s.held {
		discardAll(m.fds)
	}
	s.held = nil
}

// Discard closes a descriptor that a process has passed. A socket that is to send what
// is left before it is closed (SO_LINGER, socket(7)) would hold up who closes it last, so
// it is not to any more.
func Discard(fd int) {
	if l, err := unix.GetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER); err == nil && l.Onoff != 0 && l.Linger > 0 {
		_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{})
	}
	unix.Close(fd)
}

func discardAll(fds []int) {
	for _, fd := range fds {
		Discard(fd)
	}
}
