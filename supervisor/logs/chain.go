package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// chain reads the bytes of one output: its files one after the other, as if they
// were one. A place in it is counted from where reading began, so only
// differences of places mean something outside of it.
//
// Files may be begun, compressed, emptied at the front and removed while it
// reads. It opens a file for each block and keeps no descriptor, so that a view
// of ten thousand chains needs one at a time.
type chain struct {
	folder, stream string
	unpackers      *unpackers

	listed []segment // the files as they were when last looked at, oldest first
	file   identity  // of the newest of them, zero for a compressed one
	size   int64     // its length then: it is read no further

	parts []part // where the bytes that are wanted lie; the last one is read on
	end   int64  // the place behind the last byte that was read
	begun bool   // something was read, so that what is missing is missed
	gaps  []gap  // what is missing, not yet taken

	unpack  *unpacker
	cutting bool  // what is read is thrown away up to the end of the line
	lost    int64 // bytes that were passed over since the last one that was read
}

// part is a piece of a segment that was read without a gap.
type part struct {
	segment
	from  int64 // the place of its first byte
	base  int64 // the place that the segment's own first byte has or would have
	size  int64 // the segment's length when it was last read, -1 when it is not known
	times *timeline
}

// gap is a place at which something is missing.
type gap struct {
	place int64
	bytes int64
	files int // removed or unreadable ones, of unknown length
}

// last is the part that is read on. There is one from the first seek on that
// found a file.
func (c *chain) last() *part { return &c.parts[len(c.parts)-1] }

// look takes over which files there are, of both streams.
func (c *chain) look(all []segment) {
	c.listed = c.listed[:0]
	for _, g := range all {
		if g.stream == c.stream {
			c.listed = append(c.listed, g)
		}
	}
	c.file, c.size = identity{}, 0
	if newest, ok := c.newest(); ok && !newest.compressed {
		c.file, c.size = identify(filepath.Join(c.folder, newest.plainName()))
		if c.file == (identity{}) { // compressed since it was listed
			c.size = math.MaxInt64
		}
	}
}

func (c *chain) newest() (segment, bool) {
	if len(c.listed) == 0 {
		return segment{}, false
	}
	return c.listed[len(c.listed)-1], true
}

// refresh lets the chain read what was written until a look at its files. A newest
// file that was replaced or truncated is read from its beginning, unless it has
// grown beyond its old length since it was truncated: that cannot be seen.
func (c *chain) refresh(all []segment) {
	before, known := c.newest()
	file, oldest := c.file, uint64(0)
	if known {
		oldest = c.listed[0].seq
	}
	c.look(all)
	newest, some := c.newest()
	switch {
	case !some:
		return
	case len(c.parts) == 0:
		c.seek(c.listed[0], 0, 0)
	case oldest > newest.seq:
		c.restart(c.listed[0]) // all was removed, and the numbers begin anew
	case c.last().seq != newest.seq || newest.compressed:
	case c.size < c.end-c.last().base,
		known && before.seq == newest.seq && file != (identity{}) && file != c.file:
		c.restart(newest)
	}
	for _, p := range c.parts {
		p.times.refresh()
	}
}

// seek makes reading go on at an offset of a segment.
func (c *chain) seek(g segment, offset int64, told int) {
	c.drop()
	c.begun, c.cutting, c.lost, c.gaps = false, false, 0, nil
	c.end = offset
	times := newTimeline(c.folder, g, offset, told)
	c.parts = append(c.parts[:0], part{segment: g, from: offset, size: -1, times: times})
}

// restart makes what is read next the beginning of a file that does not continue
// what was read.
func (c *chain) restart(g segment) {
	c.gaps = append(c.gaps, gap{place: c.end})
	c.enter(g, 0)
	c.last().size = -1
}

// enter makes what is read next that of an offset of a segment.
func (c *chain) enter(g segment, offset int64) {
	size := c.last().size
	if c.last().seq != g.seq {
		c.drop()
		c.cutting, size = false, -1
	}
	times := newTimeline(c.folder, g, offset, 0)
	c.parts = append(c.parts, part{segment: g, from: c.end, base: c.end - offset, size: size, times: times})
}

// drop gives up unpacking.
func (c *chain) drop() {
	c.unpackers.remove(c)
	c.unpack = nil
}

// fill reads up to want bytes behind buf and returns it longer; without any more
// there are none for now.
func (c *chain) fill(buf []byte, want int) ([]byte, error) {
	for len(c.parts) > 0 {
		n, err := c.read(buf[len(buf) : len(buf)+want])
		switch {
		case err != nil && !gone(err) && !unpackFault(err):
			return buf, fmt.Errorf("cannot read the output in %s: %w", c.folder, err)
		case n > 0:
			if fresh := c.cut(buf[len(buf) : len(buf)+n]); len(fresh) > 0 {
				return c.accept(buf, fresh), nil
			}
		case !c.advance(err):
			return buf, nil
		}
	}
	return buf, nil
}

// accept appends what was read, which lies behind the end of buf already.
func (c *chain) accept(buf, fresh []byte) []byte {
	c.tell(0)
	c.begun = true
	c.end += int64(len(fresh))
	return append(buf, fresh...)
}

// tell notes what was passed over.
func (c *chain) tell(files int) {
	if c.begun && (c.lost > 0 || files > 0) {
		c.gaps = append(c.gaps, gap{c.end, c.lost, files})
	}
	c.lost = 0
}

// cut throws away what is left of a line that is missing its beginning.
func (c *chain) cut(fresh []byte) []byte {
	if !c.cutting {
		return fresh
	}
	skipped := bytes.IndexByte(fresh, '\n') + 1
	if c.cutting = skipped == 0; c.cutting {
		skipped = len(fresh)
	}
	c.skip(int64(skipped))
	return fresh[skipped:]
}

// skip passes over bytes of the segment.
func (c *chain) skip(bytes int64) {
	p := *c.last()
	c.lost += bytes
	c.enter(p.segment, c.end-p.base+bytes)
	if p.from == c.end { // nothing of it was read
		c.parts = slices.Delete(c.parts, len(c.parts)-2, len(c.parts)-1)
	}
}

// read reads what comes next of the last part's segment; nothing, at its end. A
// plain file that is gone has become a compressed one, or was removed.
func (c *chain) read(b []byte) (int, error) {
	p := c.last()
	offset := c.end - p.base
	if c.unpack == nil {
		n, err := c.readPlain(p, b, offset)
		if !errors.Is(err, os.ErrNotExist) {
			return n, err
		}
		unpack, err := newUnpacker(filepath.Join(c.folder, p.gzName()))
		if err != nil {
			return 0, err
		}
		p.size = -1
		c.unpackers.add(c)
		c.unpack = unpack
	}
	n, err := c.unpack.readAt(b, offset)
	if n > 0 || err == io.EOF {
		err = nil
	}
	return n, err
}

// readPlain reads from a file that is not compressed. Where its front was
// emptied meanwhile (its owner keeps only the end of it) reading goes on behind
// that, at the next line.
func (c *chain) readPlain(p *part, b []byte, offset int64) (int, error) {
	if newest, _ := c.newest(); newest.seq == p.seq {
		if b = b[:min(int64(len(b)), max(0, c.size-offset))]; len(b) == 0 {
			return 0, nil
		}
	}
	file, size, err := openRegular(filepath.Join(c.folder, p.plainName()))
	if err != nil {
		return 0, err
	}
	defer file.Close()
	p.size = size
	n, err := file.ReadAt(b, offset)
	if err != nil && err != io.EOF {
		return 0, err
	}
	// Asked after the reading, so that no zeros of a hole are taken for text.
	if data := firstData(file, size); data > offset {
		c.skip(data - offset)
		c.cutting = true
		return c.readPlain(c.last(), b, data)
	}
	return n, nil
}

// firstData is the offset of a file's first byte that was not given back to the
// file system.
func firstData(file *os.File, size int64) int64 {
	data, err := unix.Seek(int(file.Fd()), 0, unix.SEEK_DATA)
	switch {
	case err == unix.ENXIO:
		return size
	case err != nil:
		return 0
	}
	return data
}

// advance goes on to the next file; false: there is none. Only a file that a
// later one follows is complete, and the list of files is older than what was
// read: nothing is written to it any more.
func (c *chain) advance(fault error) bool {
	at := *c.last()
	newest, some := c.newest()
	if some && fault != nil && at.size < 0 && newest.seq < at.seq && c.listed[0].seq == 1 {
		at.seq = 0 // all was removed, and the numbers begin anew
	}
	for _, g := range c.listed {
		if g.seq <= at.seq {
			continue
		}
		missing := int(g.seq - at.seq - 1)
		c.begun = c.begun || unpackFault(fault) // that is told in any case
		switch {
		case fault == nil:
		case at.size < 0:
			missing++
		default:
			c.lost += max(0, at.size-(c.end-at.base))
		}
		c.enter(g, 0)
		c.tell(missing)
		return true
	}
	return false
}
