package logs

import (
	"cmp"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// janitorNice is how much the janitor yields to others, see setpriority(2).
const janitorNice = 10

// janitor does what is not urgent with files that are not written any more: it
// compresses them, and removes the oldest when all files together take too much
// room. It has a goroutine only while there is something to do.
type janitor struct {
	dir      string
	maxTotal int64
	total    atomic.Int64 // bytes on disk, as far as it is known
	tidyAt   atomic.Int64 // the total at which it looks for files to remove

	// shelfMu guards the files that are not written any more against being
	// removed by one while another one replaces them.
	shelfMu sync.Mutex

	// queueMu guards what follows.
	queueMu sync.Mutex
	queue   []rotated
	queued  map[rotated]bool
	busy    string // the file that is being made
	untidy  bool
	ending  bool
	done    chan struct{} // of the goroutine that runs; nil: none does
}

// rotated is a file that is not written any more.
type rotated struct {
	folder string
	segment
}

func (j *janitor) init(dir string, maxTotal int64) {
	j.dir, j.maxTotal = dir, maxTotal
	j.queued = map[rotated]bool{}
	if maxTotal > 0 {
		j.look()
	}
}

// compress asks for a file to be compressed.
func (j *janitor) compress(folder string, g segment) {
	j.queueMu.Lock()
	defer j.queueMu.Unlock()
	r := rotated{folder, g}
	if !j.queued[r] {
		j.queued[r] = true
		j.queue = append(j.queue, r)
		j.wake()
	}
}

// shelve notes that a file is not written any more: it may be removed now.
func (j *janitor) shelve() {
	if j.maxTotal > 0 && j.total.Load() > j.maxTotal {
		j.look()
	}
}

// stored counts bytes that were written.
func (j *janitor) stored(bytes int64) {
	if j.maxTotal > 0 && j.total.Add(bytes) >= j.tidyAt.Load() {
		j.look()
	}
}

// look asks to look at the room that all files take.
func (j *janitor) look() {
	j.queueMu.Lock()
	defer j.queueMu.Unlock()
	j.untidy = true
	j.wake()
}

// busyWith says that a file is being made by the janitor.
func (j *janitor) busyWith(path string) bool {
	j.queueMu.Lock()
	defer j.queueMu.Unlock()
	return j.busy == path
}

// wake starts the goroutine unless it runs. The caller holds queueMu.
func (j *janitor) wake() {
	if j.done == nil && !j.ending {
		j.done = make(chan struct{})
		go j.run(j.done)
	}
}

// end ends the janitor; what it was about to do is done by the next one.
func (j *janitor) end() {
	j.queueMu.Lock()
	j.ending = true
	done := j.done
	j.queueMu.Unlock()
	if done != nil {
		<-done
	}
}

// run works until there is nothing to do. Its thread, which yields to others, ends
// with it.
func (j *janitor) run(done chan struct{}) {
	defer close(done)
	runtime.LockOSThread()
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), janitorNice)
	for {
		if j.interrupted() {
			return
		}
		r, ok := j.take()
		if !ok {
			return
		}
		j.pack(r)
	}
}

// take takes a file from the queue; false: there is none, and the goroutine ends.
func (j *janitor) take() (rotated, bool) {
	j.queueMu.Lock()
	defer j.queueMu.Unlock()
	if len(j.queue) == 0 && !j.untidy {
		j.queue, j.done = nil, nil
		return rotated{}, false
	}
	if len(j.queue) == 0 {
		return rotated{}, true
	}
	r := j.queue[0]
	j.queue = j.queue[1:]
	delete(j.queued, r)
	return r, true
}

// interrupted does what cannot wait until a file is compressed, and says whether
// the janitor is to end.
func (j *janitor) interrupted() bool {
	j.queueMu.Lock()
	untidy, ending := j.untidy, j.ending
	j.untidy = false
	j.queueMu.Unlock()
	if untidy && !ending {
		j.tidy()
	}
	return ending
}

// shelved is a file that could be removed.
type shelved struct {
	rotated
	written time.Time
	bytes   int64
}

// tidy removes the oldest files that are not written any more until all files
// take no more than they may. It removes a little more, so that it need not look
// at everything again at once.
func (j *janitor) tidy() {
	shelf, total := j.survey()
	slices.SortFunc(shelf, func(a, b shelved) int {
		return cmp.Or(a.written.Compare(b.written), cmp.Compare(a.folder, b.folder), cmp.Compare(a.seq, b.seq))
	})
	margin := j.maxTotal / 16
	if total > j.maxTotal {
		for _, f := range shelf {
			if total <= j.maxTotal-margin {
				break
			}
			j.shelfMu.Lock()
			remove(f.folder, f.segment)
			j.shelfMu.Unlock()
			total -= f.bytes
		}
	}
	j.total.Store(total)
	tidyAt := j.maxTotal
	if total > tidyAt { // what is left is written: not every byte is worth a look
		tidyAt = total + margin
	}
	j.tidyAt.Store(tidyAt + 1)
}

// survey finds the files that are not written any more, and what all files take.
func (j *janitor) survey() (shelf []shelved, total int64) {
	folders, _ := readNames(j.dir)
	for _, name := range folders {
		if !legalName(name) {
			continue
		}
		folder := filepath.Join(j.dir, name)
		all, _ := segments(folder)
		for i, g := range all {
			written, bytes := spent(folder, g)
			if info, err := os.Lstat(filepath.Join(folder, g.timesName())); err == nil {
				bytes += allocated(info)
			}
			total += bytes
			if i+1 < len(all) && all[i+1].stream == g.stream {
				shelf = append(shelf, shelved{rotated{folder, g}, written, bytes})
			}
		}
	}
	return shelf, total
}
