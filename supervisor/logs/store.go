package logs

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"coppice/supervisor/poller"
)

// PerChild is how many descriptors the store needs for each child whose output
// it captures: the read end of its pipe. Log files are open only while bytes
// arrive, at most Fixed-2 descriptors of them in all.
const PerChild = 1

// Fixed is how many descriptors the store needs whatever the number of
// children.
const Fixed = 2*(filesOpenMax+poller.EventsMax) + 4

// Store captures the output of children: one folder for each name. All methods
// may be called by many goroutines at once.
type Store struct {
	dir  string
	echo *Echo

	epoll     *poller.Poller
	moverDone chan struct{}
	closeOnce sync.Once
	// moved is the sink that bytes came to last, of all of them: only bytes of
	// another one in between make it worth telling the times of two apart.
	moved     atomic.Pointer[sink]
	troubled  atomic.Int32 // how many sinks cannot be written
	onTrouble atomic.Pointer[func(name string, err error)]
	followers followers

	// sinksMu guards what follows, and forgotten and pipesOpen of every sink.
	sinksMu    sync.Mutex
	sinks      map[string]*sink
	pipes      map[int32]*pipe
	pipeNumber int32
	stalled    map[*sink]time.Time // when to try again
	wakeAt     time.Time           // the mover's deadline, zero for none
}

// Open makes dir (0700) and starts the mover. With echo, all that is captured
// from now on is shown there too; the store ends it in Close.
func Open(dir string, echo *Echo) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the log folder: %w", err)
	}
	epoll, err := poller.New()
	if err != nil {
		return nil, err
	}
	s := &Store{
		dir:       dir,
		echo:      echo,
		epoll:     epoll,
		moverDone: make(chan struct{}),
		sinks:     map[string]*sink{},
		pipes:     map[int32]*pipe{},
		stalled:   map[*sink]time.Time{},
		followers: followers{ended: make(chan struct{})},
	}
	if echo != nil {
		echo.start()
	}
	go s.move()
	return s, nil
}

// OnTrouble sets what is told, once, when a child's log file cannot be written,
// and with a nil error when it can again. In between the child's output stays
// in its pipe, so that the child waits when that is full. report is called by
// the mover or by a caller of Drain and must return soon.
func (s *Store) OnTrouble(report func(name string, err error)) { s.onTrouble.Store(&report) }

// Pipe makes the pipe for a new incarnation of a child and returns its write
// end: give it to the child as stdout and stderr, and close it after the fork.
// Bytes are captured until the last process that holds the write end is gone.
func (s *Store) Pipe(name string) (*os.File, error) {
	if !legalName(name) {
		return nil, fmt.Errorf("cannot capture the output of %q: not a legal name", name)
	}
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("cannot make a pipe for the output of %s: %w", name, err)
	}
	// The ends are two descriptions: the child's stays a blocking one.
	err := unix.SetNonblock(ends[0], true)
	if err == nil {
		err = s.adopt(name, ends[0])
	}
	if err != nil {
		unix.Close(ends[0])
		unix.Close(ends[1])
		return nil, fmt.Errorf("cannot capture the output of %s: %w", name, err)
	}
	return os.NewFile(uintptr(ends[1]), name+"'s output"), nil
}

// adopt takes a pipe's read end into the mover's care.
func (s *Store) adopt(name string, readEnd int) error {
	s.sinksMu.Lock()
	k := s.sinks[name]
	if k == nil {
		k = newSink(s.dir, name)
		s.sinks[name] = k
	}
	p := &pipe{sink: k, fd: readEnd, number: s.freeNumber()}
	s.pipes[p.number] = p
	k.pipesOpen++
	k.forgotten = false
	s.sinksMu.Unlock()

	k.fileMu.Lock()
	err := k.addPipe(s.epoll, p)
	k.fileMu.Unlock()
	if err != nil {
		s.dropPipe(p)
	}
	return err
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

// Drain moves what is in a child's pipes to its log file before it returns:
// call it when the child's end is about to be told. It takes what was written
// before the call and no more, so a process that got away and goes on writing
// cannot hold it up; such a one is read on. When the log file cannot be written
// the bytes stay where they are.
func (s *Store) Drain(name string) {
	s.sinksMu.Lock()
	k := s.sinks[name]
	s.sinksMu.Unlock()
	if k == nil {
		return
	}
	buf := chunks.Get().(*chunk)
	defer chunks.Put(buf)

	k.fileMu.Lock()
	trouble := k.retry(s)
	var ended []*pipe
	for _, p := range slices.Clone(k.pipes) {
		outcome := k.drainPipe(s, p, buf[:])
		if outcome.ended {
			ended = append(ended, p)
		}
		trouble = trouble.then(outcome.trouble)
		s.echo.flush(p)
	}
	k.closeFiles()
	k.fileMu.Unlock()

	for _, p := range ended {
		s.dropPipe(p)
	}
	s.tell(k, trouble)
	s.followers.poke(name)
}

// Forget drops what is remembered of a name whose process is no longer in the
// tree, as soon as nobody holds its pipes any more. Its log files stay.
func (s *Store) Forget(name string) {
	s.sinksMu.Lock()
	defer s.sinksMu.Unlock()
	if k := s.sinks[name]; k != nil {
		k.forgotten = true
		s.dropForgotten(k)
	}
}

func (s *Store) dropForgotten(k *sink) {
	if k.forgotten && k.pipesOpen == 0 {
		delete(s.sinks, k.name)
	}
}

// dropPipe forgets a pipe whose read end is closed.
func (s *Store) dropPipe(p *pipe) {
	s.sinksMu.Lock()
	defer s.sinksMu.Unlock()
	delete(s.pipes, p.number)
	p.sink.pipesOpen--
	s.dropForgotten(p.sink)
}

// tell plans the next try of a sink that stalled and reports the change.
func (s *Store) tell(k *sink, t trouble) {
	if t.retryAfter > 0 {
		s.sinksMu.Lock()
		at := time.Now().Add(t.retryAfter)
		s.stalled[k] = at
		s.wakeBy(at)
		s.sinksMu.Unlock()
	}
	if report := s.onTrouble.Load(); t.changed && report != nil {
		(*report)(k.name, t.err)
	}
}

// wakeBy makes the mover wake up at a time, or earlier. The caller holds sinksMu.
func (s *Store) wakeBy(at time.Time) {
	if s.wakeAt.IsZero() || at.Before(s.wakeAt) {
		s.wakeAt = at
		s.epoll.WakeAt(at)
	}
}

// Close moves what the pipes hold, closes them and ends the mover, the echo and
// all followers. Processes that still hold a write end get SIGPIPE at their next
// write. No other method may be called after it.
func (s *Store) Close() {
	s.closeOnce.Do(func() {
		s.epoll.Close()
		<-s.moverDone
		s.sinksMu.Lock()
		left := maps.Clone(s.sinks)
		s.sinksMu.Unlock()
		for name, k := range left {
			s.Drain(name)
			k.closeAll(s.epoll)
		}
		s.followers.end()
		s.echo.end()
	})
}

// Follow is Read, and then goes on with what arrives until ctx is done, the
// store is closed or emit fails; only the last of these is an error. Names that
// speak for the first time are followed too, when the query names none. A
// follower that is slow holds up nobody: it reads the files at its own pace.
func (s *Store) Follow(ctx context.Context, q Query, emit func(Line) error) error {
	return follow(ctx, s, q, emit)
}

// legalName says that a name is a process's: it becomes the name of a folder.
func legalName(name string) bool {
	if len(name) == 0 || len(name) > 64 {
		return false
	}
	for i, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case i > 0 && (c == '_' || c == '.' || c == '-'):
		default:
			return false
		}
	}
	return true
}
