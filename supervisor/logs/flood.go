package logs

import (
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A pipe floods that had something in floodAfter turns with less than floodGap
// between them, until it had nothing for floodIdle.
//
// Such a pipe is taken out of the set, as every write to one that is waited for
// costs the child a walk through its waiters (of 100-byte writes 40 %), and is
// visited turn by turn. Between the turns the mover takes a nap: for as long as a
// splice takes from a pipe the child cannot write to it (pipe_write and
// iter_file_splice_write hold the same lock), so that few big ones are faster than
// many small ones.
const (
	floodAfter = 8
	floodGap   = 200 * time.Microsecond
	floodIdle  = 5 * time.Millisecond
)

// A flooding pipe that gave half a chunk or more in grownAfter turns between two
// times at which the files are closed (filesOpenFor) is made larger, so that the
// child can write while the mover naps. (A pipe can be full with half of what it
// can hold: a write of 2,049 bytes has a page to itself.) It is no more than
// grownMax pipes at once: their content is memory, and once the pipes of a user
// have too much of that, new ones are small (fs.pipe-user-pages-soft).
const (
	grownAfter = 8
	grownSize  = 1 << 20
	grownChunk = grownSize / 2
	grownMax   = 8
)

// A nap is as short as possible at first: the kernel adds its slack of 50 µs
// (prctl(2), PR_SET_TIMERSLACK). While little comes it grows.
const (
	napMin = 5 * time.Microsecond
	napMax = 160 * time.Microsecond
)

// flood is what the mover knows of the pipes that flood.
type flood struct {
	pipes []*pipe
	nap   time.Duration // the last one
}

// pace is what the mover knows of the pace of one pipe.
type pace struct {
	movedAt time.Time   // when it last had something
	turns   int         // in how many turns in a row it had
	fills   int         // in how many of them it gave half a chunk or more, lately
	grown   atomic.Bool // changed with the sink's fileMu, read without it, too
}

// most is how many bytes of a pipe are moved at once.
func (p *pipe) most() int64 {
	if p.pace.grown.Load() {
		return grownChunk
	}
	return chunkMax
}

// ready is what the set reports; without a wait while something floods.
func (m *mover) ready() ([]unix.EpollEvent, error) {
	if len(m.flood.pipes) > 0 {
		return m.store.epoll.Poll()
	}
	return m.store.epoll.Wait()
}

// met notes that a pipe of the set had something.
func (m *mover) met(p *pipe, now time.Time) {
	k := p.sink
	k.fileMu.Lock()
	defer k.fileMu.Unlock()
	if now.Sub(p.pace.movedAt) > floodGap {
		p.pace.turns = 0
	}
	p.pace.movedAt = now
	if p.pace.turns++; p.pace.turns < floodAfter || p.fd < 0 {
		return
	}
	p.pace.turns, p.pace.fills = 0, 0
	m.store.epoll.Remove(p.fd)
	p.flooding = true
	m.flood.pipes = append(m.flood.pipes, p)
}

// visit gives each pipe that floods its turn, and naps unless one of them fills
// faster than it is emptied.
func (m *mover) visit() {
	if len(m.flood.pipes) == 0 {
		return
	}
	rush, few := false, true
	left := m.flood.pipes[:0]
	for _, p := range m.flood.pipes {
		moved := int64(m.turn(p, false))
		rush = rush || moved >= p.most()/2
		few = few && moved < p.most()/8
		if m.floods(p, moved) {
			left = append(left, p)
		}
	}
	clear(m.flood.pipes[len(left):])
	m.flood.pipes = left
	if !rush {
		m.nap(few)
	}
}

// floods says whether a pipe that brought so many bytes in its turn goes on to be
// visited, and makes it larger if it should be.
func (m *mover) floods(p *pipe, moved int64) bool {
	now, k := time.Now(), p.sink
	k.fileMu.Lock()
	defer k.fileMu.Unlock()
	if moved > 0 {
		p.pace.movedAt = now
		if moved >= p.most()/2 {
			p.pace.fills++
		}
	}
	switch {
	case p.fd < 0: // it has ended
		return false
	case now.Sub(p.pace.movedAt) < floodIdle:
		m.grow(p)
		return true
	case k.failing && !k.drop.on: // retry adds it to the set
	case !m.store.shrink(p):
		return true
	case m.store.epoll.Add(p.fd, p.number) != nil:
		return true // memory has run out
	}
	p.flooding = false
	return false
}

// grow makes a pipe larger that is full again and again. If it cannot be, it
// stays as it is. The caller holds its sink's fileMu, as that of shrink does.
func (m *mover) grow(p *pipe) {
	if p.pace.grown.Load() || p.pace.fills < grownAfter || m.store.grown.Load() >= grownMax {
		return
	}
	p.pace.fills = 0
	if size, err := unix.FcntlInt(uintptr(p.fd), unix.F_SETPIPE_SZ, grownSize); err == nil && size >= grownSize {
		p.pace.grown.Store(true)
		m.store.grown.Add(1)
	}
}

// shrink gives back the room of a pipe that does not need it any more; false: it
// holds too much.
func (s *Store) shrink(p *pipe) bool {
	if !p.pace.grown.Load() {
		return true
	}
	if _, err := unix.FcntlInt(uintptr(p.fd), unix.F_SETPIPE_SZ, chunkMax); err == unix.EBUSY {
		return false
	}
	p.pace.grown.Store(false)
	s.grown.Add(-1)
	return true
}

// calm makes the pipes smaller that have not been full of late.
func (m *mover) calm() {
	for _, p := range m.flood.pipes {
		p.sink.fileMu.Lock()
		if p.pace.fills == 0 {
			m.store.shrink(p)
		}
		p.pace.fills = 0
		p.sink.fileMu.Unlock()
	}
}

// nap lets bytes come together; the longer, the fewer came in the last turns. (A
// sleep of the runtime's takes a millisecond.)
func (m *mover) nap(few bool) {
	if few {
		m.flood.nap = min(max(2*m.flood.nap, napMin), napMax)
	} else {
		m.flood.nap = napMin
	}
	d := unix.NsecToTimespec(int64(m.flood.nap))
	if runtime.GOMAXPROCS(0) > 1 {
		// Unknown to the runtime, which would take the occasion to put its monitor
		// to sleep and wake it up again, thousands of times a second.
		unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&d)), 0, 0)
		return
	}
	_ = unix.Nanosleep(&d, nil) // the others need the only one
}
