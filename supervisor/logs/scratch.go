package logs

import (
	"bytes"
	"sync"

	"golang.org/x/sys/unix"
)

// scratch looks at what is in a pipe without taking it out: tee(2) into a pipe of
// its own, which is made when it is first needed.
type scratch struct {
	scratchMu   sync.Mutex
	made        bool
	read, write int
}

// peek copies the front of a pipe into buf and tells how much it is. What cannot
// be looked at is as good as empty.
func (c *scratch) peek(fd int, buf []byte) int {
	c.scratchMu.Lock()
	defer c.scratchMu.Unlock()
	if !c.made {
		var ends [2]int
		if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
			return 0
		}
		c.made, c.read, c.write = true, ends[0], ends[1]
	}
	teed, err := unix.Tee(fd, c.write, len(buf), unix.SPLICE_F_NONBLOCK)
	if err != nil {
		return 0
	}
	n := 0
	for n < int(teed) {
		got, err := readPipe(c.read, buf[n:teed])
		if err != nil || got == 0 {
			c.drop() // what is left in it must not be taken for another pipe's
			return 0
		}
		n += got
	}
	return n
}

// line tells how long the first line in a pipe is, newline included; 0: it has no
// end yet.
func (c *scratch) line(fd int, buf []byte) int {
	return bytes.IndexByte(buf[:c.peek(fd, buf)], '\n') + 1
}

func (c *scratch) close() {
	c.scratchMu.Lock()
	defer c.scratchMu.Unlock()
	c.drop()
}

func (c *scratch) drop() {
	if c.made {
		unix.Close(c.read)
		unix.Close(c.write)
		c.made = false
	}
}
