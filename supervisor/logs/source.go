package logs

import (
	"bytes"
	"path/filepath"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// LineMax is the length in bytes at which a line is split into several Lines.
const LineMax = 64 << 10

// output is what one process writes to one of its streams.
type output struct {
	name   string
	stderr bool // the second stream of a process whose log is split
}

// suffix is that of its files.
func (o output) suffix() string {
	if o.stderr {
		return errStream
	}
	return outStream
}

// source reads one output forwards, piece by piece.
type source struct {
	output
	chain
	raw  bool
	step int // how many bytes are read at once

	start int64  // the place of what buf begins with
	buf   []byte // read and not yet taken, a part of block
	block []byte
	told  int   // the notes told at toldAt
	tells int64 // the place of the last note about something thrown away

	head Line // the piece that is next, for the merge
	// whole says that head ends where a line ends or the output does, hidden that
	// head belongs to a line whose beginning is not shown.
	whole, hidden bool
	before        Position // where head begins
	order         int      // among sources, to settle equal times
}

// newSource looks at an output as it is now. One that is not there is an empty
// one.
func newSource(v *view, o output, listed []segment, step int) *source {
	c := &source{output: o, raw: v.query.Raw, step: step}
	c.chain = chain{folder: filepath.Join(v.dir, o.name), stream: o.suffix(), unpackers: &v.unpackers}
	c.look(listed)
	return c
}

// reset makes reading begin where the chain was set to.
func (c *source) reset() {
	c.start, c.buf = c.end, c.buf[:0]
	c.whole, c.hidden = true, false
	c.told, c.tells = 0, -1
	if len(c.parts) > 0 {
		c.before = c.position(c.start, true)
	} else {
		c.before = Position{Name: c.name, Stderr: c.stderr}
	}
}

// seekFrom makes reading go on at a position.
func (c *source) seekFrom(p Position) {
	c.seek(segment{seq: p.Seq, stream: c.stream}, p.Offset, p.Told)
	c.begun = true
	c.reset()
	c.told, c.tells = p.Told, c.start
	c.before = p
}

// position is the place as it is called outside: behind the byte before it or,
// with ahead, before the byte at it. They differ between two files.
func (c *source) position(place int64, ahead bool) Position {
	i := len(c.parts) - 1
	for i > 0 && (c.parts[i].from > place || c.parts[i].from == place && !ahead) {
		i--
	}
	p := Position{Name: c.name, Stderr: c.stderr, Seq: c.parts[i].seq, Offset: place - c.parts[i].base}
	if c.tells == place {
		p.Told = c.told
	}
	return p
}

// next puts the next piece into head; false: there is none. A line that has no
// end yet is a piece only when final says that no more is to be waited for. The
// bytes of head are good until the next call.
func (c *source) next(final bool) (bool, error) {
	n, end, err := c.piece() // before missing, which knows of what was read
	if err != nil || len(c.parts) == 0 {
		return false, err
	}
	if c.missing() {
		return true, nil
	}
	if n == 0 || end == openEnd && !final && !c.raw {
		return false, nil
	}
	r := c.at(c.start)
	c.hidden = c.hidden && !c.whole
	c.before = c.position(c.start, true)
	c.head = Line{Time: r.when(), Name: c.name, Stderr: c.stderr, Incarnation: r.mark, Bytes: c.buf[:n]}
	c.whole = end != cutEnd
	if !c.raw {
		c.head.Part = end == openEnd || end == cutEnd
		if end == lineEnd {
			c.head.Bytes = c.buf[:n-1]
		}
	}
	c.start += int64(n)
	c.buf = c.buf[n:]
	c.head.At = c.position(c.start, false)
	return true, nil
}

// at is the record for the byte at a place.
func (c *source) at(place int64) record {
	i := len(c.parts) - 1
	for i > 0 && c.parts[i].from > place {
		i--
	}
	return c.parts[i].times.at(place - c.parts[i].base)
}

// missing puts a note into head if something is missing at the place that is
// next, and lets go of the parts that are done with.
func (c *source) missing() bool {
	for {
		if len(c.gaps) > 0 && c.gaps[0].place <= c.start {
			g := c.gaps[0]
			c.gaps = c.gaps[1:]
			if g.bytes == 0 && g.files == 0 {
				continue // a torn line is cut there, and that is all
			}
			c.note(Line{Time: c.at(c.start).when(), Dropped: g.bytes, Files: g.files}, c.position(c.start, true))
			return true
		}
		p := &c.parts[0]
		offset := c.start - p.base
		if len(c.parts) > 1 {
			offset = min(offset, c.parts[1].from-p.base)
		}
		p.times.at(offset) // reads what is told of it
		if r, bytes, records := p.times.dropped(offset); records > 0 {
			if place := p.base + r.offset; place != c.tells {
				c.told, c.tells = 0, place
			}
			at := Position{Name: c.name, Stderr: c.stderr, Seq: p.seq, Offset: r.offset, Told: c.told}
			c.note(Line{Time: r.when(), Incarnation: r.mark, Dropped: bytes}, at)
			c.told += records
			c.head.At.Told = c.told
			return true
		}
		if len(c.parts) == 1 || c.parts[1].from > c.start {
			return false
		}
		c.parts = c.parts[1:]
		if c.tells == c.parts[0].from {
			c.tells = -1 // what is told at the end of a file is not told at the beginning of the next
		}
	}
}

// note puts a note at a position into head.
func (c *source) note(l Line, at Position) {
	l.Name, l.Stderr, l.At = c.name, c.stderr, at
	c.head, c.before = l, at
}

// ending says where a piece ends.
type ending uint8

const (
	openEnd  ending = iota // at the end of what there is
	lineEnd                // behind a newline
	cutEnd                 // at LineMax
	otherEnd               // where another incarnation begins, or something is missing
)

// piece finds how long the next piece at the front of buf is, newline included.
func (c *source) piece() (n int, end ending, err error) {
	n, end, err = c.scan()
	if n == 0 || err != nil {
		return n, end, err
	}
	to := c.start + int64(n)
	if end == openEnd {
		to++ // what is known to begin at the end ends the line, too
	}
	if change := c.change(to); change < to {
		return int(change - c.start), otherEnd, nil
	}
	return n, end, nil
}

// change is the first place behind the one that is next, and before to, at which
// something is missing or, unless the bytes are all that counts, another
// incarnation begins; to if there is none.
func (c *source) change(to int64) int64 {
	if c.raw {
		return to // bytes are shown as they are, and notes beside them
	}
	mark := c.at(c.start).mark // 0: it is not known
	for i := range c.parts {
		p := &c.parts[i]
		if i+1 < len(c.parts) && c.parts[i+1].from <= c.start || p.from >= to {
			continue
		}
		if place := c.changeIn(p, i, mark, to); place < to {
			return place
		}
	}
	for _, g := range c.gaps {
		if g.place > c.start {
			return min(to, g.place)
		}
	}
	return to
}

// changeIn is change within one part, its ends included: something may be missing
// at the beginning and at the end of a file.
func (c *source) changeIn(p *part, i int, mark uint32, to int64) int64 {
	from, bound := c.start, to-p.base
	if i+1 < len(c.parts) {
		bound = min(bound, c.parts[i+1].from-p.base+1)
	}
	if p.from > c.start {
		if next := p.times.at(p.from - p.base).mark; mark != 0 && next != 0 && next != mark {
			return p.from
		}
		from = p.from - 1
	}
	if change := p.times.change(from-p.base, bound); change < bound {
		return p.base + change
	}
	return to
}

// scan is piece without regard to incarnations. It reads until it knows.
func (c *source) scan() (n int, end ending, err error) {
	searched := 0
	for {
		if !c.raw {
			newline := bytes.IndexByte(c.buf[searched:min(len(c.buf), LineMax)], '\n')
			if newline >= 0 {
				return searched + newline + 1, lineEnd, nil
			}
		}
		if len(c.buf) >= LineMax {
			return c.cutAt(), cutEnd, nil
		}
		searched = len(c.buf)
		if more, err := c.fill(); !more {
			return searched, openEnd, err
		}
	}
}

// cutAt is LineMax, or a little less so that no character is split.
func (c *source) cutAt() int {
	for i := LineMax - 1; !c.raw && i > LineMax-utf8.UTFMax; i-- {
		if utf8.RuneStart(c.buf[i]) && !utf8.FullRune(c.buf[i:LineMax]) {
			return i
		}
	}
	return LineMax
}

// fill reads the next block behind buf; false: there is none for now.
func (c *source) fill() (bool, error) {
	// What is left moves to the front of the block; head is done with by now.
	if need := len(c.buf) + c.step; cap(c.block) < need {
		c.block = append(make([]byte, 0, max(2*len(c.buf), need)), c.buf...)
	} else {
		c.block = append(c.block[:0], c.buf...)
	}
	held := len(c.block)
	block, err := c.chain.fill(c.block, c.step)
	c.buf = block
	return len(block) > held, err
}

// pass goes to the first line that arrived at a time or later, where the bytes
// are what counts.
func (c *source) pass(since time.Time) error {
	if since.IsZero() {
		return nil
	}
	c.raw = false
	defer func() { c.raw = true }()
	for {
		more, err := c.next(true)
		if err != nil {
			return err
		}
		if !more || c.shows(since) && !c.head.note() {
			at := c.before
			if !more {
				at = c.position(c.start, false)
			}
			c.chain.seek(segment{seq: at.Seq, stream: c.stream}, at.Offset, at.Told)
			c.reset()
			return nil
		}
	}
}

// count is how many lines the source has from here on.
func (c *source) count(since time.Time, final bool) (lines int, err error) {
	for {
		more, err := c.next(final)
		if !more {
			return lines, err
		}
		if c.shows(since) && c.whole && !c.head.note() {
			lines++
		}
	}
}

// shows says whether head arrived late enough: a line when its first byte did.
func (c *source) shows(since time.Time) bool {
	if c.head.note() {
		return !c.head.Time.Before(since)
	}
	c.hidden = c.hidden || c.head.Time.Before(since)
	return !c.hidden
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
