package logs_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"coppice/configs"
	"coppice/supervisor/logs"
)

// line is a Line that can be kept.
type line struct {
	logs.Line
	text string
}

func (l line) String() string {
	if l.Part {
		return l.Name + " " + l.text + "…"
	}
	return l.Name + " " + l.text
}

func keep(l logs.Line) line { return line{l, string(l.Bytes)} }

func read(t *testing.T, dir string, q logs.Query) []line {
	t.Helper()
	var lines []line
	if err := logs.Read(dir, q, func(l logs.Line) error { lines = append(lines, keep(l)); return nil }); err != nil {
		t.Fatal(err)
	}
	return lines
}

func texts(lines []line) []string {
	var texts []string
	for _, l := range lines {
		texts = append(texts, l.String())
	}
	return texts
}

func expect(t *testing.T, got []line, want ...string) {
	t.Helper()
	if !slices.Equal(texts(got), want) {
		t.Errorf("read %q\nwant %q", texts(got), want)
	}
}

// say writes for a name and makes sure that it has arrived.
func say(t *testing.T, s *logs.Store, w *os.File, name, data string) {
	t.Helper()
	write(t, w, data)
	s.Drain(name)
}

func TestLinesOfSeveralNamesInOrderOfArrival(t *testing.T) {
	s, dir := open(t, nil)
	api, db := pipe(t, s, "api"), pipe(t, s, "db")
	begun := time.Now()
	say(t, s, api, "api", "1\n2\n")
	say(t, s, db, "db", "3\n4\n5\n")
	say(t, s, api, "api", "6\n")
	say(t, s, db, "db", "7\n\n8")
	want := []string{"api 1", "api 2", "db 3", "db 4", "db 5", "api 6", "db 7", "db ", "db 8…"}
	got := read(t, dir, logs.Query{Last: -1})
	expect(t, got, want...)
	for _, l := range got {
		if l.Time.Before(begun) || l.Time.After(time.Now()) {
			t.Errorf("%v arrived at %v", l, l.Time)
		}
	}
	for n := range 12 {
		expect(t, read(t, dir, logs.Query{Last: n}), want[max(0, len(want)-n):]...)
	}
	expect(t, read(t, dir, logs.Query{Last: -1, Names: []string{"api", "never"}}), "api 1", "api 2", "api 6")
	expect(t, read(t, dir, logs.Query{Last: 2, Names: []string{"api"}}), "api 2", "api 6")
	expect(t, read(t, filepath.Join(dir, "nowhere"), logs.Query{Last: -1}))

	// A line without an end is a line, also when it is the oldest.
	s, dir = open(t, nil)
	api, db = pipe(t, s, "api"), pipe(t, s, "db")
	say(t, s, api, "api", "1")
	say(t, s, db, "db", "2\n3\n")
	expect(t, read(t, dir, logs.Query{Last: 2}), "db 2", "db 3")
	expect(t, read(t, dir, logs.Query{Last: 3}), "api 1…", "db 2", "db 3")
}

func TestIncarnationsAreApart(t *testing.T) {
	s, dir := open(t, nil)
	for i := range 3 {
		w := pipe(t, s, "api")
		say(t, s, w, "api", fmt.Sprint("line\nno end ", i))
		w.Close()
		s.Drain("api")
	}
	want := []string{"api line", "api no end 0", "api line", "api no end 1", "api line", "api no end 2…"}
	expect(t, read(t, dir, logs.Query{Last: -1}), want...)
	if got := string(captured(t, dir, "api")); got != "line\nno end 0line\nno end 1line\nno end 2" {
		t.Errorf("captured %q", got)
	}
	// The next store goes on where this one was.
	s.Close()
	s, _ = openIn(t, dir, nil)
	w := pipe(t, s, "api")
	say(t, s, w, "api", "new\n")
	expect(t, read(t, dir, logs.Query{Last: -1}), append(want[:5:5], "api no end 2", "api new")...)
}

func TestLongLines(t *testing.T) {
	s, dir := open(t, nil)
	w := pipe(t, s, "api")
	long := strings.Repeat("0123456789abcdef", 10<<20/16) // 10 MB, no newline, then NULs
	go func() {
		w.WriteString("short\n" + long + "\x00\x00\nend\n")
		w.Close()
	}()
	arrived(t, s, "api", len(long)+12)
	got := read(t, dir, logs.Query{Last: -1})
	if len(got) != 1+10<<20/logs.LineMax+1+1 || got[0].text != "short" || got[len(got)-1].text != "end" {
		t.Fatalf("%d lines", len(got))
	}
	whole := ""
	for _, part := range got[1 : len(got)-1] {
		whole += part.text
		if len(part.text) > logs.LineMax {
			t.Errorf("a part of %d bytes", len(part.text))
		}
	}
	if whole != long+"\x00\x00" {
		t.Error("the parts are not the line")
	}
	if last := got[len(got)-2]; last.Part || !got[1].Part {
		t.Error("the last part goes on, or the first does not")
	}
	expect(t, read(t, dir, logs.Query{Last: 1}), "api end")
	if got := read(t, dir, logs.Query{Last: 2}); got[len(got)-1].text != "end" || len(got) > 4 {
		t.Errorf("the last 2 lines are %d pieces", len(got))
	}
}

func TestRawIsExact(t *testing.T) {
	s, dir := open(t, nil)
	random := rand.New(rand.NewPCG(1, 2))
	var want []byte
	for range 20 {
		w := pipe(t, s, "api")
		data := make([]byte, random.IntN(60_000))
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		say(t, s, w, "api", string(data))
		w.Close()
		want = append(want, data...)
	}
	var got []byte
	for _, chunk := range read(t, dir, logs.Query{Names: []string{"api"}, Last: -1, Raw: true}) {
		got = append(got, chunk.text...)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes read, want %d", len(got), len(want))
	}
	if err := logs.Read(dir, logs.Query{Raw: true}, nil); err == nil {
		t.Error("raw output of all names")
	}
	if err := logs.Read(dir, logs.Query{Names: []string{"../api"}}, nil); err == nil {
		t.Error("a name that leaves the folder")
	}
}

func TestErrorOfEmitEndsTheReading(t *testing.T) {
	s, dir := open(t, nil)
	w := pipe(t, s, "api")
	say(t, s, w, "api", "1\n2\n3\n")
	enough := errors.New("enough")
	calls := 0
	emit := func(logs.Line) error { calls++; return enough }
	if err := logs.Read(dir, logs.Query{Last: -1}, emit); err != enough || calls != 1 {
		t.Errorf("Read = %v after %d lines", err, calls)
	}
	if err := s.Follow(t.Context(), logs.Query{Last: -1}, emit); err != enough || calls != 2 {
		t.Errorf("Follow = %v after %d lines", err, calls)
	}
}

// Without its index, or with a damaged one, a log loses nothing but the times.
func TestDamagedIndex(t *testing.T) {
	s, dir := open(t, nil)
	w := pipe(t, s, "api")
	for i := range 100 {
		say(t, s, w, "api", fmt.Sprint(i, "\n"))
		s.Drain("other") // nobody's
	}
	s.Close()
	var want []string
	for i := range 100 {
		want = append(want, fmt.Sprint("api ", i))
	}
	times := filepath.Join(dir, "api", "000000001.log.times")
	whole, err := os.ReadFile(times)
	if err != nil || len(whole) == 0 {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		damaged := slices.Clone(whole[:random.IntN(len(whole)+1)])
		for range random.IntN(20) {
			if len(damaged) > 0 {
				damaged[random.IntN(len(damaged))] ^= 0xff
			}
		}
		if err := os.WriteFile(times, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		expect(t, read(t, dir, logs.Query{Last: -1}), want...)
		expect(t, read(t, dir, logs.Query{Last: 3}), want[97:]...)
	}
	if err := os.Remove(times); err != nil {
		t.Fatal(err)
	}
	got := read(t, dir, logs.Query{Last: -1})
	expect(t, got, want...)
	if since := time.Since(got[0].Time); since < 0 || since > time.Minute {
		t.Errorf("without an index the lines are %v old", since)
	}
}

// collector collects what a Follow emits, in another goroutine.
type collector struct {
	*testing.T
	lines chan line
}

func follow(t *testing.T, s *logs.Store, q logs.Query) *collector {
	c := &collector{t, make(chan line)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- s.Follow(ctx, q, func(l logs.Line) error {
			select {
			case c.lines <- keep(l):
			case <-ctx.Done():
			}
			return nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Follow = %v", err)
		}
	})
	return c
}

func (c *collector) expect(want ...string) {
	c.Helper()
	for _, w := range want {
		if got := <-c.lines; got.String() != w {
			c.Fatalf("followed %q, want %q", got, w)
		}
	}
}

func TestFollow(t *testing.T) {
	s, dir := open(t, nil)
	w := pipe(t, s, "api")
	say(t, s, w, "api", "1\n2\n3\n")
	c := follow(t, s, logs.Query{Last: 2})
	c.expect("api 2", "api 3")
	write(t, w, "4\n5")
	c.expect("api 4")
	write(t, w, " is long\n")
	c.expect("api 5 is long")

	// A name that speaks for the first time, and a restart of the first one.
	db := pipe(t, s, "db")
	write(t, db, "hello\n")
	c.expect("db hello")
	write(t, w, "last words")
	w.Close()
	s.Drain("api")
	w = pipe(t, s, "api")
	write(t, w, "born again\n")
	c.expect("api last words", "api born again")

	// The file is truncated, then replaced.
	current := filepath.Join(dir, "api", "000000001.log")
	s.Drain("api")
	if err := os.Truncate(current, 0); err != nil {
		t.Fatal(err)
	}
	write(t, w, "after the truncation\n")
	c.expect("api after the truncation")
	s.Drain("api")
	if err := os.Remove(current); err != nil {
		t.Fatal(err)
	}
	write(t, w, "a new file that is longer than the one before\n")
	c.expect("api a new file that is longer than the one before")
}

// A question without a newline is shown after a while, and what follows then.
func TestFollowShowsPartialLineInWallTime(t *testing.T) {
	s, _ := open(t, nil)
	w := pipe(t, s, "api")
	c := follow(t, s, logs.Query{Last: -1})
	write(t, w, "password: ")
	c.expect("api password: …")
	write(t, w, "thanks\n")
	c.expect("api thanks")
}

func TestFollowRawAndSomeNames(t *testing.T) {
	s, _ := open(t, nil)
	api, db := pipe(t, s, "api"), pipe(t, s, "db")
	c := follow(t, s, logs.Query{Names: []string{"api"}, Raw: true, Last: -1})
	write(t, db, "not this\n")
	s.Drain("db")
	write(t, api, "no newline")
	c.expect("api no newline")
	write(t, api, "\x00\n")
	c.expect("api \x00\n")
}

// Names that are forgotten before the end of the store are no trouble for it.
func TestForgottenAtTheEnd(t *testing.T) {
	dir := t.TempDir()
	s, err := logs.Open(dir, logs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := pipe(t, s, "api")
	write(t, w, "last words")
	s.Forget("api")
	w.Close()
	s.Close()
	if got := string(captured(t, dir, "api")); got != "last words" {
		t.Errorf("captured %q", got)
	}
}

func TestFollowEndsWithTheStore(t *testing.T) {
	dir := t.TempDir()
	s, err := logs.Open(dir, logs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := pipe(t, s, "api")
	got := make(chan string, 10)
	done := make(chan error)
	go func() {
		done <- s.Follow(t.Context(), logs.Query{Last: -1}, func(l logs.Line) error { got <- string(l.Bytes); return nil })
	}()
	write(t, w, "first\n")
	<-got
	write(t, w, "last words")
	s.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if text := <-got; text != "last words" {
		t.Errorf("followed %q", text)
	}
}

// FuzzIndex reads a log whose index is anything: all lines come, and it ends.
func FuzzIndex(f *testing.F) {
	dir := f.TempDir()
	s, err := logs.Open(dir, logs.Options{})
	if err != nil {
		f.Fatal(err)
	}
	for range 3 {
		o, err := s.Begin("api", configs.DefaultLog())
		if err != nil {
			f.Fatal(err)
		}
		o.Stdout.WriteString("one\ntwo")
		o.Close()
		s.Drain("api")
	}
	s.Close()
	whole, err := os.ReadFile(filepath.Join(dir, "api", "000000001.log.times"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add(append(whole[32:], whole...))
	f.Fuzz(func(t *testing.T, index []byte) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "api"), 0o700); err != nil {
			t.Fatal(err)
		}
		const text = "one\ntwoone\ntwoone\ntwo"
		os.WriteFile(filepath.Join(dir, "api", "000000001.log"), []byte(text), 0o600)
		os.WriteFile(filepath.Join(dir, "api", "000000001.log.times"), index, 0o600)
		for _, q := range []logs.Query{{Last: -1}, {Last: 2}, {Last: -1, Raw: true, Names: []string{"api"}}} {
			var got strings.Builder
			for _, l := range read(t, dir, q) {
				got.WriteString(l.text)
			}
			want := map[bool]string{true: text, false: strings.ReplaceAll(text, "\n", "")}[q.Raw]
			if q.Last < 0 && got.String() != want {
				t.Errorf("read %q", got.String())
			}
		}
	})
}
