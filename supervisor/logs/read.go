package logs

import (
	"container/heap"
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
	// all.
	Last int
	// Raw asks for every byte of exactly one name as it was written.
	Raw bool
}

// Line is one line of captured output.
type Line struct {
	// Time is when its first byte arrived.
	Time time.Time
	Name string
	// Bytes is the line without its newline or, with Raw, a chunk of up to
	// LineMax bytes. It is good only until emit returns.
	Bytes []byte
	// Part says that the line has no end here: it goes on in the next Line of
	// the name (a line is split at LineMax, and Follow shows one that has no end
	// after a while), or the file ends in it.
	Part bool
}

// Read calls emit for all captured output that the query selects and that is in
// the files now, merged in the order in which it arrived. It needs no Store, and
// it reads neither whole files nor, with Last, what lies far before the end. It
// ends with the first error of emit.
func Read(dir string, q Query, emit func(Line) error) error {
	v, err := newView(dir, q)
	if err != nil {
		return err
	}
	return v.merge(v.begin(), true, emit)
}

// manySources is the number of sources above which each of them reads in small
// steps, to keep the memory of a view flat.
const (
	manySources = 256
	stepLong    = 64 << 10
	stepShort   = 4 << 10
)

// view merges the output of several processes.
type view struct {
	dir     string
	query   Query
	sources map[string]*source
	skip    int // lines that are not shown: older than the last so many
}

func newView(dir string, q Query) (*view, error) {
	if q.Raw && len(q.Names) != 1 {
		return nil, fmt.Errorf("cannot read raw output of %d names: it must be one", len(q.Names))
	}
	for _, name := range q.Names {
		if !legalName(name) {
			return nil, fmt.Errorf("cannot read the output of %q: not a legal name", name)
		}
	}
	return &view{dir: dir, query: q, sources: map[string]*source{}}, nil
}

// begin finds the sources and where in each of them the view begins.
func (v *view) begin() []*source {
	names := v.query.Names
	if len(names) == 0 {
		names = spoken(v.dir)
	}
	for _, name := range names {
		v.sources[name] = newSource(v.dir, name, v.query, v.step(len(names)))
	}
	found := 0
	for _, c := range v.sources {
		if v.query.Last < 0 {
			c.seek(0)
		} else {
			found += c.seekLast(v.query.Last)
		}
	}
	if v.query.Last >= 0 {
		v.skip = max(0, found-v.query.Last)
	}
	return v.all()
}

func (v *view) step(sources int) int {
	if sources > manySources {
		return stepShort
	}
	return stepLong
}

// all returns the sources in the order of their names.
func (v *view) all() []*source {
	sources := make([]*source, 0, len(v.sources))
	for _, c := range v.sources {
		sources = append(sources, c)
	}
	slices.SortFunc(sources, func(a, b *source) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	for i, c := range sources {
		c.order = i
	}
	return sources
}

// merge emits what the sources have, the earliest first. With final a line
// without an end is shown too.
func (v *view) merge(sources []*source, final bool, emit func(Line) error) error {
	var heads heads
	for _, c := range sources {
		if c.next(final) {
			heads = append(heads, c)
		}
	}
	heap.Init(&heads)
	for len(heads) > 0 {
		c := heads[0]
		if v.shown(c) {
			if err := emit(c.head); err != nil {
				return err
			}
		}
		if c.next(final) {
			heap.Fix(&heads, 0)
		} else {
			heap.Pop(&heads)
		}
	}
	return nil
}

// shown says whether the source's head is to be shown, and counts the lines that
// are not. With Raw the one source begins at the right place.
func (v *view) shown(c *source) bool {
	if v.skip == 0 || v.query.Raw {
		return true
	}
	if c.whole {
		v.skip--
	}
	return false
}

// spoken lists the names that have a log file.
func spoken(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, entry := range entries {
		if !entry.IsDir() || !legalName(entry.Name()) {
			continue
		}
		if _, err := os.Lstat(filepath.Join(dir, entry.Name(), currentName)); err == nil {
			names = append(names, entry.Name())
		}
	}
	return names
}

// heads are the sources that have a piece, as a heap by its time.
type heads []*source

func (h heads) Len() int { return len(h) }
func (h heads) Less(i, j int) bool {
	if c := h[i].head.Time.Compare(h[j].head.Time); c != 0 {
		return c < 0
	}
	return h[i].order < h[j].order
}
func (h heads) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *heads) Push(x any)   { *h = append(*h, x.(*source)) }
func (h *heads) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
