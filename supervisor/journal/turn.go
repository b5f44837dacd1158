package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"coppice/supervisor/crash"
)

// olderMax is the number of older files that are kept, the newest.
const olderMax = 8

// Begin begins a new file in the place of the present one: with b, whose File and
// Seq it sets, with s, and with what was recorded of the processes that live (see
// Forget). s must hold all Steps that were appended, so nothing else may step the
// tree meanwhile; others may append. The present file is kept as the newest of
// eight older ones.
//
// After an error the journal is as it was. A kill at any moment leaves either the
// file before or the new one, whole, and every Step in at least one file.
func (j *Journal) Begin(b Begin, s State) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if errors.Is(j.why, errClosed) {
		return fmt.Errorf("cannot begin the journal: %w", errClosed)
	}
	if err := j.begin(b, s); err != nil {
		j.pause = time.Now().Add(beginPause)
		return fmt.Errorf("cannot begin the journal: %w", err)
	}
	return nil
}

func (j *Journal) begin(b Begin, s State) error {
	if j.file != nil && j.why == nil {
		// The tree in s has what is kept behind it. If it still cannot be written,
		// only the record of events lacks it.
		_ = j.flush()
	}
	t, err := plan(j.folder, j.number)
	if err != nil {
		return err
	}
	b.File, b.Seq = t.number, j.seq
	page, stateEnd, n, err := j.firstPage(b, s)
	if err != nil {
		return err
	}
	for _, step := range []func() error{func() error { return t.write(page.Bytes()) }, t.keep, t.swap} {
		if err := step(); err != nil {
			return errors.Join(err, t.giveUp())
		}
	}
	j.kept = newSheet()
	_ = j.leave() // nothing is kept: it gives back space
	j.file, j.number, j.n = t.file, t.number, n
	j.size, j.state, j.room = int64(page.Len()), stateEnd, room{end: int64(page.Len())}
	j.why, j.lost, j.pause = nil, false, time.Time{}
	_ = t.prune() // what cannot be removed now is removed by a later turn
	return nil
}

// firstPage is what a new file begins with.
func (j *Journal) firstPage(b Begin, s State) (page *sheet, stateEnd int64, n uint64, err error) {
	page = newSheet()
	for _, r := range append([]Record{b, s}, j.living.records()...) {
		n++
		if err := page.add(n, r); err != nil {
			return nil, 0, 0, err
		}
		if n == 2 {
			stateEnd = int64(page.Len())
		}
	}
	return page, stateEnd, n, nil
}

// turn is the way from one file to the next, in steps between which a kill does
// no harm.
type turn struct {
	folder *folder
	file   *os.File
	// number is that of the new file, kept the one under which the present one is
	// kept; 0: there is none.
	number, kept uint64
}

// plan looks at what there is; present is the number of the present file, 0 if
// that is unknown.
func plan(f *folder, present uint64) (*turn, error) {
	numbers, err := f.older()
	if err != nil {
		return nil, err
	}
	highest := uint64(0)
	if len(numbers) > 0 {
		highest = numbers[len(numbers)-1]
	}
	t := &turn{folder: f, kept: present}
	switch {
	case highest > 0 && f.same(olderName(highest), presentName):
		t.kept = highest // a turn before this one came as far as that
	case present <= highest:
		t.kept = highest + 1 // the newest is the last one, whatever it says
	}
	if _, err := f.root.Lstat(presentName); errors.Is(err, fs.ErrNotExist) {
		t.kept = 0
	} else if err != nil {
		return nil, err
	}
	t.number = max(highest, t.kept) + 1
	return t, nil
}

// write writes the new file beside the present one. One that an earlier turn left
// is none.
func (t *turn) write(page []byte) error {
	if err := t.folder.remove(newName); err != nil {
		return err
	}
	file, err := t.folder.openOurs(newName, unix.O_CREAT|unix.O_EXCL)
	if err != nil {
		return err
	}
	t.file = file
	crash.Point("journal.created")
	_, err = file.WriteAt(page, 0)
	crash.Point("journal.written")
	return err
}

// keep gives the present file its name as an older one. It has both names until
// the swap; who reads both tells by the numbers of the reports.
func (t *turn) keep() error {
	if t.kept == 0 {
		return nil
	}
	err := t.folder.root.Link(presentName, olderName(t.kept))
	if errors.Is(err, fs.ErrExist) && t.folder.same(presentName, olderName(t.kept)) {
		err = nil
	}
	crash.Point("journal.kept")
	return err
}

// swap puts the new file in the place of the present one.
func (t *turn) swap() error {
	err := t.folder.root.Rename(newName, presentName)
	crash.Point("journal.swapped")
	return err
}

// prune removes the oldest files, the oldest first, so that a reader that finds
// one missing knows that all before it are.
func (t *turn) prune() error {
	numbers, err := t.folder.older()
	for len(numbers) > olderMax && err == nil {
		err = t.folder.remove(olderName(numbers[0]))
		numbers = numbers[1:]
		crash.Point("journal.pruned")
	}
	return err
}

// giveUp undoes what was begun.
func (t *turn) giveUp() error {
	if t.file == nil {
		return nil
	}
	return errors.Join(t.file.Close(), t.folder.remove(newName))
}
