package watch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// Patterns are the files of one name.
type Patterns struct {
	// Dir is the folder that relative globs begin at.
	Dir string
	// Globs are paths with *, ?, [a-z], {a,b} and ** (any number of folders).
	// A path without any of these is a single file; a backslash takes the
	// meaning from the character behind it.
	Globs []string
}

// Watcher watches files. All methods may be called by many goroutines at once.
type Watcher struct {
	fire    func(name string)
	trouble func(error)
	kernel  *fsnotify.Watcher
	wake    chan struct{} // holds one: there is a new wish
	stop    chan struct{}
	done    chan struct{}

	// wishMu guards what Set leaves for the goroutine.
	wishMu sync.Mutex
	wish   map[string]Patterns
	placed chan struct{} // closed when the wish is fulfilled; nil: there is none

	// The goroutine's own.
	rules   []*rule
	folders map[string]struct{} // that are watched
	bursts  map[string]*burst   // by name
	told    bool                // about trouble, since the last Set
}

// New starts a watcher that watches nothing yet. fire is called when files of a
// name have changed, trouble, at most once for each Set, when something cannot
// be watched; both by the watcher's goroutine, and both must return soon after
// Close is called.
func New(fire func(name string), trouble func(error)) (*Watcher, error) {
	kernel, err := fsnotify.NewWatcher()
	if errors.Is(err, unix.EMFILE) {
		return nil, fmt.Errorf("cannot watch files: too many open files, or too many programs watch files already "+
			"(fs.inotify.max_user_instances is %s): %w", limit("max_user_instances"), err)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot watch files: %w", err)
	}
	w := &Watcher{
		fire:    fire,
		trouble: trouble,
		kernel:  kernel,
		wake:    make(chan struct{}, 1),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
		folders: map[string]struct{}{},
		bursts:  map[string]*burst{},
	}
	go w.run()
	return w, nil
}

// Set replaces what is watched. It does not wait: the channel is closed when the
// new watches are in place, were replaced in turn, or the watcher is closed. Changes that have come but
// were not told are told still, of names that stay.
func (w *Watcher) Set(patterns map[string]Patterns) (placed <-chan struct{}) {
	w.wishMu.Lock()
	defer w.wishMu.Unlock()
	if w.placed == nil {
		w.placed = make(chan struct{})
	}
	w.wish = patterns
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return w.placed
}

// Close ends the watcher. It may be called once.
func (w *Watcher) Close() {
	close(w.stop)
	<-w.done
}

// run is the goroutine.
func (w *Watcher) run() {
	defer close(w.done)
	defer w.abandon()
	defer w.kernel.Close()
	for {
		select {
		case <-w.stop:
			return
		case <-w.wake:
			w.replace()
		case event := <-w.kernel.Events:
			w.hear(event)
		case err := <-w.kernel.Errors:
			w.hearError(err)
		case <-w.due():
			w.tell()
		}
	}
}

// abandon lets nobody wait for a wish that will not be fulfilled.
func (w *Watcher) abandon() {
	w.wishMu.Lock()
	defer w.wishMu.Unlock()
	if w.placed != nil {
		close(w.placed)
		w.placed = nil
	}
}

// replace fulfils the wish of the last Set.
func (w *Watcher) replace() {
	w.wishMu.Lock()
	wish, placed := w.wish, w.placed
	w.wish, w.placed = nil, nil
	w.wishMu.Unlock()
	if placed == nil {
		return
	}
	w.told = false
	w.rules = newRules(wish)
	for name := range w.bursts {
		if _, stays := wish[name]; !stays {
			delete(w.bursts, name)
		}
	}
	w.rescan()
	close(placed)
}

// rescan watches exactly the folders that the rules want.
func (w *Watcher) rescan() {
	before := w.folders
	w.folders = map[string]struct{}{}
	for _, r := range w.rules {
		for _, folder := range r.way() {
			w.watch(folder)
		}
		w.scan(r, r.root, nil)
	}
	for folder := range before {
		if _, stays := w.folders[folder]; !stays {
			w.kernel.Remove(folder)
		}
	}
}

// scan watches a folder and those below it as a rule wants, and calls found with
// each file in them.
func (w *Watcher) scan(r *rule, folder string, found func(path string)) {
	if !r.wants(folder) || !w.watch(folder) {
		return
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return // gone again, and its removal is an event
	}
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		if entry.IsDir() {
			w.scan(r, path, found)
		} else if found != nil {
			found(path)
		}
	}
}

// watch watches one folder; false: it cannot be, or is not there.
func (w *Watcher) watch(folder string) bool {
	if _, watched := w.folders[folder]; watched {
		return true
	}
	info, err := os.Stat(folder)
	if err == nil && !info.IsDir() {
		return false
	}
	if err == nil {
		err = w.kernel.Add(folder)
	}
	switch {
	case err == nil:
		w.folders[folder] = struct{}{}
		return true
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
	case errors.Is(err, unix.ENOSPC):
		w.tellTrouble(fmt.Errorf("cannot watch %s: this user watches as many files as fs.inotify.max_user_watches allows (%s); "+
			"raise it with sysctl, or watch fewer folders", folder, limit("max_user_watches")))
	default:
		w.tellTrouble(fmt.Errorf("cannot watch %s: %w", folder, err))
	}
	return false
}

func (w *Watcher) tellTrouble(err error) {
	if !w.told {
		w.told = true
		w.trouble(err)
	}
}

// limit reads one of the kernel's limits.
func limit(name string) string {
	value, err := os.ReadFile("/proc/sys/fs/inotify/" + name)
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(value))
}

// hear takes one event of the kernel.
func (w *Watcher) hear(event fsnotify.Event) {
	if event.Name == "" {
		return
	}
	path := filepath.Clean(event.Name)
	if event.Has(fsnotify.Remove) || event.Has(fsnotify.Rename) {
		w.leave(path, event.Has(fsnotify.Rename))
	}
	if event.Op == fsnotify.Chmod && !touched(path) {
		return
	}
	if info, err := os.Lstat(path); err == nil && info.IsDir() {
		if event.Has(fsnotify.Create) {
			w.enter(path)
		}
		return
	}
	for _, r := range w.rules {
		if r.matches(path) {
			w.change(r)
		}
	}
}

// touched tells touch(1), which says "now", from a change of owner or mode: both
// are the same event.
func touched(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && time.Since(info.ModTime()).Abs() < 2*time.Second
}

// enter watches a folder that has appeared, and takes the files in it for new.
func (w *Watcher) enter(folder string) {
	for _, r := range w.rules {
		start := folder
		if r.below(folder) {
			w.watch(folder) // on the way to the root, which may be there already
			start = r.root
			for _, step := range r.way() {
				w.watch(step)
			}
		}
		w.scan(r, start, func(path string) {
			if r.matches(path) {
				w.change(r)
			}
		})
	}
}

// leave forgets a folder that has gone, and those below it: if it was renamed,
// they would be reported by their old names.
func (w *Watcher) leave(gone string, renamed bool) {
	if _, watched := w.folders[gone]; !watched {
		return
	}
	for folder := range w.folders {
		if folder == gone || strings.HasPrefix(folder, gone+string(filepath.Separator)) {
			delete(w.folders, folder)
			w.kernel.Remove(folder)
		}
	}
	// Its files went with it, without an event of their own.
	for _, r := range w.rules {
		if renamed && (r.wants(gone) || r.below(gone)) {
			w.change(r)
		}
	}
}

// hearError takes an error of the kernel's queue.
func (w *Watcher) hearError(err error) {
	if !errors.Is(err, fsnotify.ErrEventOverflow) {
		w.tellTrouble(fmt.Errorf("cannot read what has changed: %w", err))
		return
	}
	w.rescan()
	for _, r := range w.rules {
		w.change(r)
	}
}
