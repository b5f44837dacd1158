package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"coppice/supervisor/crash"
	"coppice/tree"
)

const (
	// dueBytesMin is the size below which a file is never due to be begun anew.
	dueBytesMin = 4 << 20
	// keptBytesMax is how much is kept in memory of what could not be written.
	keptBytesMax = 1 << 20
	// beginPause is how long after a Begin that failed it is due again.
	beginPause = time.Second
)

var (
	errUnbegun = errors.New("it has not been begun")
	errDamaged = errors.New("it is damaged and has not been begun anew")
	errClosed  = errors.New("it is closed")
)

// Journal is an open journal, to be appended to. There must be one at a time for
// a folder; its methods may be called by any goroutine.
type Journal struct {
	folder *folder

	// mu guards the rest and is held for one write, or for one Begin.
	mu   sync.Mutex
	file *os.File // nil as long as why is set for want of one
	// why says why nothing can be appended before Begin; nil: it can.
	why  error
	lost bool // records were refused for want of space
	// number is that of the present file, 0 when there is none or it is unknown.
	number uint64
	n      uint64 // of the last record
	size   int64  // up to the last whole record
	state  int64  // up to the State
	kept   *sheet // lines that are not written yet, else empty
	room   room
	seq    uint64
	living living
	pause  time.Time // when a Begin that failed may be due again
}

// Open opens the journal in the state folder dir, which must exist and be
// private, and hands its records to visit, in order. Without a journal, or with
// Damage, only Begin makes it one that can be appended to; Open creates nothing.
//
// A last line without an end is what a killed daemon leaves: it is cut off, and
// what it would have said was acted on by nobody. Anything else that is not as it
// was written, and any record that visit refuses, is Damage: the records before it
// were visited, none after it is, and the file is kept as journal.damaged. An
// error means that nothing was touched: the file is none of ours, or was written
// by a newer coppice.
func Open(dir string, visit func(Record) error) (*Journal, *Damage, error) {
	folder, err := openFolder(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot open the journal: %w", err)
	}
	j := &Journal{folder: folder, kept: newSheet(), living: living{}}
	damage, err := j.open(visit)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("cannot open the journal in %s: %w", dir, err), folder.close())
	}
	return j, damage, nil
}

func (j *Journal) open(visit func(Record) error) (*Damage, error) {
	file, err := j.folder.openOurs(presentName, 0)
	if errors.Is(err, fs.ErrNotExist) {
		j.why = errUnbegun
		return nil, j.lookBack()
	}
	if err != nil {
		return nil, err
	}
	r := &replay{lines: newLines(file), path: j.folder.presentPath()}
	damage, err := r.all(func(record Record) error {
		err := visit(record)
		if err == nil {
			j.living.note(record)
		}
		return err
	})
	j.number, j.n, j.size, j.state, j.seq = r.begin.File, r.n, r.end, r.state, r.lastSeq
	if err == nil && damage == nil {
		j.file = file
		if err = j.cut(); err == nil {
			return nil, nil
		}
	}
	file.Close()
	if err != nil {
		return nil, err
	}
	j.why = errDamaged
	_ = j.folder.keepDamaged() // as an older one Begin keeps it in any case
	return damage, j.lookBack()
}

// cut removes what follows the last whole record.
func (j *Journal) cut() error {
	info, err := j.file.Stat()
	if err == nil && info.Size() > j.size {
		err = j.file.Truncate(j.size)
		crash.Point("journal.cut")
	}
	j.room = room{end: j.size}
	return err
}

// lookBack finds the number of the last report in older files, where the present
// one cannot be trusted with it. One that cannot be read is passed over.
func (j *Journal) lookBack() error {
	numbers, err := j.folder.older()
	for _, number := range numbers {
		file, err := j.folder.open(olderName(number), os.O_RDONLY)
		if err != nil {
			continue
		}
		seq, _, _ := lastOf(newLines(file))
		file.Close()
		j.seq = max(j.seq, seq)
	}
	return err
}

// Append writes records, in order and in one piece. It returns when they survive
// the death of this process; the system's they need not.
//
// What cannot be written, because the disk is full, is kept in memory and written
// before anything else with the next Append, be it one of no records; the error
// says so. When more than 1 MiB would have to be kept, and when a record has no
// form, the records are refused, and so is everything after them until Begin:
// then Due says true. What records say of living processes is not forgotten then
// and is written by Begin.
func (j *Journal) Append(records ...Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range records {
		j.living.note(r)
		if step, ok := r.(Step); ok {
			j.seq = max(j.seq, lastSeq(step))
		}
	}
	if j.why != nil {
		return fmt.Errorf("cannot append to the journal: %w", j.why)
	}
	for _, r := range records {
		if err := j.kept.add(j.n+1, r); err != nil {
			return j.refuse(err)
		}
		j.n++
	}
	if err := j.flush(); err != nil {
		if j.kept.Len() > keptBytesMax {
			return j.refuse(err)
		}
		return fmt.Errorf("cannot append to the journal, %d bytes of it are kept in memory: %w", j.kept.Len(), err)
	}
	return nil
}

// refuse gives up what is kept: the file ends here.
func (j *Journal) refuse(cause error) error {
	j.kept = newSheet()
	j.lost = true
	j.why = fmt.Errorf("records that it should have are lost: %w", cause)
	return fmt.Errorf("cannot append to the journal: %w", j.why)
}

// flush writes what is kept. What is written in part is kept from the first line
// on that is not there as a whole.
func (j *Journal) flush() error {
	if j.kept.Len() == 0 {
		return nil
	}
	j.room.reserve(j.file, j.size+int64(j.kept.Len()))
	crash.Point("journal.append")
	n, err := j.file.WriteAt(j.kept.Bytes(), j.size)
	crash.Point("journal.appended")
	if err == nil {
		j.size += int64(n)
		j.kept.empty()
		return nil
	}
	whole := j.kept.Next(bytes.LastIndexByte(j.kept.Bytes()[:n], '\n') + 1)
	j.size += int64(len(whole))
	j.room.end = j.size
	return errors.Join(err, j.file.Truncate(j.size))
}

// Due says that Begin should be called: the file has grown above 4 MiB and to
// twice its length after the last one, or it cannot be appended to. After a Begin
// that failed it is not due for a second.
func (j *Journal) Due() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if time.Now().Before(j.pause) {
		return false
	}
	return j.why != nil || j.size > max(dueBytesMin, 2*j.state)
}

// Degraded says that the journal may not be able to take what comes: records are
// kept in memory or were lost, or no space could be reserved for the next ones.
func (j *Journal) Degraded() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.kept.Len() > 0 || j.lost || j.room.missing
}

// LastSeq is the highest number of a report in all files, and of those that could
// not be written: the next run's go on from it.
func (j *Journal) LastSeq() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.seq
}

// Spawned is what was said last of the start of a process; zero if that was nothing, or a
// Step has told its end.
func (j *Journal) Spawned(ref tree.Ref) Spawned {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.living.spawned(ref)
}

// Forget says that no Step will tell how these processes ended: Begin no longer
// carries them over.
func (j *Journal) Forget(refs ...tree.Ref) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, ref := range refs {
		delete(j.living, ref)
	}
}

// Close writes what is kept, gives back the space that was reserved, and closes
// the journal.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	err := j.leave()
	j.why = errClosed
	return errors.Join(err, j.folder.close())
}

// leave ends the work on the present file.
func (j *Journal) leave() error {
	if j.file == nil {
		return nil
	}
	err := j.flush()
	if err == nil {
		err = j.file.Truncate(j.size)
	}
	err = errors.Join(err, j.file.Close())
	j.file = nil
	return err
}
