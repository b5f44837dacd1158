package logs

import (
	"math"
	"os"
	"path/filepath"
	"time"
)

// nextPause is how long a file is written on when the next one could not be made.
const nextPause = time.Second

// room tells how many bytes of a pipe may go to the live file at once. A file
// that is full, or old enough, is followed by the next one at the end of a line;
// of a line that does not end, when it is twice as long as it should be. If the
// next one cannot be made, this one is written on.
func (k *sink) room(s *Store, p *pipe, now time.Time, buf []byte) int64 {
	full, most := k.how.MaxSize, p.most()
	switch {
	case k.how.Direct:
		return most
	case k.live.end < full && !k.old(now):
		return min(most, full-k.live.end)
	case now.Before(k.live.noNextBefore):
		return most
	case k.endsLine() || k.live.end >= twice(full):
		if !k.rotate(s, now) {
			return most
		}
		return min(most, full)
	}
	room := min(most, twice(full)-k.live.end)
	if line := int64(s.scratch.line(p.fd, buf)); line > 0 {
		room = min(room, line)
	}
	return room
}

func twice(size int64) int64 { return 2 * min(size, math.MaxInt64/2) }

// old says that the live file has been written to for long enough.
func (k *sink) old(now time.Time) bool {
	return k.how.MaxAge > 0 && k.live.end > 0 && !k.live.begun.IsZero() && now.Sub(k.live.begun) >= time.Duration(k.how.MaxAge)
}

// rotate goes on to the next file; false: there is none.
func (k *sink) rotate(s *Store, now time.Time) bool {
	if k.next() != nil {
		k.live.noNextBefore = now.Add(nextPause)
		return false
	}
	k.retain(s, now)
	s.janitor.shelve()
	return true
}

// begin notes when the first byte of a file arrives.
func (k *sink) begin(s *Store, now time.Time) {
	k.live.begun = now
	if k.how.MaxAge > 0 {
		k.age(s, now)
	}
}

// age goes on to the next file if the live one is old enough, removes files that
// are too old, and plans when to look again. A file that does not end with a line
// is given twice the time.
func (k *sink) age(s *Store, now time.Time) {
	limit := time.Duration(k.how.MaxAge)
	if limit <= 0 || k.how.Direct {
		k.retain(s, now)
		s.plan(k, aging, time.Time{})
		return
	}
	if k.live.seq > 0 && k.live.begun.IsZero() {
		k.live.begun = firstTime(k.path(k.live.segment), k.timesPath(k.live.segment))
	}
	due := k.live.begun.Add(limit)
	if !k.live.begun.IsZero() && !due.After(now) && k.openFile(s) == nil && k.live.end > 0 {
		if !k.endsLine() && now.Sub(due) < limit {
			due = due.Add(limit)
		} else if k.rotate(s, now) {
			k.closeFiles()
		} else {
			due = now.Add(nextPause)
		}
	}
	oldest := k.retain(s, now)
	var at time.Time
	if !k.live.begun.IsZero() {
		at = due
	}
	if !oldest.IsZero() && (at.IsZero() || oldest.Add(limit).Before(at)) {
		at = oldest.Add(limit)
	}
	if !at.IsZero() && !at.After(now) {
		at = now.Add(nextPause) // it could not be removed
	}
	s.plan(k, aging, at)
}

// firstTime is when the first byte of a file arrived; zero for an empty one.
func firstTime(path, times string) time.Time {
	info, err := os.Lstat(path)
	if err != nil || info.Size() == 0 {
		return time.Time{}
	}
	if first, ok := firstRecord(times); ok {
		return first.when()
	}
	return info.ModTime()
}

// retain removes files of the stream that are not written any more: those beyond
// the number of files and those that are too old; in mode direct also those that
// take more room than all of them may. What is left is compressed, if it is to be.
// It returns when the oldest that is left was last written, zero if there is none.
func (k *sink) retain(s *Store, now time.Time) (oldest time.Time) {
	s.janitor.shelfMu.Lock()
	defer s.janitor.shelfMu.Unlock()
	all, err := segments(k.folder())
	if err != nil {
		return time.Time{}
	}
	files, space := 1, int64(0) // the live one counts
	for i := len(all) - 1; i >= 0; i-- {
		g := all[i]
		if g.stream != k.stream || g.seq >= k.live.seq && k.live.seq > 0 {
			continue
		}
		files++
		written, blocks := spent(k.folder(), g)
		space += blocks
		switch {
		case files > k.how.MaxFiles,
			k.how.MaxAge > 0 && now.Sub(written) >= time.Duration(k.how.MaxAge),
			k.how.Direct && space > k.kept():
			remove(k.folder(), g)
		default:
			oldest = written
			if k.how.Compress && !g.compressed {
				s.janitor.compress(k.folder(), g)
			}
		}
	}
	return oldest
}

// spent is when a file was last written, and how many bytes it takes on disk.
func spent(folder string, g segment) (written time.Time, bytes int64) {
	name := g.plainName()
	if g.compressed {
		name = g.gzName()
	}
	info, err := os.Lstat(filepath.Join(folder, name))
	if err != nil {
		return time.Time{}, 0
	}
	return info.ModTime(), allocated(info)
}

// remove removes a file, whichever form it has by now, and then its index.
func remove(folder string, g segment) {
	for _, name := range []string{g.plainName(), g.gzName(), g.timesName()} {
		os.Remove(filepath.Join(folder, name))
	}
}
