package logs

import (
	"errors"
	"os"
	"sync"
	"time"
)

// chunkMax is how many bytes of a pipe are moved at once: a whole pipe of the
// usual size.
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
}

// move carries bytes from all pipes to their files until the store is closed.
func (s *Store) move() {
	defer close(s.moverDone)
	m := &mover{store: s}
	for {
		events, err := s.epoll.Wait()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			m.onDeadline()
		case err != nil: // closed
			m.closeFiles()
			return
		}
		for _, event := range events {
			m.turn(event.Fd)
		}
		if len(m.open) > filesOpenMax {
			m.closeFiles()
		}
	}
}

// turn moves at most one chunk of one pipe. The set reports the pipes in turn,
// so a child that floods its pipe gets no more than its share.
func (m *mover) turn(number int32) {
	s := m.store
	s.sinksMu.Lock()
	p := s.pipes[number]
	s.sinksMu.Unlock()
	if p == nil {
		return
	}
	k := p.sink
	k.fileMu.Lock()
	outcome := k.moveOnce(s, p, m.buf[:])
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
	case telling:
		s.tellDropped(k)
	case retrying:
		k.fileMu.Lock()
		trouble := k.retry(s)
		k.closeFiles()
		k.fileMu.Unlock()
		s.tell(k, trouble)
		s.followers.poke(k.name)
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

func (m *mover) closeFiles() {
	for _, k := range m.open {
		k.fileMu.Lock()
		k.closeFiles()
		k.fileMu.Unlock()
	}
	clear(m.open)
	m.open = m.open[:0]
}
