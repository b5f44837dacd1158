package logs

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// partialAfter is how long a line without an end is waited for before it is
// shown as it is: a question that waits for its answer has none.
const partialAfter = 500 * time.Millisecond

// followers are those who want to know which names have spoken. They are told
// names only, and read the files themselves, so one that is slow costs a set of
// names and nothing else.
type followers struct {
	count       atomic.Int32 // spares the mover a lock while there are none
	followersMu sync.Mutex
	set         map[*follower]struct{}
	ended       chan struct{} // closed with the store
}

// follower is woken when its set of names is no longer empty.
type follower struct {
	wake  chan struct{} // holds one: a second wake-up would say nothing new
	names map[string]struct{}
	want  func(name string) bool
}

func (fs *followers) add(names []string) *follower {
	f := &follower{wake: make(chan struct{}, 1), names: map[string]struct{}{}}
	wanted := map[string]bool{}
	for _, name := range names {
		wanted[name] = true
	}
	f.want = func(name string) bool { return len(wanted) == 0 || wanted[name] }
	fs.followersMu.Lock()
	defer fs.followersMu.Unlock()
	if fs.set == nil {
		fs.set = map[*follower]struct{}{}
	}
	fs.set[f] = struct{}{}
	fs.count.Add(1)
	return f
}

func (fs *followers) remove(f *follower) {
	fs.followersMu.Lock()
	defer fs.followersMu.Unlock()
	delete(fs.set, f)
	fs.count.Add(-1)
}

// poke tells all followers that a name has spoken.
func (fs *followers) poke(name string) {
	if fs.count.Load() == 0 {
		return
	}
	fs.followersMu.Lock()
	defer fs.followersMu.Unlock()
	for f := range fs.set {
		if !f.want(name) {
			continue
		}
		f.names[name] = struct{}{}
		select {
		case f.wake <- struct{}{}:
		default:
		}
	}
}

// end lets all followers show what there is and return.
func (fs *followers) end() { close(fs.ended) }

// take returns the names that have spoken since the last take.
func (fs *followers) take(f *follower) []string {
	fs.followersMu.Lock()
	defer fs.followersMu.Unlock()
	names := make([]string, 0, len(f.names))
	for name := range f.names {
		names = append(names, name)
	}
	clear(f.names)
	return names
}

// following is one call of Follow.
type following struct {
	*view
	store    *Store
	follower *follower
	emit     func(Line) error
	partials map[*source]time.Time // lines without an end, and since when
}

// follow is Store.Follow. It subscribes before it looks at the files, so nothing
// falls in between.
func follow(ctx context.Context, s *Store, q Query, emit func(Line) error) error {
	v, err := newView(s.dir, q)
	if err != nil {
		return err
	}
	f := &following{view: v, store: s, follower: s.followers.add(q.Names), partials: map[*source]time.Time{}}
	defer s.followers.remove(f.follower)
	f.emit = func(line Line) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return emit(line)
	}
	if err = v.begin(false); err == nil {
		err = v.first(false, f.emit)
		f.notePartials(v.all())
	}
	for err == nil {
		select {
		case <-ctx.Done():
			return nil
		case <-s.followers.ended:
			return f.last()
		case <-f.follower.wake:
			err = f.passChanged()
		case <-f.partialDue():
			err = f.passPartials()
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// last shows what there is at the end of the store.
func (f *following) last() error {
	sources, err := f.changed()
	if err != nil {
		return err
	}
	for c := range f.partials {
		if !slices.Contains(sources, c) {
			sources = append(sources, c)
		}
	}
	return f.pass(sources, true)
}

func (f *following) passChanged() error {
	sources, err := f.changed()
	if err != nil {
		return err
	}
	return f.pass(sources, false)
}

// changed returns the sources whose names have spoken, ready to be read on.
func (f *following) changed() ([]*source, error) {
	var sources []*source
	for _, name := range f.store.followers.take(f.follower) {
		listed, err := f.list(name)
		if err != nil {
			return nil, err
		}
		for _, o := range f.outputs(name) {
			sources = append(sources, f.refreshed(o, listed))
		}
	}
	return sources, nil
}

// refreshed is the source of an output that may be new.
func (f *following) refreshed(o output, listed []segment) *source {
	if c := f.sources[o]; c != nil {
		c.refresh(listed)
		return c
	}
	c := newSource(f.view, o, listed, stepOf(len(f.sources)))
	c.order = len(f.sources)
	f.sources[o] = c
	if len(c.listed) > 0 {
		c.chain.seek(c.listed[0], 0, 0)
	}
	c.reset()
	return c
}

// pass shows what sources have, and notes those whose last line has no end.
func (f *following) pass(sources []*source, final bool) error {
	if err := f.merge(sources, final, f.emit); err != nil {
		return err
	}
	f.notePartials(sources)
	return nil
}

// notePartials notes which sources end in a line without an end.
func (f *following) notePartials(sources []*source) {
	now := time.Now()
	for _, c := range sources {
		if len(c.buf) == 0 {
			delete(f.partials, c)
		} else if _, known := f.partials[c]; !known {
			f.partials[c] = now
		}
	}
}

// partialDue returns a channel that delivers when the oldest line without an end
// has waited long enough; nil, which never does, when there is none.
func (f *following) partialDue() <-chan time.Time {
	if len(f.partials) == 0 {
		return nil
	}
	oldest := time.Now()
	for _, since := range f.partials {
		if since.Before(oldest) {
			oldest = since
		}
	}
	return time.After(time.Until(oldest.Add(partialAfter)))
}

// passPartials shows the lines without an end that have waited long enough.
func (f *following) passPartials() error {
	var due []*source
	for c, since := range f.partials {
		if time.Since(since) >= partialAfter {
			due = append(due, c)
			delete(f.partials, c)
		}
	}
	return f.pass(due, true)
}
