package logs

import (
	"math"
	"path/filepath"
	"sort"
	"time"
)

// timeline tells when the bytes of a segment arrived, whose they are and what is
// missing between them, for offsets that only grow. It reads the index in blocks
// and keeps no descriptor.
type timeline struct {
	path  string
	next  int64 // position in the index of the first record not yet read
	ended bool  // the index had no more when it was last read

	current record   // the last record of arrival at or before the offset asked for
	known   bool     // there is such a record
	ahead   []record // the records of arrival that follow
	drops   []record // what was thrown away, read and not yet taken
	from    int64    // drops before this offset are somebody else's,
	told    int      // and so are so many at it
}

// blockRecords is how many records are read at once.
const blockRecords = 128

// newTimeline begins at an offset of a segment, behind the notes told there.
func newTimeline(folder string, g segment, offset int64, told int) *timeline {
	t := &timeline{
		path: filepath.Join(folder, g.timesName()),
		from: offset,
		told: told,
		// What no record tells is as old as the file.
		current: record{time: max(modified(filepath.Join(folder, g.plainName())), modified(filepath.Join(folder, g.gzName())))},
	}
	_, i, _ := t.before(func(r record) bool { return r.offset < offset })
	t.next = i * recordSize
	return t
}

// before finds by bisection the last record of arrival of those that come first,
// and its number; number 0 when there is none. A damaged record leaves the search
// at a place near by.
func (t *timeline) before(first func(record) bool) (r record, i int64, found bool) {
	file, size, err := openRegular(t.path)
	if err != nil {
		return record{}, 0, false
	}
	defer file.Close()
	var b [recordSize]byte
	read := func(i int) (record, bool) {
		if _, err := file.ReadAt(b[:], int64(i)*recordSize); err != nil {
			return record{}, false
		}
		return decode(b[:])
	}
	n := int(min(size/recordSize, math.MaxInt32))
	behind := sort.Search(n, func(i int) bool {
		r, ok := read(i)
		return ok && !first(r)
	})
	for i := behind - 1; i >= 0; i-- {
		if r, ok := read(i); ok && r.kind == bytesArrived {
			return r, int64(i), true
		}
	}
	return record{}, 0, false
}

// at moves to an offset and returns the record that tells its time. Before the
// first record the first one serves, without any the time of the file.
func (t *timeline) at(offset int64) record {
	for {
		if len(t.ahead) == 0 && !t.fill() {
			return t.current
		}
		if t.ahead[0].offset > offset {
			if !t.known {
				return t.ahead[0]
			}
			return t.current
		}
		t.current, t.known, t.ahead = t.ahead[0], true, t.ahead[1:]
	}
}

// change is the first offset behind from, which was last given to at, and before
// to, at which something is missing or, with marks, another incarnation begins; to
// if there is none.
func (t *timeline) change(from, to int64, marks bool) int64 {
	for i := 0; i < len(t.ahead) || t.fill(); i++ {
		r := t.ahead[i]
		if r.offset >= to {
			break
		}
		if marks && t.known && r.mark != t.current.mark && r.offset > from && !t.replaced(i) {
			to = r.offset
			break
		}
	}
	for _, r := range t.drops {
		if r.offset > from && r.offset < to {
			to = r.offset
		}
	}
	return to
}

// replaced says that the record ahead at i speaks of no byte: the one behind it
// is for the same offset.
func (t *timeline) replaced(i int) bool {
	return (i+1 < len(t.ahead) || t.fill()) && t.ahead[i+1].offset == t.ahead[i].offset
}

// dropped takes what was thrown away at or before the offset last given to at:
// the records of one place and one incarnation.
func (t *timeline) dropped(offset int64) (first record, bytes int64, records int) {
	for _, r := range t.drops {
		if r.offset > offset || records > 0 && (r.offset != first.offset || r.mark != first.mark) {
			break
		}
		if records == 0 {
			first = r
		}
		bytes += int64(r.length)
		records++
	}
	t.drops = t.drops[records:]
	return first, bytes, records
}

// refresh makes the timeline look again for records that were added.
func (t *timeline) refresh() { t.ended = false }

// fill reads the next block of records until one of arrival is ahead. Damaged
// ones are left out.
func (t *timeline) fill() bool {
	for !t.ended {
		var block [blockRecords * recordSize]byte
		n := readBlock(t.path, block[:], t.next)
		n -= n % recordSize
		t.next += int64(n)
		t.ended = n < len(block)
		before := len(t.ahead)
		for b := block[:n]; len(b) > 0; b = b[recordSize:] {
			if r, ok := decode(b); ok {
				t.take(r)
			}
		}
		if len(t.ahead) > before {
			return true
		}
	}
	return false
}

// take keeps a record that was read.
func (t *timeline) take(r record) {
	switch {
	case r.kind != bytesDropped:
		t.ahead = append(t.ahead, r)
	case r.offset < t.from:
	case r.offset == t.from && t.told > 0:
		t.told--
	default:
		t.drops = append(t.drops, r)
	}
}

// began is when the first byte of a segment arrived, as far as the index tells;
// else the time of the file.
func (t *timeline) began() time.Time { return t.at(-1).when() }

// readBlock reads as much as is there, possibly nothing.
func readBlock(path string, b []byte, position int64) int {
	file, _, err := openRegular(path)
	if err != nil {
		return 0
	}
	defer file.Close()
	n, _ := file.ReadAt(b, position)
	return n
}

// when is a record's time.
func (r record) when() time.Time { return time.Unix(0, r.time) }
