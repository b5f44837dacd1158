package logs

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"path/filepath"
	"sort"
	"time"

	"golang.org/x/sys/unix"
)

// recordSize is the length of an index record in the file:
//
//	 0  8  offset in the log file at which the bytes begin
//	 8  8  wall time of their arrival, nanoseconds since 1970
//	16  4  how many bytes arrived
//	20  4  mark: which incarnation wrote them, counted up for each pipe
//	24  4  kind: bytesArrived or bytesDropped
//	28  4  CRC-32C of the above
//
// all little-endian. Bytes that no record covers arrived with the last record
// before them.
const recordSize = 32

// record is one line of the index: when some bytes arrived.
type record struct {
	offset int64
	time   int64
	length uint32
	mark   uint32
	kind   uint32
}

// The kinds of records.
const (
	bytesArrived = 0
	bytesDropped = 1 // thrown away at the offset
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (r record) encode() []byte {
	b := make([]byte, recordSize)
	binary.LittleEndian.PutUint64(b[0:], uint64(r.offset))
	binary.LittleEndian.PutUint64(b[8:], uint64(r.time))
	binary.LittleEndian.PutUint32(b[16:], r.length)
	binary.LittleEndian.PutUint32(b[20:], r.mark)
	binary.LittleEndian.PutUint32(b[24:], r.kind)
	binary.LittleEndian.PutUint32(b[28:], crc32.Checksum(b[:28], castagnoli))
	return b
}

// decode reads a record of recordSize bytes; false: it is damaged.
func decode(b []byte) (record, bool) {
	r := record{
		offset: int64(binary.LittleEndian.Uint64(b[0:])),
		time:   int64(binary.LittleEndian.Uint64(b[8:])),
		length: binary.LittleEndian.Uint32(b[16:]),
		mark:   binary.LittleEndian.Uint32(b[20:]),
		kind:   binary.LittleEndian.Uint32(b[24:]),
	}
	sum := binary.LittleEndian.Uint32(b[28:])
	return r, r.offset >= 0 && sum == crc32.Checksum(b[:28], castagnoli)
}

// openTimes opens an index for appending whole records: the piece of one that a
// full disk or a crash left at its end is cut off.
func openTimes(path string) (int, error) {
	fd, err := openFile(path, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT)
	if err != nil {
		return -1, err
	}
	var stat unix.Stat_t
	if err = unix.Fstat(fd, &stat); err == nil && stat.Size%recordSize != 0 {
		err = unix.Ftruncate(fd, stat.Size-stat.Size%recordSize)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// resetTimes empties an index that speaks of bytes behind the end of its file:
// that file was truncated or made anew. It does what it can.
func resetTimes(path string, end int64) {
	last, ok := lastRecord(path)
	if !ok || last.offset <= end {
		return
	}
	if fd, err := openTimes(path); err == nil {
		unix.Ftruncate(fd, 0)
		unix.Close(fd)
	}
}

// firstRecord reads the first record of an index; false: there is none that is
// sound.
func firstRecord(path string) (record, bool) {
	file, _, err := openRegular(path)
	if err != nil {
		return record{}, false
	}
	defer file.Close()
	var b [recordSize]byte
	if _, err := file.ReadAt(b[:], 0); err != nil {
		return record{}, false
	}
	return decode(b[:])
}

// lastRecord reads the last record of an index; false: there is none that is
// sound.
func lastRecord(path string) (record, bool) {
	file, size, err := openRegular(path)
	if err != nil {
		return record{}, false
	}
	defer file.Close()
	var b [recordSize]byte
	n := size / recordSize
	if n == 0 {
		return record{}, false
	}
	if _, err := file.ReadAt(b[:], (n-1)*recordSize); err != nil {
		return record{}, false
	}
	return decode(b[:])
}

// timeline tells the arrival times of a log file's bytes, for offsets that only
// grow. It reads the index in blocks and keeps no descriptor.
type timeline struct {
	path    string
	next    int64    // position in the index of the first record not yet read
	ended   bool     // the index had no more when it was last read
	current record   // the last record at or before the offset asked for
	ahead   []record // those that follow
}

// blockRecords is how many records are read at once.
const blockRecords = 128

// newTimeline begins at an offset, which it finds by bisection.
func newTimeline(folder string, offset int64) *timeline {
	path := filepath.Join(folder, timesName)
	t := &timeline{path: path, current: record{time: modified(filepath.Join(folder, currentName))}}
	file, size, err := openRegular(path)
	if err != nil {
		return t
	}
	defer file.Close()
	var b [recordSize]byte
	after := sort.Search(int(min(size/recordSize, math.MaxInt32)), func(i int) bool {
		if _, err := file.ReadAt(b[:], int64(i)*recordSize); err != nil {
			return true
		}
		r, ok := decode(b[:])
		return ok && r.offset > offset
	})
	// The record before it holds; one that is damaged leaves the search at a
	// place near by.
	t.next = int64(max(after-1, 0)) * recordSize
	return t
}

// at moves to an offset and returns the record that tells its time. Before the
// first record the first one serves, without any the time of the file.
func (t *timeline) at(offset int64) record {
	for {
		if len(t.ahead) == 0 && !t.fill() {
			return t.current
		}
		if t.ahead[0].offset > offset {
			if t.current.length == 0 {
				return t.ahead[0]
			}
			return t.current
		}
		t.current, t.ahead = t.ahead[0], t.ahead[1:]
	}
}

// change is the first offset after the one last given to at, and before to, at
// which another incarnation begins; to if there is none.
func (t *timeline) change(to int64) int64 {
	for i := 0; ; i++ {
		if i == len(t.ahead) && !t.fill() {
			return to
		}
		r := t.ahead[i]
		if r.offset >= to {
			return to
		}
		if r.mark != t.current.mark && t.current.length != 0 {
			return r.offset
		}
	}
}

// refresh makes the timeline look again for records that were added.
func (t *timeline) refresh() { t.ended = false }

// fill reads the next block of records. Damaged ones are left out.
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
				t.ahead = append(t.ahead, r)
			}
		}
		if len(t.ahead) > before {
			return true
		}
	}
	return false
}

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
