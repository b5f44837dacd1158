package logs

import (
	"os"
	"strings"
	"testing"
)

// FuzzRecords reads a log whose index has sound records of anything: all of the
// text comes, and behind each line what is left of it.
func FuzzRecords(f *testing.F) {
	f.Add([]byte{0, 1, 1, 0, 7, 2, 2, 0, 14, 3, 3, 0})
	f.Add([]byte{0, 1, 1, 0, 7, 2, 1, 1, 7, 3, 1, 1, 7, 4, 2, 0, 20, 5, 2, 1})
	f.Add([]byte{9, 9, 1, 0, 3, 1, 2, 0, 3, 0, 1, 0, 255, 1, 1, 1})
	f.Fuzz(func(t *testing.T, fields []byte) {
		const text = "one\ntwoone\ntwoone\ntwo"
		dir := t.TempDir()
		c := newScribe(t, dir, "api", false)
		for seq := range 2 {
			c.add(c.segment(c.seq).plainName(), []byte(text))
			for ; len(fields) >= 4; fields = fields[4:] {
				if fields[0] == 254 {
					fields = fields[1:]
					break // the rest is the next file's
				}
				c.note(record{offset: int64(fields[0]), time: int64(fields[1]), length: uint32(fields[1]), mark: uint32(fields[2]), kind: uint32(fields[3])})
			}
			if seq == 0 {
				c.rotate()
			}
		}
		c.compress(1, false)
		all, behind := readAll(t, dir, Query{Last: -1})
		whole := strings.ReplaceAll(text+text, "\n", "")
		if got := textOf(all); got != whole {
			t.Errorf("read %q", got)
		}
		for i, at := range behind {
			rest, _ := readAll(t, dir, Query{From: positions(t, at)})
			if got, want := textOf(rest), whole[len(textOf(all[:i+1])):]; got != want {
				t.Errorf("behind entry %d: %q, want %q", i, got, want)
			}
		}
		readAll(t, dir, Query{Last: 2})
	})
}

// FuzzPacked reads a compressed file that is anything: it ends, and what follows
// is there.
func FuzzPacked(f *testing.F) {
	dir := f.TempDir()
	c := newScribe(f, dir, "api", false)
	c.write(1, numbered(0, 100), true)
	c.compress(1, true)
	whole, err := os.ReadFile(c.path(c.segment(1).gzName()))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, packed []byte) {
		dir := t.TempDir()
		c := newScribe(t, dir, "api", false)
		c.remove(1)
		if err := os.WriteFile(c.path(c.segment(1).gzName()), packed, 0o600); err != nil {
			t.Fatal(err)
		}
		c.rotate()
		c.write(1, []byte("\nnext\n"), true)
		for _, q := range []Query{{Last: -1}, {Last: 1}, {Last: 1000}} {
			if all, _ := readAll(t, dir, q); len(all) == 0 || all[len(all)-1].text != "next" {
				t.Errorf("last %d: %v", q.Last, all)
			}
		}
	})
}

func textOf(all []entry) string {
	var text strings.Builder
	for _, e := range all {
		text.WriteString(e.text)
	}
	return text.String()
}
