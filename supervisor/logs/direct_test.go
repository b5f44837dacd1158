package logs_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"coppice/configs"
	"coppice/supervisor/logs"
)

func direct(size int64, files int) configs.Log {
	return configs.Log{Direct: true, MaxSize: size, MaxFiles: files}
}

// A child that writes its file itself needs nobody, and only the end of what it
// writes is kept.
func TestDirect(t *testing.T) {
	s, dir := open(t, nil)
	o, err := s.Begin("api", direct(64<<10, 2))
	if err != nil || o.Readers != nil {
		t.Fatalf("begun with %+v (%v)", o, err)
	}
	flags, err := unix.FcntlInt(o.Stdout.Fd(), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_APPEND == 0 || flags&unix.O_NONBLOCK != 0 || flags&unix.O_ACCMODE != unix.O_WRONLY {
		t.Errorf("its flags are %#o (%v)", flags, err)
	}
	all := numbered(20_000)
	write(t, o.Stdout, all)
	path := filepath.Join(dir, "api", "000000001.log")
	eventually(t, "its front is given back", func() bool { return blocks(t, path) <= 128<<10+8<<10 })
	data, err := os.ReadFile(path)
	if err != nil || len(data) != len(all) || string(data[len(data)-128<<10:]) != all[len(all)-128<<10:] {
		t.Errorf("it has %d bytes, want %d with the same end (%v)", len(data), len(all), err)
	}
	begun := read(t, dir, logs.Query{Last: 5})
	if len(begun) != 5 || begun[4].text != strings.TrimSuffix(all[strings.LastIndex(all[:len(all)-1], "\n")+1:], "\n") {
		t.Errorf("read %v", begun)
	}
	write(t, o.Stdout, numbered(10_000))
	o.Close()
	s.Drain("api")
	if got := blocks(t, path); got > 128<<10+8<<10 {
		t.Errorf("after the end it takes %d bytes", got)
	}

	// The next incarnation begins another file, as this one is full.
	o, err = s.Begin("api", direct(64<<10, 2))
	if err != nil {
		t.Fatal(err)
	}
	write(t, o.Stdout, "next\n")
	o.Close()
	if got := newest(t, dir, "api"); got != "next\n" {
		t.Errorf("the next file has %d bytes", len(got))
	}
}

func blocks(t *testing.T, path string) int64 {
	t.Helper()
	var stat syscall.Stat_t
	if err := syscall.Stat(path, &stat); err != nil {
		t.Fatal(err)
	}
	return stat.Blocks * 512
}

// As long as somebody writes to a file the next incarnation writes to it too; one
// of less than its size is written on anyway.
func TestDirectGoesOnInTheSameFile(t *testing.T) {
	s, dir := open(t, nil)
	first, err := s.Begin("api", direct(4096, 8))
	if err != nil {
		t.Fatal(err)
	}
	write(t, first.Stdout, numbered(100))
	second, err := s.Begin("api", direct(4096, 8))
	if err != nil {
		t.Fatal(err)
	}
	write(t, second.Stdout, "second\n")
	write(t, first.Stdout, "first\n")
	if got := newest(t, dir, "api"); got != numbered(100)+"second\nfirst\n" || len(logFiles(t, dir, "api", "log")) != 1 {
		t.Errorf("%d bytes are in %v", len(got), logFiles(t, dir, "api", "log"))
	}
	first.Close()
	second.Close()
}

// After a restart of the daemon the file is kept small as before, and what its
// writers do is told to followers.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	first, err := logs.Open(dir, logs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o, err := first.Begin("api", direct(64<<10, 1))
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	s, _ := openIn(t, dir, nil)
	s.Watch("api", direct(64<<10, 1))
	write(t, o.Stdout, numbered(10_000))
	path := filepath.Join(dir, "api", "000000001.log")
	eventually(t, "its front is given back", func() bool { return blocks(t, path) <= 64<<10+8<<10 })
	arrived(t, s, "api", 1)
	o.Close()
}

// From direct to a pipe and back: nobody overwrites what another one appends.
func TestDirectAndBack(t *testing.T) {
	s, dir := open(t, nil)
	piped := pipe(t, s, "api")
	write(t, piped, "piped\n")
	s.Drain("api")
	o, err := s.Begin("api", direct(4096, 8))
	if err != nil {
		t.Fatal(err)
	}
	write(t, o.Stdout, "direct\n")
	write(t, piped, "piped on\n")
	s.Drain("api")
	write(t, o.Stdout, "direct on\n")
	again := pipe(t, s, "api")
	write(t, again, "piped again\n")
	write(t, piped, "piped still\n")
	s.Drain("api")
	write(t, o.Stdout, "direct still\n")
	o.Close()
	lines := map[string]int{}
	for line := range strings.Lines(string(captured(t, dir, "api"))) {
		lines[line]++
	}
	for _, want := range []string{
		"piped\n", "direct\n", "piped on\n", "direct on\n", "piped again\n", "piped still\n", "direct still\n",
	} {
		if lines[want] != 1 {
			t.Errorf("%q is there %d times", want, lines[want])
		}
	}
	if len(lines) != 7 {
		t.Errorf("there is %v", lines)
	}
}
