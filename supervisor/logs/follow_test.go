package logs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice/configs"
)

// watchers is a Store of which there are only the followers.
func watchers(dir string) *Store {
	return &Store{dir: dir, followers: followers{ended: make(chan struct{})}}
}

// joined are the entries of one output as a reader sees them who does not mind in
// how many pieces they came.
func joined(all []entry, o output) []entry {
	var whole []entry
	for _, e := range all {
		if e.output != o {
			continue
		}
		last := len(whole) - 1
		switch {
		case last < 0:
		case e.note() && whole[last].note():
			whole[last].dropped += e.dropped
			continue
		case whole[last].part && !whole[last].note() && !e.note() && e.mark == whole[last].mark:
			whole[last].text += e.text
			whole[last].part = e.part
			continue
		}
		whole = append(whole, e)
	}
	for i := range whole {
		whole[i].part = false
	}
	return whole
}

// A follower sees the same, whatever is written, begun and compressed meanwhile,
// also one that is cut off now and then and goes on behind what it saw.
func TestFollowIsTheNaiveReading(t *testing.T) {
	for seed := range uint64(10) {
		random := rand.New(rand.NewPCG(seed, 8))
		dir := t.TempDir()
		s := watchers(dir)
		got := make(chan []entry)
		go func() { got <- followInPieces(t, s, rand.New(rand.NewPCG(seed, 9))) }()
		all := scribble(t, random, dir, func(name string) { s.followers.poke(name) })
		s.followers.end()
		seen := <-got
		for _, c := range all {
			same(t, "followed", joined(seen, c.output), joined(c.lines(), c.output))
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// followInPieces follows until the store ends, and lets go after a few lines each
// time.
func followInPieces(t *testing.T, s *Store, random *rand.Rand) (all []entry) {
	enough := errors.New("enough")
	at := map[output]Position{}
	begun := false
	for {
		q := Query{Last: -1, Announce: true}
		if begun {
			q.From = positions(t, at)
		}
		left := random.IntN(40)
		err := s.Follow(t.Context(), q, func(l Line) error {
			if l.Name == "" {
				begun = true
				return nil
			}
			if !l.Time.IsZero() {
				if left--; left < 0 {
					return enough
				}
				all = append(all, entryOf(l))
			}
			at[output{l.Name, l.Stderr}] = l.At
			return nil
		})
		if err == nil {
			return all
		}
		if !errors.Is(err, enough) {
			t.Error(err)
			return all
		}
	}
}

// numbered writes numbered lines.
func numbered(from, to int) []byte {
	var text bytes.Buffer
	for i := from; i < to; i++ {
		fmt.Fprintf(&text, "line %d\n", i)
	}
	return text.Bytes()
}

// lagging follows a name and takes a line only when it is asked for.
type lagging struct {
	*testing.T
	lines chan entry
}

func lag(t *testing.T, s *Store, q Query) lagging {
	l := lagging{t, make(chan entry)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- s.Follow(ctx, q, func(line Line) error {
			select {
			case l.lines <- entryOf(line):
			case <-ctx.Done():
			}
			return nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l
}

func (l lagging) expect(texts ...string) {
	l.Helper()
	for _, want := range texts {
		if got := <-l.lines; got.text != want || got.note() {
			l.Fatalf("followed %v, want %q", got, want)
		}
	}
}

// Files that are removed before a slow follower has read them are told, and what
// is left of the output follows.
func TestFollowerLagsBehindRemoval(t *testing.T) {
	dir := t.TempDir()
	s := watchers(dir)
	c := newScribe(t, dir, "api", false)
	long := strings.Repeat("x", 10*stepLong)
	c.write(1, []byte("one\n"+long+"\n"), true)
	l := lag(t, s, Query{Last: -1})
	l.expect("one")
	for i := range 5 {
		c.rotate()
		c.write(int64(i+2), fmt.Appendf(nil, "in file %d\n", c.seq), true)
	}
	for seq := range uint64(4) {
		c.remove(seq + 1)
	}
	s.followers.poke("api")
	// What it had in memory, and then what is still there.
	var notes entry
	for e := range l.lines {
		if e.text == "in file 5" {
			break
		}
		if notes.dropped += e.dropped; e.note() {
			notes.files += e.files
		} else if strings.Trim(e.text, "x") != "" {
			t.Fatalf("followed %v", e)
		}
	}
	if notes.files != 3 || notes.dropped <= 0 || notes.dropped > int64(len(long)) {
		t.Errorf("%d files and %d bytes are told to be missing", notes.files, notes.dropped)
	}
	l.expect("in file 6")
	// All is removed, and the numbers begin anew.
	c.remove(5)
	c.remove(6)
	c.seq = 0
	c.rotate()
	c.write(9, []byte("anew\n"), true)
	s.followers.poke("api")
	l.expect("anew")
}

// A file that is compressed while it is read goes on where it was.
func TestFollowerReadsOnInTheCompressedFile(t *testing.T) {
	dir := t.TempDir()
	s := watchers(dir)
	c := newScribe(t, dir, "api", false)
	data := numbered(0, 40_000)
	c.write(1, data[:10], true)
	l := lag(t, s, Query{Names: []string{"api"}, Raw: true, Last: -1})
	got := []byte((<-l.lines).text)
	c.write(2, data[10:len(data)-5], true)
	c.rotate()
	c.write(3, data[len(data)-5:], true)
	s.followers.poke("api")
	for len(got) < len(data) {
		if len(got) > len(data)/2 {
			c.compress(1, false)
		}
		got = append(got, (<-l.lines).text...)
	}
	if !bytes.Equal(got, data) {
		t.Errorf("%d bytes differ from the %d that were written", len(got), len(data))
	}
}

// The front of a file that was given back to the file system is not there: reading
// begins at the next line, and a follower is told what it missed.
func TestFrontThatWasGivenBack(t *testing.T) {
	dir := t.TempDir()
	s := watchers(dir)
	c := newScribe(t, dir, "api", false)
	data := numbered(0, 20_000)
	c.write(1, data, true)
	path := c.path(c.segment(1).plainName())
	l := lag(t, s, Query{Last: -1})
	l.expect("line 0")
	const hole = 128 << 10
	punch(t, path, hole)
	first := bytes.IndexByte(data[hole-1:], '\n') + hole
	want := strings.TrimSuffix(string(data[first:first+bytes.IndexByte(data[first:], '\n')]), "\n")

	got, _ := readAll(t, dir, Query{Last: -1})
	if got[0].text != want || len(got) != bytes.Count(data[first:], []byte("\n")) {
		t.Errorf("%d lines from %q, want %d from %q", len(got), got[0].text, bytes.Count(data[first:], []byte("\n")), want)
	}
	got, _ = readAll(t, dir, Query{Last: 3})
	if len(got) != 3 || got[0].text != "line 19997" {
		t.Errorf("the last lines are %v", got)
	}
	got, _ = readAll(t, dir, Query{Last: 100_000})
	if got[0].text != want {
		t.Errorf("of all lines the first is %v", got[0])
	}
	got, _ = readAll(t, dir, Query{Last: -1, From: []Position{{Name: "api", Seq: 1, Offset: 7}}})
	if got[0].dropped != int64(first-7) || got[1].text != want {
		t.Errorf("behind a position: %v, %v; want %d bytes missing", got[0], got[1], first-7)
	}
	missing := int64(0)
	for e := range l.lines {
		if missing += e.dropped; missing > 0 && !e.note() {
			if e.text != want {
				t.Errorf("the follower goes on with %v, want %q", e, want)
			}
			break
		}
	}
	if missing > int64(first) {
		t.Errorf("%d bytes are told to be missing of %d", missing, first)
	}
}

func punch(t *testing.T, path string, bytes int64) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	err = unix.Fallocate(int(file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, bytes)
	if errors.Is(err, unix.EOPNOTSUPP) {
		t.Skip("this file system cannot give back a part of a file")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A compressed file that is damaged gives what can be read of it, and what follows.
func TestDamagedCompressedFile(t *testing.T) {
	dir := t.TempDir()
	c := newScribe(t, dir, "api", false)
	c.write(1, numbered(0, 20_000), true)
	c.rotate()
	c.write(2, []byte("next\n"), true)
	c.compress(1, false)
	path := c.path(c.segment(1).gzName())
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, damaged := range [][]byte{whole[:len(whole)/2], whole[:5], {}, whole[:len(whole)-1], append([]byte("x"), whole...)} {
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		got, _ := readAll(t, dir, Query{Last: -1})
		if got[len(got)-1].text != "next" {
			t.Errorf("of %d bytes: %v", len(damaged), got[len(got)-1])
		}
		if len(damaged) > 100 && (len(got) < 2 || !got[len(got)-2].note()) {
			t.Errorf("of %d bytes: nothing tells that something is missing, in %d entries", len(damaged), len(got))
		}
		if got, _ = readAll(t, dir, Query{Last: 1}); len(got) != 1 || got[0].text != "next" {
			t.Errorf("of %d bytes, the last line: %v", len(damaged), got)
		}
	}
}

// The store itself: a follower in lines and one in bytes see all of an output that
// is rotated every few lines, and compressed.
func TestFollowOverRotation(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	how := configs.Log{MaxSize: 4 << 10, MaxFiles: 10_000, Compress: true}
	data := numbered(0, 30_000)
	raw := lag(t, s, Query{Names: []string{"api"}, Raw: true, Last: -1})
	lines := lag(t, s, Query{Last: -1})
	written := make(chan error, 1)
	go func() {
		for at := 0; at < len(data); at += len(data) / 3 {
			o, err := s.Begin("api", how)
			if err != nil {
				written <- err
				return
			}
			_, err = o.Stdout.Write(data[at:min(len(data), at+len(data)/3)])
			o.Close()
			if s.Drain("api"); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	// Each incarnation ends within a line, so the pieces are not the lines.
	var text, all []byte
	for len(text) < len(data) || len(all) < len(data) {
		select {
		case e := <-raw.lines:
			text = append(text, e.text...)
		case e := <-lines.lines:
			if all = append(all, e.text...); len(all) < len(data) && data[len(all)] == '\n' && !e.part {
				all = append(all, '\n')
			}
		}
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, data) {
		t.Error("the bytes differ")
	}
	if !bytes.Equal(all, data) {
		t.Error("the lines differ")
	}
	s.Close()
	if files, _ := filepath.Glob(filepath.Join(dir, "api", "*.log*")); len(files) < 20 {
		t.Errorf("only %d files", len(files))
	}
	if got, _ := readAll(t, dir, Query{Names: []string{"api"}, Last: 2}); !strings.HasSuffix("line 29999", got[1].text) {
		t.Errorf("the last line is %v", got[1])
	}
}

// A line that never ends costs a bounded piece of memory, and all of it is shown.
func TestLineWithoutEndOverFiles(t *testing.T) {
	dir := t.TempDir()
	c := newScribe(t, dir, "api", false)
	var want strings.Builder
	for i := range 30 {
		piece := strings.Repeat(string(rune('a'+i%26)), 10_000)
		c.write(int64(i+1), []byte(piece), true)
		want.WriteString(piece)
		c.rotate()
		if i%3 > 0 {
			c.compress(c.seq-1, false)
		}
	}
	c.write(99, []byte("é\n"), true)
	want.WriteString("é")
	var got strings.Builder
	err := Read(dir, Query{Last: -1}, func(l Line) error {
		if len(l.Bytes) > LineMax {
			t.Errorf("a piece of %d bytes", len(l.Bytes))
		}
		got.Write(l.Bytes)
		return nil
	})
	if err != nil || got.String() != want.String() {
		t.Errorf("%d bytes, want %d: %v", got.Len(), want.Len(), err)
	}
	last, _ := readAll(t, dir, Query{Last: 1})
	if len(last) == 0 || len(last) > 3 || !strings.HasSuffix(last[len(last)-1].text, "é") || last[len(last)-1].part {
		t.Errorf("the last line comes in %d pieces", len(last))
	}
}

func TestPositionsThatAreNone(t *testing.T) {
	for _, text := range []string{
		"", "api", "api@", "api@1", "api@0:0", "api@1:-1", "api@1:x", "api@x:1", "../api@1:1", "@1:1", "api:out@1:1",
		"api@1:1+", "api@1:1+0", "api@1:1+-1", "api@1:99999999999999999999", "api@99999999999999999999:1", "api@1:1\n",
	} {
		if p, err := ParsePosition(text); err == nil {
			t.Errorf("%q is %+v", text, p)
		}
	}
}

// A place that is not there any more, or never was, is no error.
func TestPositionsOfNothing(t *testing.T) {
	dir := t.TempDir()
	c := newScribe(t, dir, "api", false)
	for range 4 {
		c.write(time.Now().UnixNano(), fmt.Appendf(nil, "in file %d\n", c.seq), true)
		c.rotate()
	}
	c.remove(1)
	c.remove(2)
	for _, test := range []struct {
		at    Position
		files int
		texts string
	}{
		{Position{Name: "api", Seq: 1, Offset: 3}, 2, "in file 3,in file 4"},
		{Position{Name: "api", Seq: 2, Offset: 10}, 1, "in file 3,in file 4"},
		{Position{Name: "api", Seq: 3, Offset: 10}, 0, "in file 4"},
		{Position{Name: "api", Seq: 3, Offset: 999}, 0, "in file 4"},
		{Position{Name: "api", Seq: 77, Offset: 10}, 0, ""},
		{Position{Name: "nobody", Seq: 1, Offset: 10}, 0, "in file 3,in file 4"},
	} {
		got, _ := readAll(t, dir, Query{From: []Position{test.at}})
		files := 0
		var texts []string
		for _, e := range got {
			if files += e.files; !e.note() {
				texts = append(texts, e.text)
			}
		}
		if strings.Join(texts, ",") != test.texts || files != test.files {
			t.Errorf("from %v: %q and %d files missing, want %q and %d", test.at, texts, files, test.texts, test.files)
		}
	}
}
