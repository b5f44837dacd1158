package logs

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// scribe writes the files of one output in the plainest way, and remembers what
// it wrote.
type scribe struct {
	t testing.TB
	output
	folder string
	seq    uint64
	size   int64 // of the newest file
	noted  bool  // the newest file has an index record
	mark   uint32
	wrote  []written
}

// written is a chunk of output, or how many bytes of it were thrown away.
type written struct {
	data    []byte
	dropped int64
	time    int64
	mark    uint32
	seq     uint64
}

func newScribe(t testing.TB, dir, name string, stderr bool) *scribe {
	s := &scribe{t: t, output: output{name, stderr}, folder: filepath.Join(dir, name), mark: 1}
	s.must(os.MkdirAll(s.folder, 0o700))
	s.rotate()
	return s
}

func (s *scribe) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *scribe) segment(seq uint64) segment { return segment{seq: seq, stream: s.suffix()} }
func (s *scribe) path(name string) string    { return filepath.Join(s.folder, name) }

func (s *scribe) add(name string, data []byte) {
	s.t.Helper()
	file, err := os.OpenFile(s.path(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	s.must(err)
	_, err = file.Write(data)
	s.must(err)
	s.must(file.Close())
}

func (s *scribe) note(r record) { s.add(s.segment(s.seq).timesName(), r.encode()) }

// write appends data that arrived at a time; without a record of its own it has
// the time of what is before it.
func (s *scribe) write(at int64, data []byte, noted bool) {
	if last := len(s.wrote) - 1; !noted && s.noted && last >= 0 && s.wrote[last].dropped == 0 && s.wrote[last].mark == s.mark {
		at = s.wrote[last].time
	} else {
		s.note(record{offset: s.size, time: at, length: uint32(max(1, len(data))), mark: s.mark})
		s.noted = true
	}
	s.add(s.segment(s.seq).plainName(), data)
	s.size += int64(len(data))
	s.wrote = append(s.wrote, written{data: data, time: at, mark: s.mark, seq: s.seq})
}

func (s *scribe) drop(at, bytes int64) {
	s.note(record{offset: s.size, time: at, length: uint32(bytes), mark: s.mark, kind: bytesDropped})
	s.wrote = append(s.wrote, written{dropped: bytes, time: at, mark: s.mark, seq: s.seq})
}

func (s *scribe) rotate() {
	s.seq++
	s.size, s.noted = 0, false
	s.add(s.segment(s.seq).plainName(), nil)
}

// compress compresses a file; with both the plain one stays beside it, as after a
// kill.
func (s *scribe) compress(seq uint64, both bool) {
	s.t.Helper()
	g := s.segment(seq)
	data, err := os.ReadFile(s.path(g.plainName()))
	if os.IsNotExist(err) {
		return
	}
	s.must(err)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err = w.Write(data)
	s.must(err)
	s.must(w.Close())
	s.must(os.WriteFile(s.path(g.gzName()), packed.Bytes(), 0o600))
	if !both {
		s.must(os.Remove(s.path(g.plainName())))
	}
}

func (s *scribe) remove(seq uint64) {
	for _, name := range []string{s.segment(seq).plainName(), s.segment(seq).gzName(), s.segment(seq).timesName()} {
		if err := os.Remove(s.path(name)); err != nil && !os.IsNotExist(err) {
			s.t.Fatal(err)
		}
	}
}

// raw is all that was written.
func (s *scribe) raw() []byte {
	var all []byte
	for _, w := range s.wrote {
		all = append(all, w.data...)
	}
	return all
}

// entry is a Line that can be kept and compared.
type entry struct {
	time    int64
	output  output
	mark    uint32
	text    string
	part    bool
	dropped int64
	files   int
}

func (e entry) note() bool { return e.dropped > 0 || e.files > 0 }

func (e entry) String() string {
	return fmt.Sprintf("%d %s.%s #%d %q part:%v dropped:%d files:%d", e.time, e.output.name, e.output.suffix(), e.mark, e.text, e.part, e.dropped, e.files)
}

func entryOf(l Line) entry {
	return entry{
		time: l.Time.UnixNano(), output: output{l.Name, l.Stderr}, mark: l.Incarnation,
		text: string(l.Bytes), part: l.Part, dropped: l.Dropped, files: l.Files,
	}
}

// lines splits what was written, as plainly as can be.
func (s *scribe) lines() []entry {
	var all []entry
	var line *entry
	droppedIn := uint64(0)
	end := func(part bool) {
		if line != nil {
			line.part = part
			all = append(all, *line)
			line = nil
		}
	}
	for _, w := range s.wrote {
		if line != nil && (w.dropped > 0 || w.mark != line.mark) {
			end(false)
		}
		if w.dropped > 0 {
			if last := len(all) - 1; last >= 0 && all[last].dropped > 0 && all[last].mark == w.mark && all[last].part && droppedIn == w.seq {
				all[last].dropped += w.dropped
			} else {
				all = append(all, entry{time: w.time, output: s.output, mark: w.mark, dropped: w.dropped, part: true})
			}
			droppedIn = w.seq
			continue
		}
		for _, c := range w.data {
			if last := len(all) - 1; last >= 0 && all[last].note() {
				all[last].part = false // what is dropped from now on is another note
			}
			if line == nil {
				line = &entry{time: w.time, output: s.output, mark: w.mark}
			}
			if c == '\n' {
				end(false)
			} else {
				line.text += string([]byte{c})
			}
		}
	}
	end(true)
	for i := range all {
		all[i].part = all[i].part && !all[i].note()
	}
	return all
}

// merged is what several scribes wrote, in the order of time.
func merged(scribes []*scribe) []entry {
	var all []entry
	for _, s := range scribes {
		all = append(all, s.lines()...)
	}
	slices.SortStableFunc(all, func(a, b entry) int { return cmp.Compare(a.time, b.time) })
	return all
}

// scribble lets scribes write at random; after each step wrote is called.
func scribble(t *testing.T, random *rand.Rand, dir string, wrote func(name string)) []*scribe {
	all := []*scribe{newScribe(t, dir, "api", false), newScribe(t, dir, "api", true), newScribe(t, dir, "db", false), newScribe(t, dir, "db-2", false)}
	now := int64(1_700_000_000_000_000_000)
	for range 20 + random.IntN(120) {
		now += 1 + random.Int64N(1e9)
		s := all[random.IntN(len(all))]
		switch random.IntN(12) {
		case 0, 1:
			s.rotate()
		case 2:
			s.mark++
		case 3:
			s.drop(now, 1+random.Int64N(1000))
		case 4:
			if s.seq > 1 {
				s.compress(1+random.Uint64N(s.seq-1), random.IntN(4) == 0)
			}
		default:
			s.write(now, text(random), random.IntN(3) > 0)
		}
		wrote(s.name)
	}
	return all
}

// text is a few bytes in which ends of lines are frequent.
func text(random *rand.Rand) []byte {
	const letters = "\n\nabcdefgh\x00\xff"
	data := make([]byte, random.IntN(40))
	for i := range data {
		data[i] = letters[random.IntN(len(letters))]
	}
	return data
}
