package logs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tmpSuffix is that of files that are not complete.
const tmpSuffix = ".tmp"

// oldTimesName is the index of "current" when that was a file.
const oldTimesName = "current.times"

// settle looks at the folder before the first byte: which file is written on,
// and what a daemon that was killed has left.
func (k *sink) settle(s *Store) error {
	names, err := readNames(k.folder())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot look at the log folder: %w", err)
	}
	k.live = live{settled: true, file: -1, last: k.live.last}
	found, known := map[segment]bool{}, map[uint64]bool{}
	for _, name := range names {
		if g, ok := parseSegment(name); ok && g.stream == k.stream {
			found[g], known[g.seq] = true, true
			k.live.last = max(k.live.last, g.seq)
		}
	}
	s.janitor.shelfMu.Lock()
	for _, name := range names {
		k.sweep(name, known, s)
	}
	for g := range found {
		if g.compressed && found[segment{seq: g.seq, stream: g.stream}] {
			// It was renamed when it was whole: the kill came before the removal.
			os.Remove(k.path(g))
			delete(found, segment{seq: g.seq, stream: g.stream})
		}
	}
	s.janitor.shelfMu.Unlock()
	k.migrate()
	newest := segment{seq: k.live.last, stream: k.stream}
	if found[newest] && (k.how.Direct || !writtenBy(k.path(newest))) {
		k.live.segment = newest
	}
	k.age(s, time.Now())
	k.closeFiles()
	return nil
}

// sweep removes a file that a kill left incomplete, or without what it belongs to.
func (k *sink) sweep(name string, known map[uint64]bool, s *Store) {
	path := filepath.Join(k.folder(), name)
	if plain, ok := strings.CutSuffix(name, gzSuffix+tmpSuffix); ok {
		if g, ok := parseSegment(plain); ok && g.stream == k.stream && !s.janitor.busyWith(path) {
			os.Remove(path)
		}
	}
	if plain, ok := strings.CutSuffix(name, timesSuffix); ok {
		if g, ok := parseSegment(plain); ok && g.stream == k.stream && !known[g.seq] {
			os.Remove(path)
		}
	}
}

// migrate gives the file of an older layout the next number: it was written to
// under the name that is a pointer now.
func (k *sink) migrate() {
	old := filepath.Join(k.folder(), pointer(k.stream))
	if info, err := os.Lstat(old); err != nil || !info.Mode().IsRegular() {
		return
	}
	g := segment{seq: k.live.last + 1, stream: k.stream}
	if k.stream == outStream {
		os.Rename(filepath.Join(k.folder(), oldTimesName), k.timesPath(g))
	}
	if os.Rename(old, k.path(g)) == nil {
		k.live.last = g.seq
		k.live.segment = g
	}
}

// writtenBy says that somebody has a file open for writing: only then can it not
// be leased for reading (fcntl(2), F_SETLEASE). Where nothing can be leased it
// says no.
func writtenBy(path string) bool {
	file, _, err := openRegular(path)
	if err != nil {
		return false
	}
	defer file.Close()
	fd := file.Fd()
	if _, err = unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_RDLCK); err == nil {
		_, _ = unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_UNLCK) // it ends with the file too
	}
	return err == unix.EAGAIN
}

// readNames lists a folder.
func readNames(folder string) ([]string, error) {
	dir, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.Readdirnames(-1)
}
