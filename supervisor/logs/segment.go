package logs

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// segment is one file of an output. Their numbers count up, so that the highest
// is the one that is being written; the numbers of the two streams of a process
// have nothing to do with each other.
type segment struct {
	seq        uint64
	stream     string // outStream or errStream
	compressed bool
}

// The streams of a process, by the suffix of their files.
const (
	outStream = "log" // stdout, and stderr too unless the log is split
	errStream = "err"
)

const (
	gzSuffix    = ".gz"
	timesSuffix = ".times"
)

// plainName is the name of the file before it is compressed.
func (g segment) plainName() string { return fmt.Sprintf("%09d.%s", g.seq, g.stream) }

// gzName is the name of the file once it is compressed.
func (g segment) gzName() string { return g.plainName() + gzSuffix }

// timesName is the name of its index, compressed or not.
func (g segment) timesName() string { return g.plainName() + timesSuffix }

// parseSegment reads the name of a file; false: it is not that of a segment.
func parseSegment(name string) (segment, bool) {
	g := segment{}
	name, g.compressed = strings.CutSuffix(name, gzSuffix)
	digits, stream, _ := strings.Cut(name, ".")
	seq, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || stream != outStream && stream != errStream {
		return segment{}, false
	}
	g.seq, g.stream = seq, stream
	return g, g.plainName() == name && seq > 0
}

// segments lists the files of both streams in a process's folder, the oldest
// first. Of one that is there compressed and plain it lists the plain one.
func segments(folder string) ([]segment, error) {
	dir, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var found []segment
	for _, name := range names {
		if g, ok := parseSegment(name); ok {
			found = append(found, g)
		}
	}
	slices.SortFunc(found, func(a, b segment) int {
		plainFirst := 0
		if a.compressed != b.compressed {
			plainFirst = -1
			if a.compressed {
				plainFirst = 1
			}
		}
		return cmp.Or(cmp.Compare(a.stream, b.stream), cmp.Compare(a.seq, b.seq), plainFirst)
	})
	return slices.CompactFunc(found, func(a, b segment) bool { return a.stream == b.stream && a.seq == b.seq }), nil
}
