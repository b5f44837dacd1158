package logs

import (
	"bytes"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// LineMax is the length in bytes at which a line is split into several Lines.
const LineMax = 64 << 10

// source reads one process's log file forwards, piece by piece. It keeps no
// descriptor: it opens the file for each block, so that a view of ten thousand
// files needs one at a time.
type source struct {
	name   string
	folder string
	raw    bool
	step   int // how many bytes are read at once

	file  identity
	limit int64  // it reads no further than this
	start int64  // offset in the file of what buf begins with
	buf   []byte // read and not yet taken, a part of block
	block []byte
	times *timeline

	head Line // the piece that is next, for the merge
	// whole says that head ends where a line of the file ends, or the file does.
	whole bool
	order int // among sources, to settle equal times
}

// newSource looks at a log file as it is now. One that is not there is an empty
// one.
func newSource(dir, name string, q Query, step int) *source {
	c := &source{name: name, folder: filepath.Join(dir, name), raw: q.Raw, step: step}
	c.file, c.limit = identify(c.path())
	return c
}

func (c *source) path() string { return filepath.Join(c.folder, currentName) }

// seek sets where reading begins.
func (c *source) seek(offset int64) {
	c.start, c.buf = offset, c.buf[:0]
	c.times = newTimeline(c.folder, offset)
}

// refresh lets the source read what was written since it last looked. A file
// that was replaced or truncated is read from its beginning, unless it has grown
// beyond its old length since it was truncated: that cannot be seen.
func (c *source) refresh() {
	file, size := identify(c.path())
	if file != c.file || size < c.start+int64(len(c.buf)) {
		c.file = file
		c.seek(0)
	}
	c.limit = size
	c.times.refresh()
}

// next puts the next piece into head; false: there is none. A line that has no
// end yet is a piece only when final says that no more is to be waited for. The
// bytes of head are good until the next call.
func (c *source) next(final bool) bool {
	n, end := c.piece()
	if n == 0 || end == openEnd && !final && !c.raw {
		return false
	}
	c.head = Line{Time: c.times.at(c.start).when(), Name: c.name, Bytes: c.buf[:n], Part: end == openEnd || end == cutEnd}
	c.whole = end == lineEnd || end == openEnd
	if c.raw {
		c.head.Part = false
	} else if end == lineEnd {
		c.head.Bytes = c.buf[:n-1]
	}
	c.start += int64(n)
	c.buf = c.buf[n:]
	return true
}

// ending says where a piece ends.
type ending uint8

const (
	openEnd  ending = iota // at the end of what there is
	lineEnd                // behind a newline
	cutEnd                 // at LineMax
	otherEnd               // where another incarnation begins
)

// piece finds how long the next piece at the front of buf is, newline included.
func (c *source) piece() (n int, end ending) {
	n, end = c.scan()
	if c.raw || n == 0 {
		return n, end
	}
	c.times.at(c.start)
	if change := c.times.change(c.start + int64(n)); change < c.start+int64(n) {
		return int(change - c.start), otherEnd
	}
	return n, end
}

// scan is piece without regard to incarnations. It reads until it knows.
func (c *source) scan() (n int, end ending) {
	searched := 0
	for {
		if !c.raw {
			newline := bytes.IndexByte(c.buf[searched:min(len(c.buf), LineMax)], '\n')
			if newline >= 0 {
				return searched + newline + 1, lineEnd
			}
		}
		if len(c.buf) >= LineMax {
			return LineMax, cutEnd
		}
		searched = len(c.buf)
		if !c.fill() {
			return searched, openEnd
		}
	}
}

// fill reads the next block behind buf; false: the limit is reached.
func (c *source) fill() bool {
	position := c.start + int64(len(c.buf))
	want := min(int64(c.step), c.limit-position)
	if want <= 0 {
		return false
	}
	file, _, err := openRegular(c.path())
	if err != nil {
		return false
	}
	defer file.Close()
	// What is left moves to the front of the block; head is done with by now.
	if need := len(c.buf) + int(want); cap(c.block) < need {
		c.block = append(make([]byte, 0, max(2*len(c.buf), need)), c.buf...)
	} else {
		c.block = append(c.block[:0], c.buf...)
	}
	held := len(c.block)
	n, _ := file.ReadAt(c.block[held:held+int(want)], position)
	c.buf = c.block[:held+n]
	return n > 0
}

// identity tells a file from those that had its path before it. An inode number
// alone does not: it is given again at once.
type identity struct {
	inode      uint64
	bornSecond int64
	bornNano   uint32
}

// identify tells which file is at a path, and its length; the zero identity is no
// regular file.
func identify(path string) (identity, int64) {
	const mask = unix.STATX_TYPE | unix.STATX_INO | unix.STATX_SIZE | unix.STATX_BTIME
	var stat unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, mask, &stat)
	if err != nil || stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return identity{}, 0
	}
	// A file system without birth times leaves them 0.
	return identity{inode: stat.Ino, bornSecond: stat.Btime.Sec, bornNano: stat.Btime.Nsec}, int64(stat.Size)
}

// seekLast sets the source to the last so many lines of its file and returns how
// many there are. It reads backwards from the end and so costs nothing for what
// lies before. A line longer than LineMax counts for each started LineMax here,
// so that a file without newlines is not read as a whole.
func (c *source) seekLast(lines int) (found int) {
	start, found := lastLines(c.path(), c.limit, lines)
	c.seek(start)
	return found
}

// lastLines finds where the last lines of a file of the given length begin.
func lastLines(path string, size int64, lines int) (start int64, found int) {
	file, _, err := openRegular(path)
	if err != nil || lines <= 0 || size == 0 {
		if err == nil {
			file.Close()
		}
		return size, 0
	}
	defer file.Close()
	buf := chunks.Get().(*chunk)
	defer chunks.Put(buf)

	// An end of line is that of the line before it: the file's last byte ends
	// the last line and separates nothing.
	bound := max(0, size-1-min(int64(lines), size)*LineMax)
	for at := size - 1; at > bound; {
		block := buf[:min(int64(len(buf)), at-bound)]
		at -= int64(len(block))
		if n, _ := file.ReadAt(block, at); n < len(block) {
			return size, 0
		}
		for i := bytes.LastIndexByte(block, '\n'); i >= 0; i = bytes.LastIndexByte(block[:i], '\n') {
			if found++; found == lines {
				return at + int64(i) + 1, found
			}
		}
	}
	return bound, found + 1
}
