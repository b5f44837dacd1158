package watch

import (
	"slices"
	"time"
)

// A burst of changes is over when nothing has changed for quietFor, and is told
// at the latest burstMax after it began.
const (
	quietFor = 100 * time.Millisecond
	burstMax = time.Second
)

// burst is when the changes of a name began, and when the last one came.
type burst struct{ first, last time.Time }

// change notes that files of a rule have changed.
func (w *Watcher) change(r *rule) {
	now := time.Now()
	for _, name := range r.names {
		b := w.bursts[name]
		if b == nil {
			b = &burst{first: now}
			w.bursts[name] = b
		}
		b.last = now
	}
}

// end is when a burst is told.
func (b *burst) end() time.Time {
	end := b.last.Add(quietFor)
	if latest := b.first.Add(burstMax); latest.Before(end) {
		return latest
	}
	return end
}

// due delivers when the next burst is to be told; nil, which never does, when
// there is none.
func (w *Watcher) due() <-chan time.Time {
	var next time.Time
	for _, b := range w.bursts {
		if end := b.end(); next.IsZero() || end.Before(next) {
			next = end
		}
	}
	if next.IsZero() {
		return nil
	}
	return time.After(time.Until(next))
}

// tell tells the bursts that are over, in the order in which they ended.
func (w *Watcher) tell() {
	now := time.Now()
	var over []string
	for name, b := range w.bursts {
		if !b.end().After(now) {
			over = append(over, name)
		}
	}
	slices.SortFunc(over, func(a, b string) int { return w.bursts[a].end().Compare(w.bursts[b].end()) })
	for _, name := range over {
		delete(w.bursts, name)
		w.fire(name)
	}
}
