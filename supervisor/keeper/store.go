package keeper

import (
	"runtime"
	"slices"

	"golang.org/x/sys/unix"
)

// Names with a meaning for the keeper; all others are the daemon's own affair.
const (
	// ListenName is the listening socket of the tree: connections that wait there
	// make the keeper ask whether the daemon lives.
	ListenName = "listen"
	// ExitsName is the exits file, open for reading and appending.
	ExitsName = "exits"
)

// kept is a descriptor and what it is called.
type kept struct {
	name string
	fd   int
}

// store is what is held for the next daemon, in the order in which it came. The
// zero value is empty.
type store struct {
	all   []kept
	index map[string]int // into all; nil: to be made
}

// fd is the descriptor of a name, else -1.
func (s *store) fd(name string) int {
	if i, ok := s.find(name); ok {
		return s.all[i].fd
	}
	return -1
}

func (s *store) find(name string) (int, bool) {
	if s.index == nil {
		s.index = make(map[string]int, len(s.all))
		for i, k := range s.all {
			s.index[k.name] = i
		}
	}
	i, ok := s.index[name]
	return i, ok
}

// put keeps a descriptor, and closes what was kept under its name.
func (s *store) put(name string, fd int) {
	if i, ok := s.find(name); ok {
		unix.Close(s.all[i].fd)
		s.all[i].fd = fd
		return
	}
	s.index[name] = len(s.all)
	s.all = append(s.all, kept{name, fd})
}

// drop closes what is kept under a name. The last one takes its place, so that
// thousands can be dropped in any order.
func (s *store) drop(name string) {
	i, ok := s.find(name)
	if !ok {
		return
	}
	unix.Close(s.all[i].fd)
	last := len(s.all) - 1
	s.all[i] = s.all[last]
	s.index[s.all[i].name] = i
	delete(s.index, name)
	s.all = s.all[:last]
}

// chunks are the descriptors in messages that fit a datagram.
func (s *store) chunks() func(yield func(message, []int) bool) {
	const nameBytes = messageBytesMax - nameBytesMax - 16
	return func(yield func(message, []int) bool) {
		m, fds, size := message{kind: msgHeld}, []int(nil), 0
		for i, k := range s.all {
			m.names, fds, size = append(m.names, k.name), append(fds, k.fd), size+len(k.name)+1
			full := len(fds) == descriptorsMax || size > nameBytes
			if !full && i < len(s.all)-1 {
				continue
			}
			if !yield(m, fds) {
				return
			}
			m, fds, size = message{kind: msgHeld}, nil, 0
		}
	}
}

// put keeps what the daemon has sent.
func (k *keeper) put(m message, fds []int) {
	if len(fds) == 0 {
		say("cannot keep " + m.names[0] + ": too many open files")
		return
	}
	name := m.names[0]
	if name == ListenName {
		k.waiter.remove(k.watch.listener)
	}
	k.store.put(name, fds[0])
	closeAll(fds[1:])
	switch name {
	case ListenName:
		k.watchListener()
	case ExitsName:
		k.exits.writeAll(fds[0])
	}
}

func (k *keeper) drop(name string) {
	if name == ListenName {
		k.waiter.remove(k.watch.listener)
		k.watch.listener = -1
	}
	k.store.drop(name)
}

// handOver tells a new daemon all that its predecessor left.
func (k *keeper) handOver() {
	for m, fds := range k.store.chunks() {
		k.send(m, fds...)
	}
	for some := range slices.Chunk(k.exits.all, exitsAtOnce) {
		k.send(message{kind: msgExit, exits: some})
	}
	if k.owned {
		for _, sig := range k.signals {
			k.send(message{kind: msgSignal, number: uint64(sig)})
		}
	}
	if k.verdict != nil && k.upgrade == nil {
		k.send(message{kind: msgUpgraded, text: *k.verdict})
		k.verdict = nil
	}
	k.send(message{kind: msgEnd})
	if len(k.store.all) > collectEach {
		runtime.GC()
	}
}
