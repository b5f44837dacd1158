package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"strconv"
)

// census counts numbered lines in whatever a logger made of them: a line may have a prefix, be wrapped in JSON or
// end with CR.
type census struct {
	seen    []bool // by number
	there   int
	doubled int // lines that were there before
	strange int // lines without a number of the child's, such as a logger's own; an end of a line that was torn, too
}

// filler is what stands behind the number in a line; number is how many digits it has.
var filler = bytes.Repeat([]byte("x"), lineBytes-1-numberDigits)

const numberDigits = 10

func newCensus(lines int) *census { return &census{seen: make([]bool, lines)} }

func (c *census) lost() int { return len(c.seen) - c.there }

// readFiles reads files as one, for some loggers tear a line when they rotate, and its end begins the next file.
func (c *census) readFiles(paths []string) error {
	var all []io.Reader
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		all = append(all, f)
	}
	return c.read(io.MultiReader(all...))
}

func (c *census) read(r io.Reader) error {
	lines := bufio.NewReaderSize(r, 1<<20)
	for {
		line, err := lines.ReadSlice('\n')
		if len(line) > 0 && !errors.Is(err, bufio.ErrBufferFull) {
			c.line(line)
		}
		switch {
		case err == io.EOF:
			return nil
		case errors.Is(err, bufio.ErrBufferFull): // no line of a child is so long
			c.strange++
		case err != nil:
			return err
		}
	}
}

func (c *census) line(line []byte) {
	at := bytes.Index(line, filler)
	if at < numberDigits {
		c.strange++
		return
	}
	n, err := strconv.Atoi(string(line[at-numberDigits : at]))
	switch {
	case err != nil || n < 0 || n >= len(c.seen):
		c.strange++
	case c.seen[n]:
		c.doubled++
	default:
		c.seen[n] = true
		c.there++
	}
}
