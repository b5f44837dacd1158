package logs

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"coppice/configs"
)

// A pipe that has ended is empty, and nobody can write to it: but for its size, and who may
// have opened it to read, nothing tells it from one that was just made. So the next incarnation of its name gets it again.
// That saves making one and, what is more, telling the keeper of both: of a restart that
// comes at once the keeper hears nothing.

// setAside keeps a pipe that has ended for the next incarnation, or closes it: if there is
// one already, if a later incarnation is writing, so that the next one may be far away, if it is another daemon's whose incarnation may not come again, if it
// could not be opened for writing again, if a process has changed its size, or if no other
// descriptor is free.
func (k *sink) setAside(s *Store, p *pipe) {
	if k.spare != nil || len(k.pipes) > 1 || k.rests || p.adopted || !canReopen() || !ofUsualSize(p.fd) || !moreFree(p.fd) {
		k.closePipe(s, p)
		return
	}
	s.epoll.Remove(p.fd)
	s.shrink(p)
	k.pipes = slices.DeleteFunc(k.pipes, func(other *pipe) bool { return other == p })
	k.spare = &pipe{Pipe: p.Pipe, sink: k, fd: p.fd}
	p.fd, p.aside = -1, true
}

// canReopen says whether there is a /proc through which a pipe can be opened.
var canReopen = sync.OnceValue(func() bool { return unix.Access("/proc/self/fd", unix.F_OK) == nil })

// ofUsualSize says whether a pipe has room for as much as one that was just made: 16 pages,
// pipe(7).
func ofUsualSize(fd int) bool {
	size, err := unix.FcntlInt(uintptr(fd), unix.F_GETPIPE_SZ, 0)
	return err == nil && size == 16*os.Getpagesize()
}

// moreFree says whether a descriptor is free: where none is, whoever looks after the end of
// a process, and the next start, need this one.
func moreFree(fd int) bool {
	free, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err == nil {
		unix.Close(free)
	}
	return err == nil
}

// reuse makes the spare pipe of an output that of a new incarnation, and returns the
// child's end; nil: there is none. Until the new one has its pipe none is kept: that of the
// last one may end right now.
func (s *Store) reuse(k *sink, mark uint32) (p Pipe, fd int, childs *os.File) {
	k.fileMu.Lock()
	spare := k.spare
	k.spare, k.rests = nil, true
	k.fileMu.Unlock()
	if spare == nil {
		return p, -1, nil
	}
	both, err := unix.Open("/proc/self/fd/"+strconv.Itoa(spare.fd), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		s.closeSpare(spare)
		return p, -1, nil
	}
	p = spare.Pipe
	p.Made, p.Mark = cmp.Or(p.Made, p.Mark), mark
	return p, spare.fd, os.NewFile(uintptr(both), p.Name+"'s output")
}

// Prepare makes the pipes of the next incarnation of a name ahead, while there is time for
// that, and returns their read ends, as Begin would. What cannot be made Begin is told.
func (s *Store) Prepare(name string, how configs.Log) []Reader {
	if how.Direct || !legalName(name) || !canReopen() {
		return nil
	}
	streams := []string{outStream, errStream}
	if !how.Split {
		streams = streams[:1]
	}
	var readers []Reader
	mark := s.Coming(name)
	for _, stream := range streams {
		k := s.sink(name, stream)
		k.fileMu.Lock()
		if k.spare == nil {
			if fd, err := makeReader(); err == nil {
				p := Pipe{Name: name, Stream: stream, Mark: mark}
				p.Inode, _ = pipeInode(fd) // it is one
				k.spare = &pipe{Pipe: p, sink: k, fd: fd}
				readers = append(readers, Reader{p, fd})
			}
		}
		k.fileMu.Unlock()
	}
	return readers
}

// makeReader makes a pipe that nobody can write to yet.
func makeReader() (int, error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return -1, err
	}
	unix.Close(ends[1])
	return ends[0], nil
}

// Retire says that no incarnation of a name is to come at once: nothing is kept for it,
// and what has ended already is closed.
func (s *Store) Retire(name string) {
	for _, k := range s.sinksOf(name) {
		s.retire(k)
	}
}

// retireStream is Retire for one stream, if there is one.
func (s *Store) retireStream(name, stream string) {
	s.sinksMu.Lock()
	k := s.sinks[sinkKey{name, stream}]
	s.sinksMu.Unlock()
	if k != nil {
		s.retire(k)
	}
}

func (s *Store) retire(k *sink) {
	k.fileMu.Lock()
	spare := k.spare
	k.spare, k.rests = nil, true
	k.fileMu.Unlock()
	if spare != nil {
		s.closeSpare(spare)
	}
}

func (s *Store) closeSpare(p *pipe) {
	s.handed.close(p.fd)
	if s.opts.OnEnded != nil {
		s.opts.OnEnded(p.Pipe)
	}
}

// fresh makes a pipe for a new incarnation of an output, or gives it the last one's.
func (s *Store) fresh(p Pipe) (Pipe, int, *os.File, error) {
	k := s.sink(p.Name, p.Stream)
	if again, fd, childs := s.reuse(k, p.Mark); childs != nil {
		return again, fd, childs, nil
	}
	fd, childs, err := makePipe(p.Name + "'s output")
	if err != nil {
		return p, -1, nil, fmt.Errorf("cannot make a pipe for the output of %s: %w", p.Name, err)
	}
	p.Inode, _ = pipeInode(fd) // it is one
	return p, fd, childs, nil
}
