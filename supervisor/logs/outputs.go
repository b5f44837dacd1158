package logs

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"coppice/configs"
)

// Pipe identifies the pipe of one stream of one incarnation.
type Pipe struct {
	// Name is the process's, Stream "log" or, for the stderr of one whose log is
	// split, "err": the ending of the files.
	Name, Stream string
	// Mark counts the incarnations of the name from 1.
	Mark uint32
	// Made is the Mark of the incarnation that the pipe was made for, if that was an
	// earlier one, else 0.
	Made uint32
	// Inode is the pipe's; no other one has it as long as anybody holds an end.
	Inode uint64
}

// Reader is the read end of a pipe.
type Reader struct {
	Pipe
	// FD is the store's. It stays open at least as long as somebody can write to
	// the pipe, or it is kept for the next incarnation: whoever wants to keep it longer
	// takes a copy.
	FD int
}

// Outputs are what a new incarnation writes to.
type Outputs struct {
	// Stdout and Stderr are given to the child and closed after the fork; they are
	// the same file unless the log is split.
	Stdout, Stderr *os.File
	// Readers are the store's ends of the pipes, one or two; none in mode direct.
	Readers []Reader
}

// Close closes the child's ends.
func (o *Outputs) Close() {
	o.Stdout.Close()
	if o.Stderr != o.Stdout {
		o.Stderr.Close()
	}
}

// Begin makes the outputs of a new incarnation of a child. Bytes are captured
// until the last process that can write to them is gone. The child gets its pipes
// open for reading and writing: it is never without a reader, and so never killed
// by SIGPIPE, whatever becomes of this process. In mode direct it gets its file.
func (s *Store) Begin(name string, how configs.Log) (*Outputs, error) {
	if !legalName(name) {
		return nil, fmt.Errorf("cannot capture the output of %q: not a legal name", name)
	}
	mark := s.nextMark(name)
	o := &Outputs{}
	var err error
	if o.Stdout, err = s.begin(o, Pipe{Name: name, Stream: outStream, Mark: mark}, how); err != nil {
		return nil, err
	}
	o.Stderr = o.Stdout
	if how.Split {
		if o.Stderr, err = s.begin(o, Pipe{Name: name, Stream: errStream, Mark: mark}, how); err != nil {
			o.Stdout.Close()
			return nil, err
		}
	} else {
		s.retireStream(name, errStream) // of a log that was split before
	}
	return o, nil
}

// begin makes one output.
func (s *Store) begin(o *Outputs, p Pipe, how configs.Log) (*os.File, error) {
	if how.Direct {
		s.Retire(p.Name)
		return s.beginDirect(p, how)
	}
	p, fd, childs, err := s.fresh(p)
	if err != nil {
		return nil, err
	}
	if err := s.adopt(p, how, fd, false); err != nil {
		childs.Close()
		if s.opts.OnEnded != nil {
			s.opts.OnEnded(p) // it may have been kept for longer
		}
		return nil, err
	}
	o.Readers = append(o.Readers, Reader{p, fd})
	return childs, nil
}

// makePipe makes a pipe: a read end that never blocks, and one for a child.
func makePipe(name string) (fd int, childs *os.File, err error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return -1, nil, err
	}
	// Opened anew the child's end is a description of its own, which blocks. Where
	// there is no /proc the child has to make do with a write end.
	both, err := unix.Open("/proc/self/fd/"+strconv.Itoa(ends[1]), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil {
		unix.Close(ends[1])
		ends[1] = both
	} else if err := unix.SetNonblock(ends[1], false); err != nil {
		unix.Close(ends[0])
		unix.Close(ends[1])
		return -1, nil, err
	}
	return ends[0], os.NewFile(uintptr(ends[1]), name), nil
}

// pipeInode is the inode of the pipe that a descriptor leads to; false: it is not
// a pipe.
func pipeInode(fd int) (uint64, bool) {
	var stat unix.Stat_t
	err := unix.Fstat(fd, &stat)
	return stat.Ino, err == nil && stat.Mode&unix.S_IFMT == unix.S_IFIFO
}

// Adopt goes on with the pipe of an incarnation that an earlier daemon has begun,
// through a read end of it that somebody has kept. The file is the store's from
// then on, also after an error. A pipe that the store has already is not read
// twice.
func (s *Store) Adopt(p Pipe, how configs.Log, reader *os.File) error {
	defer reader.Close()
	fd := -1
	conn, err := reader.SyscallConn()
	if err == nil {
		controlErr := conn.Control(func(kept uintptr) { fd, err = unix.FcntlInt(kept, unix.F_DUPFD_CLOEXEC, 3) })
		err = errors.Join(controlErr, err)
	}
	if err != nil {
		return fmt.Errorf("cannot go on with the output of %s: %w", p.Name, err)
	}
	return s.goOn(p, how, fd)
}

// Reopen goes on with the pipe of an incarnation of which no read end was kept:
// it opens the one that the living process itself holds as its stdout or stderr
// or, if that is another one by now, as any descriptor. An Inode of 0 fits any
// pipe that is its stdout or stderr.
func (s *Store) Reopen(p Pipe, how configs.Log, pid int) error {
	fd, err := OpenPipe(p, pid)
	if err != nil {
		return fmt.Errorf("cannot go on with the output of %s: %w", p.Name, err)
	}
	return s.goOn(p, how, fd)
}

// OpenPipe opens a read end of a pipe as Reopen does, for one who is to keep it. It
// does not block and is the caller's to close.
func OpenPipe(p Pipe, pid int) (fd int, err error) {
	path, err := findPipe(p, pid)
	if err != nil {
		return -1, err
	}
	return unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
}

// Present are the pipes that a living process has for its stdout and, if its log is
// split, its stderr now, for one of which nothing else is known. They have no Mark.
func Present(name string, how configs.Log, pid int) []Pipe {
	streams := map[string]string{outStream: "1"}
	if how.Split {
		streams[errStream] = "2"
	}
	var pipes []Pipe
	for stream, fd := range streams {
		var stat unix.Stat_t
		err := unix.Stat("/proc/"+strconv.Itoa(pid)+"/fd/"+fd, &stat)
		if err == nil && stat.Mode&unix.S_IFMT == unix.S_IFIFO {
			pipes = append(pipes, Pipe{Name: name, Stream: stream, Inode: stat.Ino})
		}
	}
	return pipes
}

// findPipe finds a pipe among the descriptors of a process.
func findPipe(p Pipe, pid int) (path string, err error) {
	folder := "/proc/" + strconv.Itoa(pid) + "/fd/"
	usual := folder + "1"
	if p.Stream == errStream {
		usual = folder + "2"
	}
	target, err := os.Readlink(usual)
	if err != nil {
		return "", err
	}
	wanted := "pipe:[" + strconv.FormatUint(p.Inode, 10) + "]"
	if target == wanted || p.Inode == 0 && strings.HasPrefix(target, "pipe:[") {
		return usual, nil
	}
	if p.Inode != 0 {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return "", err
		}
		for _, entry := range entries {
			if target, _ := os.Readlink(folder + entry.Name()); target == wanted {
				return folder + entry.Name(), nil
			}
		}
	}
	return "", fmt.Errorf("process %d does not hold its pipe any more", pid)
}

// goOn takes an earlier daemon's pipe into the mover's care, if it is the one.
func (s *Store) goOn(p Pipe, how configs.Log, fd int) error {
	inode, ok := pipeInode(fd)
	err := unix.SetNonblock(fd, true)
	switch {
	case !legalName(p.Name) || p.Stream != outStream && p.Stream != errStream:
		err = fmt.Errorf("%q is not a legal name", p.Name+"."+p.Stream)
	case !ok || p.Inode != 0 && inode != p.Inode:
		err = errors.New("it is another pipe")
	}
	if err != nil {
		unix.Close(fd)
		return fmt.Errorf("cannot go on with the output of %s: %w", p.Name, err)
	}
	p.Inode = inode
	if s.reads(p) {
		unix.Close(fd)
		return nil
	}
	s.sinksMu.Lock()
	count := s.marks[p.Name]
	count.latest = max(count.latest, p.Mark)
	s.marks[p.Name] = count
	s.sinksMu.Unlock()
	return s.adopt(p, how, fd, true)
}

// reads says that the store has a pipe already.
func (s *Store) reads(p Pipe) bool {
	for _, k := range s.sinksOf(p.Name) {
		k.fileMu.Lock()
		has := slices.ContainsFunc(k.pipes, func(other *pipe) bool {
			return other.Stream == p.Stream && other.Inode == p.Inode
		})
		k.fileMu.Unlock()
		if has {
			return true
		}
	}
	return false
}

// adopt takes a pipe's read end into the mover's care, an earlier daemon's or a new one;
// after an error it is closed. What earlier incarnations have left in theirs goes first.
func (s *Store) adopt(id Pipe, how configs.Log, fd int, adopted bool) error {
	s.sinksMu.Lock()
	k := s.sinkLocked(id.Name, id.Stream)
	earlier := k.pipesOpen > 0
	s.sinksMu.Unlock()
	if earlier {
		s.drain(k)
	}
	s.sinksMu.Lock()
	k = s.sinkLocked(id.Name, id.Stream) // it may have been forgotten meanwhile
	p := &pipe{Pipe: id, sink: k, fd: fd, number: s.freeNumber(), adopted: adopted}
	s.pipes[p.number] = p
	k.pipesOpen++
	s.sinksMu.Unlock()

	k.fileMu.Lock()
	defer k.fileMu.Unlock()
	k.keepAs(how)
	if !k.failing || k.drop.on {
		if err := s.epoll.Add(fd, p.number); err != nil {
			s.sinksMu.Lock()
			delete(s.pipes, p.number)
			k.pipesOpen--
			s.sinksMu.Unlock()
			unix.Close(fd)
			return fmt.Errorf("cannot wait for the output of %s: %w", id.Name, err)
		}
	}
	k.pipes = append(k.pipes, p)
	if !adopted {
		k.rests = false
	}
	return nil
}

// TakeBack says that the other program could not be executed: the readers are the
// store's alone again.
func (s *Store) TakeBack() { s.handed.end() }

// handed are readers that somebody has the numbers of, who is about to execute
// another program: they are closed only if that comes to nothing.
type handed struct {
	mu   sync.Mutex
	on   bool
	left []int // that would have been closed meanwhile
}

func (h *handed) begin() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.on = true
}

func (h *handed) close(fd int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.on {
		h.left = append(h.left, fd)
		return
	}
	unix.Close(fd)
}

func (h *handed) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, fd := range h.left {
		unix.Close(fd)
	}
	h.on, h.left = false, nil
}

// freeNumber finds the next number that no pipe has: after 2^32 of them the
// early ones come again.
func (s *Store) freeNumber() int32 {
	for {
		s.pipeNumber++
		if _, taken := s.pipes[s.pipeNumber]; !taken {
			return s.pipeNumber
		}
	}
}

// EachReader calls f for the read end of every pipe, for one who is about to
// execute another program that goes on with them. From then on the store leaves
// all of them open, until TakeBack.
func (s *Store) EachReader(f func(p Pipe, fd int)) {
	s.handed.begin()
	s.sinksMu.Lock()
	var pipes []*pipe
	for _, p := range s.pipes {
		pipes = append(pipes, p)
	}
	s.sinksMu.Unlock()
	slices.SortFunc(pipes, func(a, b *pipe) int { return int(a.number) - int(b.number) })
	for _, p := range pipes {
		p.sink.fileMu.Lock()
		fd := p.fd
		p.sink.fileMu.Unlock()
		if fd >= 0 {
			f(p.Pipe, fd)
		}
	}
}
