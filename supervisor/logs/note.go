package logs

import (
	"cmp"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// notedFor is how long bytes of one sink may share a time when no other sink
// had any in between.
const notedFor = time.Millisecond

// note is the last record that was written to an index.
type note struct {
	times int       // the index, -1 while closed
	at    time.Time // zero: the next bytes need a record
	mark  uint32
}

// due says that bytes which arrive now need a record of their own: the last one
// does not tell their time well enough.
func (n *note) due(s *Store, k *sink, mark uint32, now time.Time) bool {
	alone := s.moved.Swap(k) == k
	return !alone || mark != n.mark || n.at.IsZero() || now.Sub(n.at) >= notedFor
}

// flows says that bytes of a pipe would go on in the open file without a record of
// their own: the pipe may be taken from without a look at what it has.
func (k *sink) flows(s *Store, p *pipe, now time.Time) bool {
	n := &k.note
	return k.live.file >= 0 && s.moved.Load() == k && p.Mark == n.mark && !n.at.IsZero() && now.Sub(n.at) < notedFor
}

// arrived adds the record for bytes that are about to follow. One that cannot be
// written is left out: it costs precision and nothing else.
func (k *sink) arrived(mark uint32, now time.Time) {
	r := record{offset: k.live.end, time: now.UnixNano(), mark: mark}
	if k.addRecord(r) == nil {
		k.note.at, k.note.mark = now, mark
	}
}

// addRecord adds a record to the index of the live file.
func (k *sink) addRecord(r record) error {
	if k.note.times < 0 {
		fd, err := openTimes(k.timesPath(k.live.segment))
		if err != nil {
			return err
		}
		k.note.times = fd
	}
	if _, err := writeAll(k.note.times, r.encode()); err != nil {
		// What was written of it is cut off when the index is opened again.
		unix.Close(k.note.times)
		k.note.times = -1
		return err
	}
	return nil
}

// marksRead is how many records at the end of an index are looked at to find the
// latest incarnation: an earlier one that still writes may have had the last word.
const marksRead = 128

// lastMark is the mark of the latest incarnation that the files of a name tell of.
func lastMark(folder string) uint32 {
	all, err := segments(folder)
	if err != nil {
		return 0
	}
	// The streams count together, and their numbers have nothing to do with each
	// other, so both are asked.
	slices.SortFunc(all, func(a, b segment) int { return cmp.Compare(b.seq, a.seq) })
	latest := marksIn(filepath.Join(folder, oldTimesName))
	for _, stream := range []string{outStream, errStream} {
		for _, g := range all {
			if g.stream != stream {
				continue
			}
			if mark := marksIn(filepath.Join(folder, g.timesName())); mark > 0 {
				latest = max(latest, mark)
				break
			}
		}
	}
	return latest
}

// marksIn is the highest mark at the end of an index, 0 if there is none.
func marksIn(path string) uint32 {
	file, size, err := openRegular(path)
	if err != nil {
		return 0
	}
	defer file.Close()
	var block [marksRead * recordSize]byte
	from := max(0, size/recordSize-marksRead) * recordSize
	n, _ := file.ReadAt(block[:], from)
	latest := uint32(0)
	for b := block[:n-n%recordSize]; len(b) > 0; b = b[recordSize:] {
		if r, ok := decode(b); ok {
			latest = max(latest, r.mark)
		}
	}
	return latest
}
