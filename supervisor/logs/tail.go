package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"time"
)

// tailBlock is how much is read at once on the way back from the end.
const tailBlock = 64 << 10

// tail looks for the beginning of the last lines of a chain, from its end on, so
// that it costs nothing for what lies before.
type tail struct {
	*chain
	left  int   // line ends still to be found
	bytes int64 // how far back it looks at most
	inner bool  // there are bytes behind: an end of line separates two lines
}

// seekLast makes the chain begin so far back that at least so many lines follow,
// or at its beginning. A line longer than LineMax counts for each started LineMax
// here, so that a file without newlines is not read as a whole.
func (c *chain) seekLast(lines int) error {
	if len(c.listed) == 0 {
		return nil
	}
	t := tail{chain: c, left: lines, bytes: min(int64(lines), math.MaxInt64/LineMax) * LineMax}
	for i := len(c.listed) - 1; i >= 0; i-- {
		g := c.listed[i]
		offset, found, err := t.search(g)
		if err != nil && !gone(err) && !unpackFault(err) {
			return fmt.Errorf("cannot read the output in %s: %w", c.folder, err)
		}
		if found || i == 0 {
			c.seek(g, offset, 0)
			return nil
		}
	}
	return nil
}

// search looks through one segment; with found the lines begin at the offset,
// else not behind its beginning.
func (t *tail) search(g segment) (offset int64, found bool, err error) {
	file, size, err := openRegular(filepath.Join(t.folder, g.plainName()))
	if err != nil {
		return t.searchPacked(filepath.Join(t.folder, g.gzName()))
	}
	defer file.Close()
	if newest, _ := t.newest(); newest == g {
		size = min(size, t.size)
	}
	if t.left <= 0 {
		return size, true, nil
	}
	floor := firstData(file, size)
	block := make([]byte, min(tailBlock, max(0, size-floor)))
	for at := size; at > floor; {
		b := block[:min(int64(len(block)), at-floor, t.bytes)]
		at -= int64(len(b))
		if n, err := file.ReadAt(b, at); n < len(b) && !errors.Is(err, io.EOF) {
			return 0, false, err
		}
		if i, found := t.backwards(b); found {
			return at + int64(i), true, nil
		}
		if t.bytes -= int64(len(b)); t.bytes <= 0 {
			return at, true, nil
		}
	}
	return 0, false, nil
}

// backwards looks for the beginning of the lines in the bytes before those that
// it saw last.
func (t *tail) backwards(b []byte) (start int, found bool) {
	end := len(b)
	if !t.inner && end > 0 {
		t.inner = true
		end-- // it ends the last line and separates nothing
	}
	for i := bytes.LastIndexByte(b[:end], '\n'); i >= 0; i = bytes.LastIndexByte(b[:i], '\n') {
		if t.left--; t.left == 0 {
			return i + 1, true
		}
	}
	return 0, false
}

// searchPacked is search in a compressed file. That is read forwards: once to
// count its lines and, if they are enough, once more up to the place.
func (t *tail) searchPacked(path string) (offset int64, found bool, err error) {
	all, err := countEnds(path, math.MaxInt)
	if err != nil {
		return 0, false, err
	}
	if !t.inner && all.size > 0 {
		t.inner = true
		if all.closed {
			all.ends-- // the last one separates nothing
		}
	}
	switch {
	case t.left <= 0:
		return all.size, true, nil
	case all.ends >= t.left:
		before, err := countEnds(path, all.ends-t.left+1)
		return before.size, true, err
	}
	t.left -= all.ends
	t.bytes -= all.size
	return 0, t.bytes <= 0, nil
}

// ends is how many ends of lines are in so many bytes of a file.
type ends struct {
	ends   int
	size   int64
	closed bool // the last byte is one
}

// countEnds counts in a compressed file, up to behind the last of so many ends
// or, if there are fewer, to the end.
func countEnds(path string, most int) (e ends, err error) {
	u, err := newUnpacker(path)
	if err != nil {
		return e, err
	}
	block := make([]byte, tailBlock)
	for {
		n, err := u.readAt(block, u.at)
		for b := block[:n]; len(b) > 0; {
			i := bytes.IndexByte(b, '\n')
			if e.closed = i >= 0; !e.closed {
				e.size += int64(len(b))
				break
			}
			e.size += int64(i + 1)
			if e.ends++; e.ends == most {
				return e, nil
			}
			b = b[i+1:]
		}
		if errors.Is(err, io.EOF) {
			return e, nil
		}
		if err != nil {
			return e, err
		}
	}
}

// seekSince makes the chain begin at or before the first byte that arrived at a
// time or later; where the clock was set back, near by.
func (c *chain) seekSince(since time.Time) {
	for i := len(c.listed) - 1; i >= 0; i-- {
		g := c.listed[i]
		times := newTimeline(c.folder, g, 0, 0)
		if i > 0 && !times.began().Before(since) {
			continue
		}
		last, _, found := times.before(func(r record) bool { return r.time < since.UnixNano() })
		// One byte more, which is older for certain: the record itself may speak of
		// none, and a line that began before it is to be known as one.
		if found && last.offset == 0 && i > 0 {
			continue
		}
		c.seek(g, max(0, last.offset-1), 0)
		return
	}
}
