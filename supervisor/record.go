package supervisor

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"coppice/ipc"
)

const (
	recordName = "events"
	// recordBytesMax is the size at which the record is begun anew; the one
	// before it is kept as events.1.
	recordBytesMax = 16 << 20
	// followerEventsMax are the events that a follower may be behind before it
	// is sent back to the file.
	followerEventsMax = 1024
	// eventBytesMax is the length of the longest line that is read back.
	eventBytesMax = 1 << 20
)

// record is the event record: lines of JSON in a file, the newest of which are
// also given to who follows. The loop appends; anybody reads.
type record struct {
	dir  *os.Root
	base uint64 // the last seq of earlier runs: seq goes on

	// mu guards the rest and is held for one append at most.
	mu        sync.Mutex
	file      *os.File
	size      int64
	last      uint64
	followers map[*follower]bool
}

// follower is one reader that waits for more. lagged is closed when it is too
// slow, or the record ends: it has to look into the file.
type follower struct {
	events chan ipc.Event
	lagged chan struct{}
}

// openRecord opens the record in a folder and goes on behind its last event. A
// line that was cut off by a crash is cut off for good.
func openRecord(dir string) (*record, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot open the event record: %w", err)
	}
	r := &record{dir: root, followers: map[*follower]bool{}}
	if err := r.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot open the event record in %s: %w", dir, err), root.Close())
	}
	return r, nil
}

func (r *record) open() error {
	file, err := r.dir.OpenFile(recordName, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	good, last, err := scanRecord(file)
	if err == nil && last == 0 {
		last, err = r.lastOfOlder()
	}
	if err == nil {
		err = file.Truncate(good)
	}
	if err == nil {
		_, err = file.Seek(good, io.SeekStart)
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	r.file, r.size, r.base, r.last = file, good, last, last
	return nil
}

// lastOfOlder is the last seq of the record before this one, 0 without one.
func (r *record) lastOfOlder() (uint64, error) {
	old, err := r.dir.Open(recordName + ".1")
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer old.Close()
	_, last, err := scanRecord(old)
	return last, err
}

// scanRecord finds the end of the last whole line, and the last seq. Only the
// numbers are looked at: a long record must not hold up the start.
func scanRecord(f io.Reader) (good int64, last uint64, err error) {
	in := bufio.NewReaderSize(f, eventBytesMax)
	for {
		line, err := in.ReadSlice('\n')
		if err == io.EOF {
			return good, last, nil
		}
		if err != nil && err != bufio.ErrBufferFull {
			return 0, 0, err
		}
		good += int64(len(line))
		last = max(last, seqOf(line))
	}
}

// seqOf reads the seq of a line of the record, which begins with it; 0 when the
// line is none of ours.
func seqOf(line []byte) uint64 {
	digits, ok := bytes.CutPrefix(line, []byte(`{"seq":`))
	if !ok {
		return 0
	}
	var seq uint64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return seq
		}
		seq = seq*10 + uint64(c-'0')
	}
	return 0
}

// append writes events to the file in one piece and hands them to the
// followers. A follower that is too far behind is sent to the file.
func (r *record) append(events []ipc.Event) error {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	for i := range events {
		events[i].Seq += r.base
		if events[i].Because != 0 {
			events[i].Because += r.base
		}
		if err := encoder.Encode(&events[i]); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.write(out.Bytes())
	r.last = events[len(events)-1].Seq
	for f := range r.followers {
		for _, e := range events {
			if !f.offer(e) {
				delete(r.followers, f)
				close(f.lagged)
				break
			}
		}
	}
	return err
}

func (f *follower) offer(e ipc.Event) bool {
	select {
	case f.events <- e:
		return true
	default:
		return false
	}
}

func (r *record) write(lines []byte) error {
	if r.size > recordBytesMax {
		if err := r.turn(); err != nil {
			return err
		}
	}
	if _, err := r.file.Write(lines); err != nil {
		// What came of it would run into the next line.
		return errors.Join(err, r.file.Truncate(r.size), r.rewind())
	}
	r.size += int64(len(lines))
	return nil
}

func (r *record) rewind() error {
	_, err := r.file.Seek(r.size, io.SeekStart)
	return err
}

// turn begins a new file and keeps the present one as the older.
func (r *record) turn() error {
	if err := r.dir.Rename(recordName, recordName+".1"); err != nil {
		return err
	}
	file, err := r.dir.OpenFile(recordName, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	r.file.Close()
	r.file, r.size = file, 0
	return nil
}

// read calls emit for each event after since; with follow it goes on until ctx
// is done or the record is closed.
func (r *record) read(ctx context.Context, since uint64, follow bool, emit func(ipc.Event) error) error {
	for {
		f, last, files, err := r.follow()
		if err != nil {
			return err
		}
		since, err = readEvents(files, since, last, emit)
		if err != nil || !follow || f == nil {
			r.unfollow(f)
			return err
		}
		if since, err = f.relay(ctx, since, emit); err != nil || ctx.Err() != nil {
			r.unfollow(f)
			return err
		}
	}
}

// follow takes hold of everything up to now, in files, and of everything from
// now on, in a follower; nil when the record is closed.
func (r *record) follow() (f *follower, last uint64, files []*os.File, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range []string{recordName + ".1", recordName} {
		file, err := r.dir.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			closeAll(files)
			return nil, 0, nil, fmt.Errorf("cannot read the event record: %w", err)
		}
		files = append(files, file)
	}
	if r.followers != nil {
		f = &follower{events: make(chan ipc.Event, followerEventsMax), lagged: make(chan struct{})}
		r.followers[f] = true
	}
	return f, r.last, files, nil
}

func (r *record) unfollow(f *follower) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.followers, f)
}

// relay passes on what comes in until f has fallen behind.
func (f *follower) relay(ctx context.Context, since uint64, emit func(ipc.Event) error) (uint64, error) {
	for {
		select {
		case e := <-f.events:
			if err := emit(e); err != nil {
				return since, err
			}
			since = e.Seq
		case <-ctx.Done():
			return since, nil
		case <-f.lagged:
			return since, nil
		}
	}
}

// readEvents emits the events of files with a seq above since and up to last,
// and closes the files. A line that is no event is passed over.
func readEvents(files []*os.File, since, last uint64, emit func(ipc.Event) error) (uint64, error) {
	defer closeAll(files)
	for _, file := range files {
		lines := bufio.NewScanner(file)
		lines.Buffer(nil, eventBytesMax)
		for lines.Scan() {
			var e ipc.Event
			if json.Unmarshal(lines.Bytes(), &e) != nil || e.Seq <= since || e.Seq > last {
				continue
			}
			if err := emit(e); err != nil {
				return since, err
			}
			since = e.Seq
		}
		if err := lines.Err(); err != nil {
			return since, fmt.Errorf("cannot read the event record: %w", err)
		}
	}
	return since, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// end ends the record: followers get what they have not had yet, and an end.
func (r *record) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for f := range r.followers {
		close(f.lagged)
	}
	r.followers = nil
}

// close closes a record that has ended and that nobody reads any more.
func (r *record) close() {
	r.file.Close()
	r.dir.Close()
}

// keepFile keeps a tree file as it was loaded, for those who want to compare.
func keepFile(dir, name string, content []byte) error {
	temporary := filepath.Join(dir, name+".new")
	if err := os.WriteFile(temporary, content, 0o600); err != nil {
		return fmt.Errorf("cannot keep the tree file: %w", err)
	}
	if err := os.Rename(temporary, filepath.Join(dir, name)); err != nil {
		return fmt.Errorf("cannot keep the tree file: %w", err)
	}
	return nil
}
