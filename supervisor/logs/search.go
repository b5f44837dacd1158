package logs

import (
	"context"
	"errors"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
)

const (
	// matchMax is how many bytes of one line are looked at together: a match may
	// be as long, and a line as long as it likes.
	matchMax = 64 << 10
	// lineKept is how long a line may grow before only its last matchMax bytes
	// are looked at again.
	lineKept = 16 * matchMax
)

// Search looks for a line that fits a pattern, in what one incarnation has written
// to any of its outputs. It reads the files, behind where it was the last time: the
// bytes are where they belong already. All methods may be called by many
// goroutines at once; who comes second waits.
type Search struct {
	dir, name string
	mark      uint32
	pattern   *regexp.Regexp

	// searchMu guards what follows.
	searchMu sync.Mutex
	from     map[output]Position
	lines    map[output][]byte // as far as they have been read, without their ends
	found    bool
}

// Search begins to search what the incarnation writes that is the latest of a name.
// Nothing of it may be in the files yet: of what is there nothing is read.
func (s *Store) Search(name string, pattern *regexp.Regexp) *Search {
	f := s.newSearch(name, s.mark(name), pattern)
	// Where nothing can be read nothing was written, or the search tells.
	_ = Read(s.dir, Query{Names: []string{name}, Announce: true}, func(l Line) error {
		if l.Name != "" {
			f.from[output{l.Name, l.Stderr}] = l.At
		}
		return nil
	})
	return f
}

// SearchAll searches all that an incarnation has written so far, and what it will
// write. mark is that of its pipes; 0: it has none, and is the latest of its name.
func (s *Store) SearchAll(name string, mark uint32, pattern *regexp.Regexp) *Search {
	if mark == 0 {
		mark = s.mark(name)
	}
	f := s.newSearch(name, mark, pattern)
	listed, _ := segments(filepath.Join(s.dir, name)) // none: nothing was written
	for _, stream := range []string{outStream, errStream} {
		if seq, ok := f.beginsIn(listed, stream); ok {
			o := output{name, stream == errStream}
			f.from[o] = Position{Name: name, Stderr: o.stderr, Seq: seq}
		}
	}
	return f
}

func (s *Store) newSearch(name string, mark uint32, pattern *regexp.Regexp) *Search {
	return &Search{
		dir: s.dir, name: name, mark: mark, pattern: pattern,
		from: map[output]Position{}, lines: map[output][]byte{},
	}
}

// mark is that of the latest incarnation of a name.
func (s *Store) mark(name string) uint32 {
	s.sinksMu.Lock()
	latest := s.marks[name].latest
	s.sinksMu.Unlock()
	if latest > 0 {
		return latest
	}
	return lastMark(filepath.Join(s.dir, name))
}

// beginsIn is the file of a stream in which the incarnation begins: the newest that
// an earlier one has begun, else the oldest; false: there is none.
func (f *Search) beginsIn(listed []segment, stream string) (seq uint64, ok bool) {
	for _, g := range slices.Backward(listed) {
		if g.stream != stream {
			continue
		}
		seq, ok = g.seq, true
		if r, sound := firstRecord(filepath.Join(f.dir, f.name, g.timesName())); sound && r.mark < f.mark {
			break
		}
	}
	return seq, ok
}

// errFound ends the reading.
var errFound = errors.New("found")

// Found reads on, as far as there is something, and says whether a line fits. Once
// one does it reads nothing any more.
func (f *Search) Found(ctx context.Context) (bool, error) {
	f.searchMu.Lock()
	defer f.searchMu.Unlock()
	if f.found {
		return true, nil
	}
	q := Query{Names: []string{f.name}, Last: -1}
	for _, at := range f.from {
		q.From = append(q.From, at)
	}
	err := Read(f.dir, q, func(l Line) error {
		if l.Incarnation == f.mark && f.fits(l) {
			f.found = true
			return errFound
		}
		f.from[output{l.Name, l.Stderr}] = l.At
		return ctx.Err()
	})
	if err == errFound {
		return true, nil
	}
	return false, err
}

// fits says whether the pattern fits a line as far as it is known.
func (f *Search) fits(l Line) bool {
	o := output{l.Name, l.Stderr}
	line := append(f.lines[o], l.Bytes...)
	if f.pattern.Match(line) {
		return true
	}
	switch {
	case !l.Part:
		line = line[:0]
	case len(line) > lineKept:
		line = append(line[:0], line[len(line)-matchMax:]...)
	}
	f.lines[o] = line
	return false
}
