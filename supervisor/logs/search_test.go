package logs_test

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"

	"coppice/configs"
	"coppice/supervisor/logs"
)

// found says whether a search has found what it looks for, once the store has
// moved what was written.
func found(t *testing.T, s *logs.Store, f *logs.Search) bool {
	t.Helper()
	s.Drain("api")
	ok, err := f.Found(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

var ready = regexp.MustCompile(`^listening on \d+$`)

// What an earlier incarnation has written, or goes on to write, does not count; what
// the present one does is found in lines of any length and across files.
func TestSearch(t *testing.T) {
	small := configs.DefaultLog()
	small.MaxSize = 64 << 10
	split := small
	split.Split = true
	for name, how := range map[string]configs.Log{"together": small, "split": split} {
		t.Run(name, func(t *testing.T) {
			s, _ := open(t, nil)
			before, err := s.Begin("api", how)
			if err != nil {
				t.Fatal(err)
			}
			defer before.Close()
			write(t, before.Stdout, "listening on 1\nlistening on 2")
			s.Drain("api")
			now, err := s.Begin("api", how)
			if err != nil {
				t.Fatal(err)
			}
			defer now.Close()
			f := s.Search("api", ready)
			write(t, before.Stdout, "\nlistening on 3\n")
			write(t, now.Stdout, "not listening on 4\n")
			if found(t, s, f) {
				t.Fatal("found what does not count")
			}
			for range 300 {
				write(t, now.Stdout, strings.Repeat("x", 1000))
				s.Drain("api")
			}
			write(t, now.Stdout, "\n")
			if found(t, s, f) {
				t.Fatal("found what is not there")
			}
			write(t, now.Stderr, "listening ")
			if found(t, s, f) {
				t.Fatal("found half a line")
			}
			write(t, now.Stderr, "on 5")
			for range 2 {
				if !found(t, s, f) {
					t.Error("did not find a line without an end")
				}
			}
			if mark := now.Readers[0].Mark; !found(t, s, s.SearchAll("api", mark, ready)) || found(t, s, s.SearchAll("api", mark+1, ready)) {
				t.Error("did not find it from the beginning on, and only there")
			}
		})
	}
}

// A match is found at the end of a line that is far longer than what is kept of it.
func TestSearchInLongLine(t *testing.T) {
	s, _ := open(t, nil)
	out, err := s.Begin("api", configs.DefaultLog())
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	f := s.Search("api", regexp.MustCompile("nee+dle"))
	for range 80 {
		write(t, out.Stdout, strings.Repeat("hay ", 8<<10))
		if found(t, s, f) {
			t.Fatal("found what is not there")
		}
	}
	write(t, out.Stdout, "nee")
	if found(t, s, f) {
		t.Fatal("found half of it")
	}
	write(t, out.Stdout, "eedle and more")
	if !found(t, s, f) {
		t.Error("not found")
	}
}

// A process that writes its file itself is searched too, also by another store.
func TestSearchDirect(t *testing.T) {
	dir := t.TempDir()
	s, _ := openIn(t, dir, nil)
	how := configs.DefaultLog()
	how.Direct = true
	begin := func() *os.File {
		out, err := s.Begin("api", how)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(out.Close)
		return out.Stdout
	}
	write(t, begin(), "listening on 1\n")
	out := begin()
	f := s.Search("api", ready)
	write(t, out, "not yet\n")
	if found(t, s, f) {
		t.Fatal("found what does not count")
	}
	write(t, out, "listening on 2\n")
	if !found(t, s, f) || !found(t, s, s.SearchAll("api", 0, ready)) {
		t.Error("not found")
	}
	s.Close()
	if other, _ := openIn(t, dir, nil); !found(t, other, other.SearchAll("api", 0, ready)) {
		t.Error("another store does not find it")
	}
}
