package logs_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
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

func watchTrouble(s *logs.Store) <-chan told {
	troubles := make(chan told, 100)
	s.OnTrouble(func(name string, err error) { troubles <- told{name, err} })
	return troubles
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
	s, _ := openIn(t, dir, nil)
	troubles := watchTrouble(s)

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

// What stands in the place of a log file is not written to, nor waited for.
func TestNotALogFile(t *testing.T) {
	s, dir := open(t, nil)
	troubles := watchTrouble(s)
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
		current := filepath.Join(dir, name, "current")
		if err := place(current); err != nil {
			t.Fatal(err)
		}
		w := pipe(t, s, name)
		write(t, w, "hello\n")
		if got := <-troubles; got.name != name || got.err == nil {
			t.Fatalf("%s: told %v", name, got)
		}
		if err := os.Remove(current); err != nil {
			t.Fatal(err)
		}
		if got := <-troubles; got.name != name || got.err != nil {
			t.Fatalf("%s: told %v", name, got)
		}
		if got := string(captured(t, dir, name)); got != "hello\n" {
			t.Errorf("%s: captured %q", name, got)
		}
	}
	if data, _ := os.ReadFile(victim); len(data) > 0 {
		t.Errorf("written through a link: %q", data)
	}
}

// A log file that is deleted, renamed or truncated, or whose whole folder is
// deleted, begins anew. Drain closes the files, so the next bytes see it.
func TestFileIsTakenAway(t *testing.T) {
	s, dir := open(t, nil)
	w := pipe(t, s, "api")
	current := filepath.Join(dir, "api", "current")
	for what, do := range map[string]func() error{
		"deleted":        func() error { return os.Remove(current) },
		"renamed":        func() error { return os.Rename(current, current+".1") },
		"truncated":      func() error { return os.Truncate(current, 0) },
		"folder deleted": func() error { return os.RemoveAll(filepath.Join(dir, "api")) },
		"all deleted":    func() error { return os.RemoveAll(dir) },
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
		if got := string(captured(t, dir, "api")); got != "after\n" {
			t.Errorf("%s: captured %q", what, got)
		}
		lines := read(t, dir, logs.Query{Last: -1})
		if len(lines) != 1 || lines[0].Time.Before(begun) {
			t.Errorf("%s: read %v", what, lines)
		}
	}
}

// A file that nobody may write (chattr +i).
func TestImmutableFile(t *testing.T) {
	s, dir := open(t, nil)
	troubles := watchTrouble(s)
	w := pipe(t, s, "api")
	write(t, w, "before\n")
	s.Drain("api")
	current := filepath.Join(dir, "api", "current")
	if out, err := exec.Command("chattr", "+i", current).CombinedOutput(); err != nil {
		t.Skipf("chattr does not work here: %v %s", err, out)
	}
	defer exec.Command("chattr", "-i", current).Run()
	write(t, w, "after\n")
	if got := <-troubles; got.err == nil {
		t.Fatalf("told %v", got)
	}
	if err := exec.Command("chattr", "-i", current).Run(); err != nil {
		t.Fatal(err)
	}
	if got := <-troubles; got.err != nil {
		t.Fatalf("told %v", got)
	}
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
