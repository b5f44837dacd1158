package logs

import (
	"cmp"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"coppice/configs"
)

// pipe is the read end of one stream of one incarnation.
type pipe struct {
	Pipe
	sink   *sink
	number int32 // by which epoll reports it
	fd     int   // -1 once closed
	// flooding says that the mover visits it turn by turn instead of waiting for a
	// report of the set, in which it is not; it is guarded by the sink's fileMu.
	flooding bool
	pace     pace // is the mover's, but for grown
	// cutting says that the end of a line whose beginning was thrown away is still
	// to come: it is thrown away too.
	cutting bool
	adopted bool // an earlier daemon has made it
	aside   bool // it has ended and is kept for the next incarnation
}

// sink is one stream's row of files and the pipes that lead to it: more than one
// when somebody of an earlier incarnation still holds its pipe.
type sink struct {
	store        *Store
	name, stream string

	forgotten bool // with pipesOpen: guarded by the store's sinksMu
	pipesOpen int32

	// fileMu guards what follows and what is done with it: a byte goes from pipe
	// to file under it, so that those who move for one stream take turns. The
	// queue of the echo is entered under it, never the other way round.
	fileMu sync.Mutex
	how    configs.Log
	pipes  []*pipe
	spare  *pipe // has ended, and is the next incarnation's; nil: there is none

	live live
	note note
	drop drop

	rests      bool          // no spare is kept: no incarnation is to come at once, or one is beginning
	copying    bool          // splice does not work here
	failing    bool          // the file cannot be written; the pipes are left alone, unless drop is on
	retryDelay time.Duration // 0 once bytes were moved
}

// outcome is what came of moving bytes of one pipe.
type outcome struct {
	moved  int  // bytes taken from the pipe
	ended  bool // nobody can write to the pipe any more
	opened bool // the files were opened
	trouble
}

// trouble is a change for the worse or the better with a sink's file.
type trouble struct {
	retryAfter time.Duration // 0 when nothing is to be tried again
	changed    bool          // err is news; nil is good news
	healed     bool          // it can be written again
	err        error
}

// then is trouble followed by later trouble.
func (t trouble) then(later trouble) trouble {
	if later == (trouble{}) {
		return t
	}
	return later
}

func newSink(s *Store, name, stream string) *sink {
	return &sink{store: s, name: name, stream: stream, live: live{file: -1}, note: note{times: -1}}
}

// keepAs sets how the output is kept from now on.
func (k *sink) keepAs(how configs.Log) {
	fallback := configs.DefaultLog()
	how.MaxSize = cmp.Or(max(0, how.MaxSize), fallback.MaxSize)
	how.MaxFiles = cmp.Or(max(0, how.MaxFiles), fallback.MaxFiles)
	if how != k.how {
		k.closeFiles()
		k.live.settled = false // other files may go, or a child writes one itself
		k.how = how
	}
}

func (k *sink) closePipe(s *Store, p *pipe) {
	s.epoll.Remove(p.fd)
	s.shrink(p)
	s.handed.close(p.fd)
	p.fd = -1
	k.pipes = slices.DeleteFunc(k.pipes, func(other *pipe) bool { return other == p })
}

// closeAll gives up whatever is left.
func (k *sink) closeAll(s *Store) {
	k.fileMu.Lock()
	defer k.fileMu.Unlock()
	for _, p := range slices.Clone(k.pipes) {
		k.closePipe(s, p)
	}
	if k.spare != nil {
		s.handed.close(k.spare.fd)
		k.spare = nil
	}
	k.closeFiles()
}

func (k *sink) closeFiles() {
	for _, fd := range []*int{&k.live.file, &k.note.times} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
}

// folder is where its files are. It is made when it is asked for: thousands of sinks only
// wait.
func (k *sink) folder() string { return filepath.Join(k.store.dir, k.name) }

func (k *sink) path(g segment) string { return filepath.Join(k.folder(), g.plainName()) }

func (k *sink) timesPath(g segment) string { return filepath.Join(k.folder(), g.timesName()) }
