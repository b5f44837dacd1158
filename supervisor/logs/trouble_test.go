package logs_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice/supervisor/logs"
)

// told is a call of what OnTrouble was given.
type told struct {
	name string
	err  error
}

// openWatched makes a store whose troubles are told.
func openWatched(t *testing.T, dir string) (*logs.Store, <-chan told) {
	t.Helper()
	troubles := make(chan told, 100)
	return openWith(t, dir, logs.Options{OnTrouble: func(name string, err error) { troubles <- told{name, err} }}), troubles
}

// A full disk: the bytes stay in the pipe, other children go on, and nothing is
// lost once there is room again.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skip("mounting a small tmpfs needs root: ", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 128<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	s, troubles := openWatched(t, dir)

	w := pipe(t, s, "api")
	want := strings.Repeat("a line of the child that fills the disk\n", 4500) // 180 kB
	written := make(chan struct{})
	go func() {
		defer close(written)
		w.WriteString(want)
		w.Close()
	}()
	if got := <-troubles; got.name != "api" || got.err == nil || !strings.Contains(got.err.Error(), "no space left") {
		t.Fatalf("told %v", got)
	}
	s.Drain("api") // returns, with nothing done
	if got := captured(t, dir, "api"); !strings.HasPrefix(want, string(got)) {
		t.Fatal("what is captured is not the beginning of what was written")
	}

	// Another child can still start, and its output is not lost either.
	other := pipe(t, s, "other")
	write(t, other, "other\n")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	for resumed := false; !resumed; {
		got := <-troubles
		resumed = got.name == "api" && got.err == nil
	}
	<-written
	arrived(t, s, "api", len(want))
	arrived(t, s, "other", len("other\n"))
	s.Drain("api")
	if got := string(captured(t, dir, "api")); got != want {
		t.Errorf("%d bytes captured, want %d", len(got), len(want))
	}
	if got := string(captured(t, dir, "other")); got != "other\n" {
		t.Errorf("captured %q", got)
	}
}

// What stands in the place of a log file is not written to, nor waited for: the
// next number is taken.
func TestNotALogFile(t *testing.T) {
	s, dir := open(t, nil)
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, place := range map[string]func(path string) error{
		"link":   func(path string) error { return os.Symlink(victim, path) },
		"fifo":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"folder": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"000000001.log", "000000002.log.times", "current"} {
			if err := place(filepath.Join(dir, name, file)); err != nil {
				t.Fatal(err)
			}
		}
		w := pipe(t, s, name)
		write(t, w, "hello\n")
		s.Drain(name)
		if got, err := os.ReadFile(filepath.Join(dir, name, "000000002.log")); string(got) != "hello\n" {
			t.Errorf("%s: captured %q (%v)", name, got, err)
		}
	}
	if data, _ := os.ReadFile(victim); len(data) > 0 {
		t.Errorf("written through a link: %q", data)
	}
}

// A folder that cannot be made stops nothing, and heals.
func TestNotALogFolder(t *testing.T) {
	dir := t.TempDir()
	s, troubles := openWatched(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "api"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w := pipe(t, s, "api")
	write(t, w, "hello\n")
	if got := <-troubles; got.name != "api" || got.err == nil {
		t.Fatalf("told %v", got)
	}
	if err := os.Remove(filepath.Join(dir, "api")); err != nil {
		t.Fatal(err)
	}
	if got := <-troubles; got.name != "api" || got.err != nil {
		t.Fatalf("told %v", got)
	}
	arrived(t, s, "api", len("hello\n"))
}

// newest is what is in the file of a name with the highest number.
func newest(t *testing.T, dir, name string) string {
	t.Helper()
	path := ""
	for _, file := range files(t, dir, name) {
		if strings.HasSuffix(file, ".log") {
			path = filepath.Join(dir, name, file)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// After a log file is deleted or renamed, or its whole folder deleted, the next one
// is begun; one that is truncated is written on. Drain closes the files, so the
// next bytes see it.
func TestFileIsTakenAway(t *testing.T) {
	s, dir := open(t, nil)
	w := pipe(t, s, "api")
	current := filepath.Join(dir, "api", "current")
	live := func() string {
		path, err := filepath.EvalSymlinks(current)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	for what, do := range map[string]func() error{
		"deleted":         func() error { return os.Remove(live()) },
		"renamed":         func() error { return os.Rename(live(), current+".old") },
		"truncated":       func() error { return os.Truncate(current, 0) },
		"folder deleted":  func() error { return os.RemoveAll(filepath.Join(dir, "api")) },
		"all deleted":     func() error { return os.RemoveAll(dir) },
		"pointer deleted": func() error { return errors.Join(os.Truncate(current, 0), os.Remove(current)) },
	} {
		write(t, w, "before, and rather long\n")
		write(t, w, "before\n")
		s.Drain("api")
		if err := do(); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		write(t, w, "after\n")
		s.Drain("api")
		if got := newest(t, dir, "api"); got != "after\n" {
			t.Errorf("%s: captured %q", what, got)
		}
		if got, err := os.ReadFile(current); string(got) != "after\n" {
			t.Errorf("%s: current is %q (%v)", what, got, err)
		}
		lines := read(t, dir, logs.Query{Last: 1})
		if len(lines) != 1 || lines[0].text != "after" || lines[0].Time.Before(begun) {
			t.Errorf("%s: read %v", what, lines)
		}
	}
}

// A file that is truncated or deleted while it is open is noticed by the next
// bytes that come later than a millisecond after others.
func TestFileIsTakenAwayUnderAFlood(t *testing.T) {
	s, dir := open(t, nil)
	stop := flood(t, s, "flood")
	defer stop()
	arrived(t, s, "flood", 1<<20)
	if err := os.Remove(filepath.Join(dir, "flood", "000000001.log")); err != nil {
		t.Fatal(err)
	}
	for len(files(t, dir, "flood")) == 0 || !slices.Contains(files(t, dir, "flood"), "000000002.log") {
		runtime.Gosched()
	}
}

// A file that nobody may write (chattr +i) is followed by the next one.
func TestImmutableFile(t *testing.T) {
	s, dir := open(t, nil)
	w := pipe(t, s, "api")
	write(t, w, "before\n")
	s.Drain("api")
	live := filepath.Join(dir, "api", "000000001.log")
	if out, err := exec.Command("chattr", "+i", live).CombinedOutput(); err != nil {
		t.Skipf("chattr does not work here: %v %s", err, out)
	}
	defer exec.Command("chattr", "-i", live).Run()
	write(t, w, "after\n")
	s.Drain("api")
	if got := string(captured(t, dir, "api")); got != "before\nafter\n" {
		t.Errorf("captured %q", got)
	}
}

// A follower that does not read costs nobody anything.
func TestSlowFollower(t *testing.T) {
	s, dir := open(t, nil)
	w := pipe(t, s, "api")
	write(t, w, "first\n")
	stuck, release := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan int)
	go func() {
		lines := 0
		s.Follow(ctx, logs.Query{Last: -1}, func(logs.Line) error {
			if lines++; lines == 1 {
				close(stuck)
				<-release
			}
			if lines == 10_001 {
				cancel()
			}
			return nil
		})
		got <- lines
	}()
	<-stuck
	for range 10_000 {
		write(t, w, "line\n")
	}
	s.Drain("api")
	if got := len(captured(t, dir, "api")); got != len("first\n")+10_000*len("line\n") {
		t.Errorf("%d bytes captured", got)
	}
	close(release)
	if lines := <-got; lines != 10_001 {
		t.Errorf("%d lines followed", lines)
	}
}
