package logs

import (
	"bytes"
	"path/filepath"
	"time"
	"unicode/utf8"
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
