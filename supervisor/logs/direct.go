package logs

import (
	"fmt"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"coppice/configs"
)

// lookAfter is how often a file that a child writes itself is looked at.
const lookAfter = time.Second

// blockBytes is the unit in which a file's front is given back: that of all file
// systems that can.
const blockBytes = 4 << 10

// beginDirect opens the file that a new incarnation writes itself. It goes on in
// the same file, unless that is full and nobody writes to it.
func (s *Store) beginDirect(p Pipe, how configs.Log) (*os.File, error) {
	k := s.sink(p.Name, p.Stream)
	k.fileMu.Lock()
	defer k.fileMu.Unlock()
	k.keepAs(how)
	defer k.closeFiles()
	err := k.openFile(s)
	if err == nil && k.live.end > k.how.MaxSize {
		k.closeFiles() // it is not this process that is asked for
		if !writtenBy(k.path(k.live.segment)) {
			k.rotate(s, time.Now())
		}
		err = k.openFile(s)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot capture the output of %s: %w", p.Name, err)
	}
	k.arrived(p.Mark, time.Now())
	// The child gets a description of its own: it blocks, and cannot read.
	path := k.path(k.live.segment)
	fd, err := openFile(path, unix.O_WRONLY|unix.O_APPEND)
	if err == nil {
		err = unix.SetNonblock(fd, false)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", path, err)
	}
	s.plan(k, punching, time.Now().Add(lookAfter))
	return os.NewFile(uintptr(fd), path), nil
}

// Watch goes on keeping the files small that a child of an earlier daemon writes
// itself (mode direct), until nobody writes to them any more.
func (s *Store) Watch(name string, how configs.Log) {
	if !legalName(name) || !how.Direct {
		return
	}
	streams := []string{outStream}
	if how.Split {
		streams = append(streams, errStream)
	}
	for _, stream := range streams {
		k := s.sink(name, stream)
		k.fileMu.Lock()
		k.keepAs(how)
		k.fileMu.Unlock()
		s.plan(k, punching, time.Now())
	}
}

// look looks at a file that a child writes itself: its front is given back, its
// followers are told, and when nobody writes to it any more it is left alone.
func (s *Store) look(k *sink) {
	k.fileMu.Lock()
	grown, written := k.punch(s)
	k.fileMu.Unlock()
	if grown != 0 {
		s.followers.poke(k.name)
	}
	if written {
		s.plan(k, punching, time.Now().Add(lookAfter))
	}
}

// kept is how many bytes of a stream that a child writes itself are kept.
func (k *sink) kept() int64 {
	if k.how.MaxSize > math.MaxInt64/int64(k.how.MaxFiles) {
		return math.MaxInt64
	}
	return k.how.MaxSize * int64(k.how.MaxFiles)
}

// punch gives back the front of the live file as far as it is not to be kept. It
// tells how much the file has grown, and whether somebody writes to it.
func (k *sink) punch(s *Store) (grown int64, written bool) {
	if !k.how.Direct {
		return 0, false
	}
	if !k.live.settled && k.settle(s) != nil {
		return 0, true // it is looked at again
	}
	if k.live.seq == 0 {
		return 0, false
	}
	path := k.path(k.live.segment)
	written = writtenBy(path)
	fd, err := openFile(path, unix.O_WRONLY)
	if err != nil {
		return 0, false
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil || stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return 0, false
	}
	grown = stat.Size - k.live.end
	k.live.inode, k.live.end = stat.Ino, stat.Size
	s.janitor.stored(max(grown, 0))
	if front := (stat.Size - k.kept()) / blockBytes * blockBytes; front > 0 {
		// Where this is not possible the file is kept whole.
		_ = unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, front)
	}
	return grown, written
}
