package logs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"coppice/supervisor/poller"
)

// currentName and timesName are the files in a process's folder.
const (
	currentName = "current"
	timesName   = "current.times"
)

// The delay between two tries of a file that cannot be written doubles between
// these.
const (
	retryDelayMin = 50 * time.Millisecond
	retryDelayMax = 5 * time.Second
)

// troubledRead is how much is read from a pipe at once while any file cannot be
// written: what was read and cannot be written is held in memory, of each child.
const troubledRead = 4 << 10

// notedFor is how long bytes of one sink may share a time when no other sink
// had any in between.
const notedFor = time.Millisecond

// pipe is the read end of one incarnation's output.
type pipe struct {
	sink   *sink
	number int32 // by which epoll reports it
	fd     int   // -1 once closed
	mark   uint32
}

// sink is one process's log file and the pipes that lead to it: more than one
// when somebody of an earlier incarnation still holds its pipe.
type sink struct {
	name   string
	folder string

	forgotten bool // with pipesOpen: guarded by the store's sinksMu
	pipesOpen int

	// fileMu guards what follows and what is done with it: a byte goes from pipe
	// to file under it, so that those who move for one name take turns. The
	// queue of the echo is entered under it, never the other way round.
	fileMu sync.Mutex
	pipes  []*pipe
	marks  uint32 // the latest incarnation's mark

	file, times int    // -1 while closed
	inode       uint64 // of file when it was last open
	end         int64  // its length then

	notedAt   time.Time // of the last index record; zero forces the next one
	notedMark uint32

	// pending is what was read and could not be written. While it is there
	// nothing more is read: the child's bytes stay in its pipe.
	pending     []byte
	pendingMark uint32
	retryDelay  time.Duration
}

// outcome is what came of moving bytes of one pipe.
type outcome struct {
	moved  int  // bytes taken from the pipe
	ended  bool // nobody can write to the pipe any more; it is closed
	opened bool // the files were opened
	trouble
}

// trouble is a change for the worse or the better with a sink's file.
type trouble struct {
	retryAfter time.Duration // 0 when nothing is to be tried again
	changed    bool          // err is news; nil is good news
	err        error
}

// then is trouble followed by later trouble.
func (t trouble) then(later trouble) trouble {
	if later == (trouble{}) {
		return t
	}
	return later
}

func newSink(dir, name string) *sink {
	k := &sink{name: name, folder: filepath.Join(dir, name), file: -1, times: -1}
	if last, ok := lastRecord(filepath.Join(k.folder, timesName)); ok {
		k.marks = last.mark
	}
	return k
}

// addPipe begins to read a pipe, or plans to once the file can be written.
func (k *sink) addPipe(epoll *poller.Poller, p *pipe) error {
	if k.pending == nil {
		if err := epoll.Add(p.fd, p.number); err != nil {
			return fmt.Errorf("cannot wait for a pipe: %w", err)
		}
	}
	k.marks++
	p.mark = k.marks
	k.pipes = append(k.pipes, p)
	return nil
}

func (k *sink) closePipe(epoll *poller.Poller, p *pipe) {
	epoll.Remove(p.fd)
	unix.Close(p.fd)
	p.fd = -1
	k.pipes = slices.DeleteFunc(k.pipes, func(other *pipe) bool { return other == p })
}

// closeAll gives up whatever is left.
func (k *sink) closeAll(epoll *poller.Poller) {
	k.fileMu.Lock()
	defer k.fileMu.Unlock()
	for _, p := range slices.Clone(k.pipes) {
		k.closePipe(epoll, p)
	}
	k.closeFiles()
}

// moveOnce takes one chunk from a pipe to the file.
func (k *sink) moveOnce(s *Store, p *pipe, buf []byte) outcome {
	if p.fd < 0 || k.pending != nil {
		return outcome{}
	}
	if s.troubled.Load() > 0 {
		buf = buf[:troubledRead]
	}
	n, err := readPipe(p.fd, buf)
	if err == unix.EAGAIN {
		return outcome{}
	}
	if err != nil || n == 0 {
		k.closePipe(s.epoll, p)
		return outcome{ended: true}
	}
	s.echo.add(p, buf[:n])
	written, opened, err := k.write(s, p.mark, buf[:n])
	o := outcome{moved: n, opened: opened}
	if err != nil {
		o.trouble = k.stall(s, p.mark, buf[written:n], err)
	}
	return o
}

// drainPipe takes what is in a pipe now, and sees whether it has ended.
func (k *sink) drainPipe(s *Store, p *pipe, buf []byte) outcome {
	var total outcome
	held, err := unix.IoctlGetInt(p.fd, unix.TIOCINQ)
	if err != nil {
		held = 0
	}
	// One read more than the bytes need tells the end of the pipe.
	for left := held + 1; left > 0; {
		o := k.moveOnce(s, p, buf)
		total.moved += o.moved
		total.trouble = total.trouble.then(o.trouble)
		total.ended = o.ended
		if o.moved == 0 {
			break
		}
		left -= o.moved
	}
	return total
}

// write notes the time of data and appends it to the log file. It returns how
// much was written.
func (k *sink) write(s *Store, mark uint32, data []byte) (n int, opened bool, err error) {
	if k.file < 0 {
		if err := k.openFile(); err != nil {
			return 0, false, err
		}
		opened = true
	}
	arrived := time.Now()
	// The record comes first, so that nobody sees bytes with an old time; if the
	// bytes fail to follow, a later record for their offset replaces it.
	k.note(s, record{offset: k.end, time: arrived.UnixNano(), length: uint32(len(data)), mark: mark}, arrived)
	n, err = writeAll(k.file, data)
	k.end += int64(n)
	if err != nil {
		err = fmt.Errorf("cannot write %s: %w", filepath.Join(k.folder, currentName), err)
	}
	return n, opened, err
}

// openFile opens the log file, which may be another one than before, or the
// same one truncated: then the index begins anew.
func (k *sink) openFile() error {
	path := filepath.Join(k.folder, currentName)
	fd, err := openAppend(path)
	if err == unix.ENOENT {
		if err := os.MkdirAll(k.folder, 0o700); err != nil {
			return fmt.Errorf("cannot make a log folder: %w", err)
		}
		fd, err = openAppend(path)
	}
	if err != nil {
		return fmt.Errorf("cannot open %s: %w", path, err)
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil || stat.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return fmt.Errorf("cannot open %s: not a regular file", path)
	}
	k.file = fd
	if stat.Ino != k.inode || stat.Size != k.end {
		k.inode, k.end = stat.Ino, stat.Size
		k.notedAt = time.Time{}
		resetTimes(filepath.Join(k.folder, timesName), k.end)
	}
	return nil
}

// note adds an index record for bytes about to be written, unless the last one
// tells their time well enough. A record that cannot be written is left out.
func (k *sink) note(s *Store, r record, arrived time.Time) {
	alone := s.moved.Swap(k) == k
	if alone && r.mark == k.notedMark && !k.notedAt.IsZero() && arrived.Sub(k.notedAt) < notedFor {
		return
	}
	if k.times < 0 {
		fd, err := openTimes(filepath.Join(k.folder, timesName))
		if err != nil {
			return
		}
		k.times = fd
	}
	if n, err := writeAll(k.times, r.encode()); err != nil || n < recordSize {
		// What was written of it is cut off when the index is opened again.
		unix.Close(k.times)
		k.times = -1
		return
	}
	k.notedAt, k.notedMark = arrived, r.mark
}

func (k *sink) closeFiles() {
	for _, fd := range []*int{&k.file, &k.times} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
}

// stall keeps what could not be written and stops reading the pipes.
func (k *sink) stall(s *Store, mark uint32, rest []byte, err error) trouble {
	k.pending, k.pendingMark = bytes.Clone(rest), mark
	k.retryDelay = retryDelayMin
	k.closeFiles()
	for _, p := range k.pipes {
		s.epoll.Remove(p.fd)
	}
	s.troubled.Add(1)
	return trouble{retryAfter: k.retryDelay, changed: true, err: err}
}

// retry writes what could not be written before. If that works the pipes are
// read again.
func (k *sink) retry(s *Store) trouble {
	if k.pending == nil {
		return trouble{}
	}
	n, _, err := k.write(s, k.pendingMark, k.pending)
	if err != nil {
		k.pending = k.pending[n:]
		k.closeFiles()
		k.retryDelay = min(2*k.retryDelay, retryDelayMax)
		return trouble{retryAfter: k.retryDelay}
	}
	k.pending = nil
	for _, p := range k.pipes {
		// This fails only where memory has run out, and Drain reads it still.
		s.epoll.Add(p.fd, p.number)
	}
	s.troubled.Add(-1)
	return trouble{changed: true}
}
