package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// lineBytesMax is the length of the longest line that is read or written: a
// state of a tree of a million processes would be shorter.
const lineBytesMax = 256 << 20

var (
	errLong = fmt.Errorf("it is longer than %d MiB", lineBytesMax>>20)
	errTorn = errors.New("it has no end")
)

// lines reads a file line by line, and no more of it into memory than the
// longest line.
type lines struct {
	in *bufio.Reader
	// at is where the line that next returned begins, end where it ends.
	at, end int64
	max     int
	long    []byte
}

func newLines(file io.Reader) *lines {
	return &lines{in: bufio.NewReaderSize(file, 256<<10), max: lineBytesMax}
}

// next returns a line without its newline, which is valid until the next call.
// It fails with io.EOF at the end, errTorn on a line that the file's end has cut
// off, and errLong on one that is passed over.
func (l *lines) next() ([]byte, error) {
	l.at = l.end
	l.long = l.long[:0]
	for tooLong := false; ; {
		part, err := l.in.ReadSlice('\n')
		l.end += int64(len(part))
		switch tooLong = tooLong || len(l.long)+len(part) > l.max; {
		case tooLong:
			l.long = nil
		case err == nil && len(l.long) == 0:
			return part[:len(part)-1], nil
		default:
			l.long = append(l.long, part...)
		}
		switch {
		case err == bufio.ErrBufferFull:
		case err == io.EOF && l.end == l.at:
			return nil, io.EOF
		case err == nil && !tooLong:
			return l.long[:len(l.long)-1], nil
		case tooLong && (err == nil || err == io.EOF):
			return nil, errLong
		case err == io.EOF:
			return nil, errTorn
		default:
			return nil, err
		}
	}
}
