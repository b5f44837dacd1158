package logs

import (
	"errors"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
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
	store   *Store
	buf     chunk
	open    []*sink   // sinks with open files
	movedAt time.Time // when it last moved something
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
		moved := 0
		for _, event := range events {
			moved += m.turn(event.Fd)
		}
		if moved > 0 {
			m.nap(len(events), moved)
		}
		if len(m.open) > filesOpenMax {
			m.closeFiles()
		}
	}
}

// turn moves at most one chunk of one pipe, and tells how much that was. The set
// reports the pipes in turn, so a child that floods its pipe gets no more than its
// share.
func (m *mover) turn(number int32) int {
	s := m.store
	s.sinksMu.Lock()
	p := s.pipes[number]
	s.sinksMu.Unlock()
	if p == nil {
		return 0
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
	return outcome.moved
}

// The mover takes a nap of napFor when the pipes that are ready had less than
// napBelow bytes each, and it last moved something less than napAfter ago.
const (
	napFor   = 50 * time.Microsecond
	napAfter = 50 * time.Microsecond
	napBelow = 4 << 10
)

// nap lets bytes come together while a child writes little at a time and without
// a pause: half the work is saved, and the child, which fills a pipe in longer
// than that, is not held up.
func (m *mover) nap(pipes, moved int) {
	now := time.Now()
	if moved < pipes*napBelow && now.Sub(m.movedAt) < napAfter {
		// A sleep of the runtime's takes a millisecond.
		d := unix.NsecToTimespec(int64(napFor))
		_ = unix.Nanosleep(&d, nil)
		now = now.Add(napFor)
	}
	m.movedAt = now
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
