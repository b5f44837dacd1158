package logs

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// manySources is the number of sources above which each of them reads in small
// steps, to keep the memory of a view flat.
const (
	manySources = 256
	stepLong    = 64 << 10
	stepShort   = 4 << 10
)

// view merges outputs.
type view struct {
	dir       string
	query     Query
	from      map[output]Position // where outputs are read on
	sources   map[output]*source
	unpackers unpackers
	skip      int // lines that are not shown: older than the last so many
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
	if len(q.From) > 0 {
		q.Last = -1
	}
	v := &view{dir: dir, query: q, from: map[output]Position{}, sources: map[output]*source{}}
	for _, p := range q.From {
		v.from[output{p.Name, p.Stderr}] = p
	}
	return v, nil
}

// begin finds the sources and where in each of them the view begins.
func (v *view) begin(final bool) error {
	names := v.query.Names
	if len(names) == 0 {
		var err error
		if names, err = spoken(v.dir); err != nil {
			return err
		}
	}
	for _, name := range names {
		if err := v.open(name, stepOf(len(names))); err != nil {
			return err
		}
	}
	found := 0
	for _, c := range v.all() {
		lines, err := v.seek(c, final)
		if err != nil {
			return err
		}
		found += lines
	}
	if v.query.Last >= 0 && !v.query.Raw {
		v.skip = max(0, found-v.query.Last)
	}
	return nil
}

// open makes the sources of a name: that of its second output once it has one.
func (v *view) open(name string, step int) error {
	listed, err := v.list(name)
	if err != nil {
		return err
	}
	for _, o := range v.outputs(name) {
		c := newSource(v, o, listed, step)
		_, from := v.from[o]
		if o.stderr == v.query.Stderr || len(c.listed) > 0 || from {
			v.sources[o] = c
		}
	}
	return nil
}

// list lists the files of a name; none is no error.
func (v *view) list(name string) ([]segment, error) {
	listed, err := segments(filepath.Join(v.dir, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot read the log folder of %s: %w", name, err)
	}
	return listed, nil
}

// outputs are those of a name that the query selects, as far as they exist.
func (v *view) outputs(name string) []output {
	if v.query.Raw {
		return []output{{name, v.query.Stderr}}
	}
	return []output{{name, false}, {name, true}}
}

// seek sets a source to where the view begins, or not far before it: then it
// tells how many lines it has from there on.
func (v *view) seek(c *source, final bool) (lines int, err error) {
	q := v.query
	from, some := v.from[c.output]
	switch {
	case some:
		c.seekFrom(from)
		return 0, nil
	case q.Last >= 0:
		if err := c.seekLast(q.Last); err != nil {
			return 0, err
		}
	case !q.Since.IsZero():
		c.seekSince(q.Since)
	case len(c.listed) > 0:
		c.chain.seek(c.listed[0], 0, 0)
	}
	c.reset()
	switch {
	case len(c.parts) == 0:
		return 0, nil
	case q.Last == 0:
		return 0, nil
	case q.Raw:
		return 0, c.pass(q.Since)
	case q.Last < 0:
		return 0, nil
	}
	begin := *c.last()
	if lines, err = c.count(q.Since, final); err != nil {
		return 0, err
	}
	c.chain.seek(begin.segment, begin.from-begin.base, 0)
	c.reset()
	return lines, nil
}

// stepOf is how much each of so many sources reads at once.
func stepOf(sources int) int {
	if sources > manySources {
		return stepShort
	}
	return stepLong
}

// all returns the sources in the order of their names.
func (v *view) all() []*source {
	sources := slices.SortedFunc(maps.Values(v.sources), func(a, b *source) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(b.suffix(), a.suffix()))
	})
	for i, c := range sources {
		c.order = i
	}
	return sources
}

// first is the first merge of a view: it passes over the lines that are not
// shown, and says where the sources begin.
func (v *view) first(final bool, emit func(Line) error) error {
	sources := v.all()
	heads, err := newHeads(sources, final)
	if err != nil {
		return err
	}
	for len(heads) > 0 && v.query.Last >= 0 {
		c := heads[0]
		if c.shows(v.query.Since) && !c.head.note() {
			if v.skip == 0 {
				break
			}
			if c.whole {
				v.skip--
			}
		}
		if err := heads.next(final); err != nil {
			return err
		}
	}
	if v.query.Announce {
		if err := announce(sources, heads, emit); err != nil {
			return err
		}
	}
	return v.show(heads, final, emit)
}

// announce says where the sources are.
func announce(sources []*source, heads heads, emit func(Line) error) error {
	at := map[*source]Position{}
	for _, c := range heads {
		at[c] = c.before
	}
	for _, c := range sources {
		place, ahead := at[c]
		switch {
		case len(c.parts) == 0:
			continue
		case !ahead:
			place = c.position(c.start, false)
		}
		if err := emit(Line{Name: c.name, Stderr: c.stderr, At: place}); err != nil {
			return err
		}
	}
	return emit(Line{})
}

// merge emits what the sources have, the earliest first. With final a line
// without an end is shown too.
func (v *view) merge(sources []*source, final bool, emit func(Line) error) error {
	heads, err := newHeads(sources, final)
	if err != nil {
		return err
	}
	return v.show(heads, final, emit)
}

func (v *view) show(heads heads, final bool, emit func(Line) error) error {
	for len(heads) > 0 {
		if c := heads[0]; c.raw || c.shows(v.query.Since) {
			if err := emit(c.head); err != nil {
				return err
			}
		}
		if err := heads.next(final); err != nil {
			return err
		}
	}
	return nil
}
