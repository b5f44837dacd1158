package logs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"coppice/configs"
	"coppice/supervisor/logs"
	"coppice/tree"
)

// rotating is a log of small files.
func rotating(size int64, files int) configs.Log { return configs.Log{MaxSize: size, MaxFiles: files} }

// logFiles are the log files of a stream, the oldest first.
func logFiles(t *testing.T, dir, name, stream string) []string {
	t.Helper()
	return slices.DeleteFunc(files(t, dir, name), func(file string) bool {
		return !strings.HasSuffix(strings.TrimSuffix(file, ".gz"), "."+stream) || strings.HasPrefix(file, "current")
	})
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for begun := time.Now(); !so(); {
		if time.Since(begun) > time.Minute {
			t.Fatalf("it never was so: %s", what)
		}
		<-time.After(time.Millisecond)
	}
}

func numbered(n int) string {
	var all strings.Builder
	for i := range n {
		fmt.Fprintf(&all, "line %d %s\n", i, strings.Repeat("x", i*7%150))
	}
	return all.String()
}

// Files are begun at the end of a line, however the lines arrive, and the last of
// them are kept.
func TestRotation(t *testing.T) {
	for _, step := range []int{1 << 20, 5000, 100, 33} {
		s, dir := open(t, nil)
		how := rotating(4096, 3)
		w := pipeAs(t, s, "api", how)
		all := numbered(1000)
		for rest := all; rest != ""; {
			n := min(step, len(rest))
			write(t, w, rest[:n])
			if rest = rest[n:]; step < 1<<20 {
				s.Drain("api")
			}
		}
		s.Drain("api")
		got := string(captured(t, dir, "api"))
		if !strings.HasSuffix(all, got) || len(got) < 2*4096 || got[:5] != "line " {
			t.Errorf("%d bytes at once: %d bytes are left, which begin with %q", step, len(got), got[:20])
		}
		if names := logFiles(t, dir, "api", "log"); len(names) != 3 {
			t.Errorf("%d bytes at once: the files are %v", step, names)
		}
		checkFiles(t, dir, "api", how)
	}
}

// Retention removes nothing but what it is for: with enough files all is there.
func TestRotationLosesNothing(t *testing.T) {
	s, dir := open(t, nil)
	w := pipeAs(t, s, "api", rotating(4096, 1000))
	all := numbered(5000)
	write(t, w, all)
	s.Drain("api")
	if got := string(captured(t, dir, "api")); got != all {
		t.Errorf("%d bytes captured, want %d", len(got), len(all))
	}
	if names := logFiles(t, dir, "api", "log"); len(names) < len(all)/4500 {
		t.Errorf("only %d files", len(names))
	}
}

// A line that does not end goes over the end of a file, and is whole again when
// files are read one after the other.
func TestLineWithoutEnd(t *testing.T) {
	s, dir := open(t, nil)
	w := pipeAs(t, s, "api", rotating(4096, 100))
	all := "first\n" + strings.Repeat("x", 50_000) + "\nlast\n"
	write(t, w, all)
	s.Drain("api")
	if got := string(captured(t, dir, "api")); got != all {
		t.Errorf("%d bytes captured, want %d", len(got), len(all))
	}
	for _, file := range logFiles(t, dir, "api", "log") {
		if info, err := os.Stat(filepath.Join(dir, "api", file)); err != nil || info.Size() > 2*4096 {
			t.Errorf("%s has %d bytes (%v)", file, info.Size(), err)
		}
	}
}

// Stores that come and go begin no file without need.
func TestNoFileWithoutNeed(t *testing.T) {
	dir := t.TempDir()
	for range 5 {
		s, err := logs.Open(dir, logs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		o, err := s.Begin("api", rotating(4096, 8))
		if err != nil {
			t.Fatal(err)
		}
		silent, err := s.Begin("silent", rotating(4096, 8))
		if err != nil {
			t.Fatal(err)
		}
		silent.Close()
		write(t, o.Stdout, strings.Repeat("x", 100)+"\n")
		o.Close()
		s.Drain("api")
		s.Drain("silent")
		s.Close()
	}
	if names := files(t, dir, "api"); !slices.Equal(names, []string{"000000001.log", "000000001.log.times", "current"}) {
		t.Errorf("the files are %v", names)
	}
	if names := files(t, dir, "silent"); names != nil {
		t.Errorf("the files of one that never spoke are %v", names)
	}
}

func TestSplit(t *testing.T) {
	s, dir := open(t, nil)
	how := configs.DefaultLog()
	how.Split = true
	o, err := s.Begin("api", how)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Readers) != 2 || o.Readers[0].Stream != "log" || o.Readers[1].Stream != "err" || o.Readers[0].Mark != o.Readers[1].Mark {
		t.Errorf("the readers are %+v", o.Readers)
	}
	write(t, o.Stdout, "out\n")
	write(t, o.Stderr, "err\n")
	o.Close()
	s.Drain("api")
	if out, err := stream(t, dir, "api", "log"), stream(t, dir, "api", "err"); string(out) != "out\n" || string(err) != "err\n" {
		t.Errorf("captured %q and %q", out, err)
	}
	if target, err := os.Readlink(filepath.Join(dir, "api", "current.err")); target != "000000001.err" {
		t.Errorf("current.err leads to %q (%v)", target, err)
	}
	s.Drain("api")
	next, err := s.Begin("api", how)
	if err != nil || next.Readers[0].Mark != 2 {
		t.Fatalf("the next incarnation is %+v (%v)", next, err)
	}
	next.Close()
}

// Files that are too old are followed by the next one and, later, removed, though
// nothing happens.
func TestAge(t *testing.T) {
	s, dir := open(t, nil)
	how := rotating(1<<20, 8)
	how.MaxAge = 3 * tree.Second / 10
	w := pipeAs(t, s, "api", how)
	begun := time.Now()
	write(t, w, "old\n")
	eventually(t, "a next file is begun", func() bool {
		return slices.Contains(files(t, dir, "api"), "000000002.log")
	})
	if took := time.Since(begun); took < 300*time.Millisecond {
		t.Errorf("the next file is begun after %v", took)
	}
	eventually(t, "the old file is removed", func() bool {
		return slices.Equal(files(t, dir, "api"), []string{"000000002.log", "current"})
	})
	write(t, w, "without an end")
	eventually(t, "a file without the end of a line is closed too", func() bool {
		return slices.Equal(files(t, dir, "api"), []string{"000000003.log", "current"})
	})
}

// A store that finds old files removes them when it first writes.
func TestAgeOfWhatIsFound(t *testing.T) {
	dir := t.TempDir()
	place(t, dir, map[string]string{
		"000000001.log": "1\n", "000000001.log.times": "", "000000002.log": "2\n", "000000003.log": "3\n", "000000004.log": "4\n",
	})
	old := time.Now().Add(-2 * time.Hour)
	for _, file := range []string{"000000001.log", "000000002.log"} {
		if err := os.Chtimes(filepath.Join(dir, "api", file), old, old); err != nil {
			t.Fatal(err)
		}
	}
	s, _ := openIn(t, dir, nil)
	how := rotating(1<<20, 8)
	how.MaxAge = 3600 * tree.Second
	w := pipeAs(t, s, "api", how)
	write(t, w, "new\n")
	s.Drain("api")
	if got := string(captured(t, dir, "api")); got != "3\n4\nnew\n" {
		t.Errorf("captured %q", got)
	}
}

// place makes the folder of "api" as it is wanted.
func place(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "api"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, "api", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// What an older layout, or a kill, has left is brought in order.
func TestWhatIsFound(t *testing.T) {
	for what, c := range map[string]struct{ found, want map[string]string }{
		"an older layout": {
			map[string]string{"current": "old\n", "current.times": ""},
			map[string]string{"000000001.log": "old\nnew\n"},
		},
		"an older layout, begun to be moved": {
			map[string]string{"current": "old\n", "000000001.log.times": ""},
			map[string]string{"000000001.log": "old\nnew\n"},
		},
		"an older layout behind files": {
			map[string]string{"000000007.log": "older\n", "current": "old\n"},
			map[string]string{"000000007.log": "older\n", "000000008.log": "old\nnew\n"},
		},
		"a file that was being compressed": {
			map[string]string{"000000001.log": "1\n", "000000001.log.gz.tmp": "half", "000000002.log": "2\n"},
			map[string]string{"000000001.log": "1\n", "000000002.log": "2\nnew\n"},
		},
		"a file that was compressed and not yet removed": {
			map[string]string{"000000001.log": "1\n", "000000001.log.gz": "whole", "000000002.log": "2\n"},
			map[string]string{"000000001.log.gz": "whole", "000000002.log": "2\nnew\n"},
		},
		"compressed files alone": {
			map[string]string{"000000003.log.gz": "whole"},
			map[string]string{"000000003.log.gz": "whole", "000000004.log": "new\n"},
		},
		"indexes of nothing": {
			map[string]string{"000000003.log.times": "", "000000002.log": "2\n"},
			map[string]string{"000000002.log": "2\nnew\n"},
		},
		"too many files": {
			map[string]string{"000000001.log": "1\n", "000000002.log": "2\n", "000000003.log": "3\n", "000000004.log": "4\n"},
			map[string]string{"000000003.log": "3\n", "000000004.log": "4\nnew\n"},
		},
		"files of others": {
			map[string]string{"0000001.log": "x", "000000001.txt": "x", "000000000.log": "x"},
			map[string]string{"0000001.log": "x", "000000001.txt": "x", "000000000.log": "x", "000000001.log": "new\n"},
		},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			place(t, dir, c.found)
			s, _ := openIn(t, dir, nil)
			w := pipeAs(t, s, "api", rotating(1<<20, 2))
			write(t, w, "new\n")
			s.Drain("api")
			got := map[string]string{}
			for _, file := range files(t, dir, "api") {
				if data, err := os.ReadFile(filepath.Join(dir, "api", file)); err == nil && file != "current" && !strings.HasSuffix(file, ".times") {
					got[file] = string(data)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("there is %v, want %v", got, c.want)
			}
		})
	}
}

// Another log for the next incarnation holds for the files that there are.
func TestAnotherLog(t *testing.T) {
	s, dir := open(t, nil)
	w := pipeAs(t, s, "api", rotating(4096, 100))
	write(t, w, numbered(500))
	s.Drain("api")
	next := pipeAs(t, s, "api", rotating(4096, 2))
	write(t, next, "next\n")
	s.Drain("api")
	if names := logFiles(t, dir, "api", "log"); len(names) != 2 {
		t.Errorf("the files are %v", names)
	}
}

// All names together take no more than they may, but for the files that are
// written; the oldest go first.
func TestMaxTotal(t *testing.T) {
	const total = 200 << 10
	dir := t.TempDir()
	s := openWith(t, dir, logs.Options{MaxTotal: total})
	for i := range 10 {
		name := fmt.Sprint("p", i)
		w := pipeAs(t, s, name, rotating(16<<10, 100))
		for range 4 {
			write(t, w, numbered(500))
			s.Drain(name)
		}
	}
	eventually(t, "the total is kept", func() bool { return used(t, dir) <= total+10*(20<<10) })
	for i := range 10 {
		if newest := logFiles(t, dir, fmt.Sprint("p", i), "log"); len(newest) == 0 {
			t.Errorf("p%d has lost the file that is written", i)
		}
	}
	if names := logFiles(t, dir, "p0", "log"); len(names) != 1 {
		t.Errorf("the oldest files are still there: %v", names)
	}
	if names := logFiles(t, dir, "p9", "log"); len(names) < 3 {
		t.Errorf("of the newest files only %v are there", names)
	}
}

// used is how many bytes are in all log files.
func used(t *testing.T, dir string) (bytes int64) {
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		for _, file := range files(t, dir, name.Name()) {
			if info, err := os.Stat(filepath.Join(dir, name.Name(), file)); err == nil && file != "current" {
				bytes += info.Size()
			}
		}
	}
	return bytes
}
