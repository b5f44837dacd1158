package logs

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"coppice/supervisor/poller"
)

// PerChild is how many descriptors the store needs for each pipe that it reads:
// one for a child, two for one whose log is split, none for one that writes its
// file itself. Log files are open only while bytes arrive.
const PerChild = 1

// Fixed is how many descriptors the store needs whatever the number of
// children.
const Fixed = 2*(filesOpenMax+poller.EventsMax) + 16

// Options are what Open is told. The functions may be nil. They are called
// without a lock held and must return soon: nothing is moved meanwhile.
type Options struct {
	// Echo shows what is captured; the store ends it in Close.
	Echo *Echo
	// OnTrouble is told, once, when a file of a child cannot be written, and with
	// a nil error when it can again; for each file of one whose log is split. In
	// between the child's output stays in its pipe, so that the child waits when
	// that is full, or is dropped, as its Log says. It is called by the mover or
	// by a caller of Drain.
	OnTrouble func(name string, err error)
	// OnDropped is told how many bytes were thrown away since it was last told:
	// every few seconds while that lasts, and at its end. It is called by the
	// mover or by the caller of Close.
	OnDropped func(name string, bytes int64)
	// OnEnded is told that a pipe has ended and is not used again: nobody can write to
	// it any more, and all that was written is in the file. It is called by the mover
	// or by a caller of Drain, Begin, Retire or Forget.
	OnEnded func(Pipe)
	// OnHangup is told that the last process that could write to a pipe of a name has
	// closed it: mostly because it has ended. It is called as OnEnded is.
	OnHangup func(name string)
	// MaxTotal is what SetMaxTotal sets.
	MaxTotal int64
}

// Store captures the output of children: one folder for each name. All methods
// may be called by many goroutines at once.
type Store struct {
	dir  string
	opts Options
	echo *Echo

	epoll     *poller.Poller
	moverDone chan struct{}
	closeOnce sync.Once
	// moved is the sink that bytes came to last, of all of them: only bytes of
	// another one in between make it worth telling the times of two apart.
	moved     atomic.Pointer[sink]
	grown     atomic.Int32 // how many pipes are larger, for a flood
	handed    handed
	followers followers
	scratch   scratch
	janitor   janitor

	// sinksMu guards what follows, and forgotten and pipesOpen of every sink.
	sinksMu    sync.Mutex
	sinks      map[sinkKey]*sink
	marks      map[string]markCount // by name
	pipes      map[int32]*pipe
	pipeNumber int32
	agenda     agenda
}

// sinkKey finds the sink of one stream of a name.
type sinkKey struct{ name, stream string }

// Open makes dir (0700) and starts the mover.
func Open(dir string, o Options) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the log folder: %w", err)
	}
	epoll, err := poller.New()
	if err != nil {
		return nil, err
	}
	s := &Store{
		dir:       dir,
		opts:      o,
		echo:      o.Echo,
		epoll:     epoll,
		moverDone: make(chan struct{}),
		sinks:     map[sinkKey]*sink{},
		marks:     map[string]markCount{},
		pipes:     map[int32]*pipe{},
		agenda:    agenda{at: map[appointment]time.Time{}},
		followers: followers{ended: make(chan struct{})},
	}
	s.janitor.init(dir, o.MaxTotal)
	if s.echo != nil {
		s.echo.start()
	}
	go s.move()
	return s, nil
}

// sink is the sink of one stream of a name, which exists from now on.
func (s *Store) sink(name, stream string) *sink {
	s.sinksMu.Lock()
	defer s.sinksMu.Unlock()
	return s.sinkLocked(name, stream)
}

func (s *Store) sinkLocked(name, stream string) *sink {
	k := s.sinks[sinkKey{name, stream}]
	if k == nil {
		k = newSink(s, name, stream)
		s.sinks[sinkKey{name, stream}] = k
	}
	k.forgotten = false
	return k
}

// sinksOf are the sinks that a name has.
func (s *Store) sinksOf(name string) []*sink {
	s.sinksMu.Lock()
	defer s.sinksMu.Unlock()
	var found []*sink
	for _, stream := range []string{outStream, errStream} {
		if k := s.sinks[sinkKey{name, stream}]; k != nil {
			found = append(found, k)
		}
	}
	return found
}

// markCount counts the incarnations of a name.
type markCount struct {
	latest uint32
	whole  bool // the files were asked too
}

// nextMark counts a new incarnation of a name.
func (s *Store) nextMark(name string) uint32 {
	next := s.Coming(name)
	s.sinksMu.Lock()
	defer s.sinksMu.Unlock()
	s.marks[name] = markCount{latest: next, whole: true}
	return next
}

// Coming is the Mark that the next incarnation of a name will have.
func (s *Store) Coming(name string) uint32 {
	s.sinksMu.Lock()
	whole := s.marks[name].whole
	s.sinksMu.Unlock()
	last := uint32(0)
	if !whole {
		last = lastMark(filepath.Join(s.dir, name))
	}
	s.sinksMu.Lock()
	defer s.sinksMu.Unlock()
	latest := max(s.marks[name].latest, last)
	s.marks[name] = markCount{latest: latest, whole: true}
	return latest + 1
}

// Drain moves what is in a child's pipes to its log files before it returns:
// call it when the child's end is about to be told. It takes what was written
// before the call and no more, so a process that got away and goes on writing
// cannot hold it up; such a one is read on. When a log file cannot be written
// the bytes stay where they are.
func (s *Store) Drain(name string) {
	for _, k := range s.sinksOf(name) {
		s.drain(k)
	}
	s.followers.poke(name)
}

func (s *Store) drain(k *sink) {
	buf := chunks.Get().(*chunk)
	defer chunks.Put(buf)

	k.fileMu.Lock()
	ended, trouble := k.catchUp(s, buf[:])
	for _, p := range append(ended, k.pipes...) {
		s.echo.flush(p)
	}
	k.closeFiles()
	k.punch(s) // of a child that writes its file itself
	k.fileMu.Unlock()

	for _, p := range ended {
		s.dropPipe(p)
	}
	s.tell(k, trouble)
}

// Forget drops what is remembered of a name whose process is no longer in the
// tree, as soon as nobody holds its pipes any more. Its log files stay.
func (s *Store) Forget(name string) {
	defer func(sinks []*sink) {
		for _, k := range sinks {
			s.retire(k)
		}
	}(s.sinksOf(name))
	s.sinksMu.Lock()
	defer s.sinksMu.Unlock()
	for _, stream := range []string{outStream, errStream} {
		if k := s.sinks[sinkKey{name, stream}]; k != nil {
			k.forgotten = true
			s.dropForgotten(k)
		}
	}
}

// dropForgotten drops a sink that nothing comes to any more. The caller holds
// sinksMu.
func (s *Store) dropForgotten(k *sink) {
	busy := s.agenda.has(k, punching) || s.agenda.has(k, retrying) || s.agenda.has(k, telling)
	if !k.forgotten || k.pipesOpen > 0 || busy {
		return
	}
	delete(s.sinks, sinkKey{k.name, k.stream})
	s.agenda.forget(k)
	if s.sinks[sinkKey{k.name, outStream}] == nil && s.sinks[sinkKey{k.name, errStream}] == nil {
		delete(s.marks, k.name)
	}
}

// dropPipe forgets a pipe that has ended, and tells so.
func (s *Store) dropPipe(p *pipe) {
	s.sinksMu.Lock()
	delete(s.pipes, p.number)
	p.sink.pipesOpen--
	forgotten := p.sink.forgotten
	s.dropForgotten(p.sink)
	s.sinksMu.Unlock()
	if s.opts.OnHangup != nil {
		s.opts.OnHangup(p.Name)
	}
	switch {
	case p.aside && forgotten:
		s.retire(p.sink)
	case !p.aside && s.opts.OnEnded != nil:
		s.opts.OnEnded(p.Pipe)
	}
}

// tell plans the next try of a sink that fails and reports the change.
func (s *Store) tell(k *sink, t trouble) {
	if t.retryAfter > 0 {
		s.plan(k, retrying, time.Now().Add(t.retryAfter))
	}
	if t.healed {
		s.hurry(retrying) // what helped this one may help others
	}
	if t.changed && s.opts.OnTrouble != nil {
		s.opts.OnTrouble(k.name, t.err)
	}
}

// tellDropped reports what was thrown away of a sink's output.
func (s *Store) tellDropped(k *sink) {
	k.fileMu.Lock()
	bytes := k.drop.takeUntold()
	k.fileMu.Unlock()
	if bytes > 0 && s.opts.OnDropped != nil {
		s.opts.OnDropped(k.name, bytes)
	}
}

// Close moves what the pipes hold and ends the mover, the echo and all
// followers. It closes the store's own ends of the pipes and no others: what
// somebody else has a reader of, or holds open for reading and writing as a
// child does, goes on. No other method may be called after it.
func (s *Store) Close() {
	s.closeOnce.Do(func() {
		s.epoll.Close()
		<-s.moverDone
		s.janitor.end()
		s.sinksMu.Lock()
		left := maps.Clone(s.sinks)
		s.sinksMu.Unlock()
		for _, k := range left {
			s.drain(k)
			s.tellDropped(k)
			k.closeAll(s)
		}
		for key := range left {
			s.followers.poke(key.name)
		}
		s.scratch.close()
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

// SetMaxTotal sets how many bytes all files of all names may take on disk; 0: no
// limit. Above it the oldest files that are not written any more are removed.
func (s *Store) SetMaxTotal(bytes int64) { s.janitor.limit(bytes) }

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
