package logs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Query selects captured output.
type Query struct {
	// Names are the processes; none means all that have ever spoken. A name that
	// has not spoken has no output, which is no error.
	Names []string
	// Last selects only the last so many lines, of all names together; negative:
	// all. Notes about missing output do not count, and are not shown before the
	// first of those lines.
	Last int
	// Since selects only lines whose first byte arrived then or later; the zero
	// time: all. Output without times of arrival (mode "direct") is as old as its
	// file's last change.
	Since time.Time
	// Raw asks for every byte of exactly one name as it was written: its first
	// output or, with Stderr, the second one of a process whose log is split.
	Raw, Stderr bool
	// From are positions behind which reading goes on, at most one for each
	// output. Outputs without one are read from their beginning, and Last says
	// nothing.
	From []Position
	// Announce asks for a Line without time and text for each output that there is,
	// before the first other one, whose At is where the view begins, and for one
	// without a name behind them: with what comes later a caller knows at any time
	// where to go on, also in outputs that say nothing.
	Announce bool
}

// Line is one line of captured output, or a note about some that is missing.
type Line struct {
	// Time is when its first byte arrived; zero in an announcement.
	Time time.Time
	Name string
	// Stderr says that it comes from the second output of a process whose log is
	// split.
	Stderr bool
	// Incarnation counts the starts of the process: where it changes the process
	// was started again. 0: it is not known.
	Incarnation uint32
	// Bytes is the line without its newline or, with Raw, a chunk of up to
	// LineMax bytes. It is good only until emit returns.
	Bytes []byte
	// Part says that the line has no end here: it goes on in the next Line of
	// the output (a line is split at LineMax, and Follow shows one that has no end
	// after a while), or the output ends in it.
	Part bool
	// Dropped is how many bytes are missing here, as far as it is known: they were
	// thrown away while the disk was full, or before they were read. Files is how
	// many whole files, of lengths unknown, were removed before they were read, or
	// are damaged. A Line with one of them is a note and has no Bytes.
	Dropped int64
	Files   int
	// At is the position behind it.
	At Position
}

// note says that the line is one about missing output.
func (l *Line) note() bool { return l.Dropped > 0 || l.Files > 0 }

// Read calls emit for all captured output that the query selects and that is in
// the files now, merged in the order in which it arrived. It needs no Store, and
// it reads neither whole files nor, with Last, what lies far before the end. Files
// that are begun, compressed or removed meanwhile are no error. It ends with the
// first error of emit.
func Read(dir string, q Query, emit func(Line) error) error {
	v, err := newView(dir, q)
	if err != nil {
		return err
	}
	if err := v.begin(true); err != nil {
		return err
	}
	return v.first(true, emit)
}

// Split says whether a process has written a second output: its log is split, or
// was.
func Split(dir, name string) bool {
	listed, _ := segments(filepath.Join(dir, name))
	return slices.ContainsFunc(listed, func(g segment) bool { return g.stream == errStream })
}

// spoken lists the names that have a folder of their own.
func spoken(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot read the log folder: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() && legalName(entry.Name()) {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}
