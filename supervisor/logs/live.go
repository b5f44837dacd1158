package logs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"coppice/supervisor/crash"
)

// live is the file of a sink that is written: the one with the highest number.
type live struct {
	segment        // number 0: there is none yet
	last    uint64 // the highest number that was ever seen
	settled bool   // the folder was looked at

	file  int       // -1 while closed
	inode uint64    // of file when it was last open
	end   int64     // its length: where the next bytes go
	begun time.Time // when its first byte arrived, as far as it is known

	noNextBefore time.Time // a next file could not be made
}

// ready opens the file, and sees now and then that it is still what it was.
func (k *sink) ready(s *Store, look bool) error {
	if k.live.file >= 0 && look && !k.unchanged() {
		k.closeFiles()
	}
	if k.live.file >= 0 {
		return nil
	}
	return k.openFile(s)
}

// unchanged says that the open file still has its place and its length.
func (k *sink) unchanged() bool {
	var stat unix.Stat_t
	err := unix.Fstat(k.live.file, &stat)
	return err == nil && stat.Nlink > 0 && stat.Size == k.live.end
}

// openFile opens the live file. One that is gone, or that nobody can write, is
// followed by the next one: nothing is ever written a second time under a number.
func (k *sink) openFile(s *Store) error {
	if k.live.file >= 0 {
		return nil
	}
	if !k.live.settled {
		if err := k.settle(s); err != nil {
			return err
		}
	}
	if k.live.seq > 0 {
		err := k.openLive()
		if err == nil || !spoilt(err) {
			return err
		}
	}
	return k.next()
}

// spoilt says that a file is not one to write to, and will not be later.
func spoilt(err error) bool {
	for _, known := range []error{errNotRegular, unix.ENOENT, unix.ELOOP, unix.EISDIR, unix.ENXIO, unix.EPERM, unix.EACCES} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// openLive opens the file that is to be written on. If it is another one than
// before, or has another length, its index may have to begin anew.
func (k *sink) openLive() error {
	path := k.path(k.live.segment)
	fd, err := openFile(path, k.flags())
	if err != nil {
		return fmt.Errorf("cannot open %s: %w", path, err)
	}
	var stat unix.Stat_t
	if err = unix.Fstat(fd, &stat); err == nil && stat.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errNotRegular
	}
	if err != nil {
		unix.Close(fd)
		return fmt.Errorf("cannot open %s: %w", path, err)
	}
	k.live.file = fd
	k.point()
	if stat.Ino != k.live.inode || stat.Size != k.live.end {
		k.live.inode, k.live.end = stat.Ino, stat.Size
		k.note.at = time.Time{}
		resetTimes(k.timesPath(k.live.segment), k.live.end)
		k.live.begun = time.Time{}
		if k.how.MaxAge > 0 {
			k.live.begun = firstTime(path, k.timesPath(k.live.segment))
		}
	}
	return nil
}

// flags are how the live file is opened; for appending if a child writes it too.
func (k *sink) flags() int {
	if k.how.Direct {
		return unix.O_RDWR | unix.O_APPEND
	}
	return unix.O_RDWR
}

// next begins the file with the next number. The old one stays as it is, and is
// written on if this fails. A kill at any step leaves a good state: the file with
// the highest number is the one to be written.
func (k *sink) next() error {
	for {
		g := segment{seq: k.live.last + 1, stream: k.stream}
		os.Remove(k.timesPath(g)) // of a file that was deleted
		fd, err := openFile(k.path(g), k.flags()|unix.O_CREAT|unix.O_EXCL)
		if err == unix.ENOENT {
			if err := os.MkdirAll(k.folder(), 0o700); err != nil {
				return fmt.Errorf("cannot make a log folder: %w", err)
			}
			fd, err = openFile(k.path(g), k.flags()|unix.O_CREAT|unix.O_EXCL)
		}
		if err == unix.EEXIST {
			k.live.last++
			continue
		}
		if err != nil {
			return fmt.Errorf("cannot make %s: %w", k.path(g), err)
		}
		crash.Point("rotate.created")
		k.closeFiles()
		k.live = live{segment: g, last: g.seq, settled: true, file: fd}
		k.note.at = time.Time{}
		var stat unix.Stat_t
		if unix.Fstat(fd, &stat) == nil {
			k.live.inode = stat.Ino
		}
		k.point()
		crash.Point("rotate.pointed")
		return nil
	}
}

// pointer is the name under which people find a stream's live file.
func pointer(stream string) string {
	if stream == errStream {
		return "current.err"
	}
	return "current"
}

// point makes the pointer lead to the live file, if it can.
func (k *sink) point() {
	path := filepath.Join(k.folder(), pointer(k.stream))
	if target, err := os.Readlink(path); err == nil && target == k.live.plainName() {
		return
	}
	fresh := filepath.Join(k.folder(), "."+pointer(k.stream)+tmpSuffix)
	os.Remove(fresh)
	if os.Symlink(k.live.plainName(), fresh) == nil && os.Rename(fresh, path) != nil {
		os.Remove(fresh)
	}
}

// endsLine says that the file ends with a line, or is empty.
func (k *sink) endsLine() bool {
	var last [1]byte
	if k.live.end == 0 {
		return true
	}
	n, err := unix.Pread(k.live.file, last[:], k.live.end-1)
	return err == nil && n == 1 && last[0] == '\n'
}
