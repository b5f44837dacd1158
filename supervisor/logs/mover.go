package logs

import (
	"errors"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// chunkMax is how many bytes of a pipe of the usual size are moved at once: all
// that it can hold.
const chunkMax = 64 << 10

// chunk is room to look at what is moved at once.
type chunk [chunkMax]byte

// chunks are the buffers of those who drain; the mover has its own.
var chunks = sync.Pool{New: func() any { return new(chunk) }}

const (
	// filesOpenFor is how long log files stay open after the first byte: long
	// enough for a child that writes on and on, short enough to notice that the
	// file was deleted or renamed.
	filesOpenFor = 100 * time.Millisecond
	// filesOpenMax is how many sinks may have open files before all are closed.
	filesOpenMax = 64
)

// mover is what the moving goroutine remembers from turn to turn.
type mover struct {
	store *Store
	buf   chunk
	open  []*sink // sinks with open files
	flood flood
}

// move carries bytes from all pipes to their files until the store is closed.
func (s *Store) move() {
	defer close(s.moverDone)
	m := &mover{store: s}
	for {
		events, err := m.ready()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			m.onDeadline()
		case err != nil: // closed
			m.closeFiles()
			return
		}
		for _, event := range events {
			m.heed(event)
		}
		m.visit()
		if len(m.open) > filesOpenMax {
			m.closeFiles()
		}
	}
}

// heed does what the set's report of a pipe asks for. The set reports the pipes in
// turn.
func (m *mover) heed(event unix.EpollEvent) {
	s := m.store
	s.sinksMu.Lock()
	p := s.pipes[event.Fd]
	s.sinksMu.Unlock()
	if p != nil && m.turn(p, event.Events&unix.EPOLLIN != 0) > 0 {
		m.met(p, time.Now())
	}
}

// turn moves at most one chunk of one pipe, and tells how much that was: a child
// that floods its pipe gets no more than its share. With reported the set says that
// there is something.
func (m *mover) turn(p *pipe, reported bool) int {
	s, k := m.store, p.sink
	k.fileMu.Lock()
	// Drain, which may have taken it meanwhile, closes the file.
	sure := reported && k.live.file >= 0 || p.flooding && k.flows(s, p, time.Now())
	outcome := k.moveOnce(s, p, m.buf[:], sure)
	if outcome.ended {
		s.echo.flush(p)
	}
	k.fileMu.Unlock()

	if outcome.opened {
		m.opened(k)
	}
	if outcome.ended {
		s.dropPipe(p)
	}
	if outcome.moved > 0 {
		s.followers.poke(k.name)
	}
	s.tell(k, outcome.trouble)
	return outcome.moved
}

// opened notes that a sink's files were opened, and when all are to be closed.
func (m *mover) opened(k *sink) {
	if len(m.open) == 0 {
		m.store.plan(nil, closing, time.Now().Add(filesOpenFor))
	}
	m.open = append(m.open, k)
}

// onDeadline does what is due.
func (m *mover) onDeadline() {
	now := time.Now()
	for _, a := range m.store.due(now) {
		m.keep(a, now)
	}
}

// keep keeps an appointment.
func (m *mover) keep(a appointment, now time.Time) {
	s, k := m.store, a.sink
	switch a.task {
	case closing:
		m.closeFiles()
		m.calm()
	case telling:
		s.tellDropped(k)
	case retrying:
		m.goOn(k)
	case aging:
		k.fileMu.Lock()
		k.age(s, now)
		k.closeFiles()
		k.fileMu.Unlock()
	case punching:
		s.look(k)
	}
	if k != nil {
		s.sinksMu.Lock()
		s.dropForgotten(k)
		s.sinksMu.Unlock()
	}
}

// goOn sees whether a file can be written again, and brings it what has waited.
func (m *mover) goOn(k *sink) {
	s := m.store
	k.fileMu.Lock()
	ended, trouble := k.catchUp(s, m.buf[:])
	for _, p := range ended {
		s.echo.flush(p)
	}
	k.closeFiles()
	k.fileMu.Unlock()
	for _, p := range ended {
		s.dropPipe(p)
	}
	s.tell(k, trouble)
	s.followers.poke(k.name)
}

func (m *mover) closeFiles() {
	for _, k := range m.open {
		k.fileMu.Lock()
		k.closeFiles()
		k.fileMu.Unlock()
	}
	clear(m.open)
	m.open = m.open[:0]
}
