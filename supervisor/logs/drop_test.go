package logs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"coppice/configs"
	"coppice/supervisor/logs"
)

// smallDisk mounts a file system of so many bytes.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprint("size=", size)); err != nil {
		t.Skip("mounting a small tmpfs needs root: ", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// fill leaves no room on a disk, until the function is called.
func fill(t *testing.T, dir string) (empty func()) {
	t.Helper()
	filler := filepath.Join(dir, "filler")
	file, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for block := make([]byte, 4096); err == nil; {
		_, err = file.Write(block)
	}
	return func() { os.Remove(filler) }
}

// dropping is a store whose losses are counted.
type dropping struct {
	*logs.Store
	dir      string
	troubles chan told
	dropped  atomic.Int64
}

func newDropping(t *testing.T, dir string) *dropping {
	d := &dropping{dir: dir, troubles: make(chan told, 1000)}
	d.Store = openWith(t, dir, logs.Options{
		OnTrouble: func(name string, err error) { d.troubles <- told{name, err} },
		OnDropped: func(_ string, bytes int64) { d.dropped.Add(bytes) },
	})
	return d
}

// While the disk is full whole lines are thrown away, and what is missing is told
// to the byte; the child never waits. Afterwards all goes on.
func TestDrop(t *testing.T) {
	d := newDropping(t, smallDisk(t, 1<<20))
	how := configs.DefaultLog()
	how.Drop = true
	w := pipeAs(t, d.Store, "api", how)
	written, next := 0, 0
	say := func(lines int) {
		for range lines {
			line := fmt.Sprintf("line %d %s\n", next, strings.Repeat("x", next*7%150))
			written += len(line)
			next++
			write(t, w, line)
		}
	}
	say(100)
	d.Drain("api")
	for range 3 {
		empty := fill(t, d.dir)
		say(20_000) // many times what the pipe holds
		if got := <-d.troubles; got.err == nil {
			t.Fatalf("told %v", got)
		}
		d.Drain("api")
		empty()
		if got := <-d.troubles; got.err != nil {
			t.Fatalf("told %v", got)
		}
		say(100)
		d.Drain("api")
	}
	w.Close()
	d.Drain("api")
	kept := captured(t, d.dir, "api")
	eventually(t, "what is missing is told", func() bool { return int64(written) == int64(len(kept))+d.dropped.Load() })
	checkKept(t, string(kept), next)

	recorded := int64(0)
	var lines []string
	for _, l := range read(t, d.dir, logs.Query{Last: -1}) {
		if recorded += l.Dropped; l.Dropped == 0 {
			lines = append(lines, l.text)
		}
	}
	if recorded != d.dropped.Load() {
		t.Errorf("%d bytes are recorded as dropped, %d told", recorded, d.dropped.Load())
	}
	if all := strings.Split(strings.TrimSuffix(string(kept), "\n"), "\n"); !slices.Equal(lines, all) {
		t.Errorf("%d lines are read, %d captured", len(lines), len(all))
	}
}

// checkKept sees that lines are whole, and in order up to the last.
func checkKept(t *testing.T, kept string, next int) {
	t.Helper()
	last := -1
	for line := range strings.Lines(kept) {
		var n int
		fmt.Sscanf(line, "line %d", &n)
		if want := fmt.Sprintf("line %d %s\n", n, strings.Repeat("x", n*7%150)); line != want || n <= last {
			t.Fatalf("after line %d there is %q", last, line)
		}
		last = n
	}
	if last != next-1 {
		t.Errorf("the last line is %d, want %d", last, next-1)
	}
}

// Lines in the middle of which the disk is full and has room again, whichever way
// they are written.
func TestDropWithinALine(t *testing.T) {
	for what, c := range map[string]struct {
		before, meanwhile, after string
		want                     string
		dropped                  int
	}{
		"the end of a line is kept": {"one\ntw", "o\nthree\n", "four\n", "one\ntwo\nfour\n", 6},
		"a line goes on":            {"one\ntw", "o", "\nthree\n", "one\ntwo\nthree\n", 0},
		"a line ends in the dark":   {"one\n", "two\nthr", "ee\nfour\n", "one\nfour\n", 10},
	} {
		t.Run(what, func(t *testing.T) {
			got, dropped := throughFull(t, c.before, c.meanwhile, c.after)
			if got != c.want {
				t.Errorf("captured %q, want %q", got, c.want)
			}
			if dropped != c.dropped {
				t.Errorf("%d bytes are told, want %d", dropped, c.dropped)
			}
		})
	}
}

// Of a line that is longer than what is kept of it the rest is thrown away, and its
// beginning ends there.
func TestDropOfALongLine(t *testing.T) {
	long := strings.Repeat("b", 200_000)
	for after, end := range map[string]string{"c\nlast\n": "\nlast\n", "c": "\n"} {
		got, dropped := throughFull(t, "a", long, after)
		kept := strings.TrimSuffix(got, end)
		if len(kept) > 1+logs.LineMax || strings.Trim(kept, "b") != "a" || len(kept)+len(end) != len(got) {
			t.Errorf("captured %d bytes, which end in %q", len(got), got[max(0, len(got)-10):])
		}
		if total := len("a") + len(long) + len(after); dropped+len(got)-1 != total {
			t.Errorf("%d bytes are told and %d captured of %d", dropped, len(got)-1, total)
		}
	}
}

// throughFull writes before, while and after a disk is full, in a way that its last
// room is that for before. It returns what is captured and how much is told to be
// thrown away.
func throughFull(t *testing.T, before, meanwhile, after string) (got string, dropped int) {
	t.Helper()
	d := newDropping(t, smallDisk(t, 1<<20))
	how := configs.DefaultLog()
	how.Drop = true
	w := pipeAs(t, d.Store, "api", how)
	padding := strings.Repeat("p", 4096-len(before)-1) + "\n"
	write(t, w, padding+before)
	d.Drain("api")
	empty := fill(t, d.dir)
	write(t, w, meanwhile)
	if got := <-d.troubles; got.err == nil {
		t.Fatalf("told %v", got)
	}
	d.Drain("api")
	empty()
	if got := <-d.troubles; got.err != nil {
		t.Fatalf("told %v", got)
	}
	write(t, w, after)
	w.Close()
	d.Drain("api")
	d.Close()
	return strings.TrimPrefix(string(captured(t, d.dir, "api")), padding), int(d.dropped.Load())
}

// One that drops and one that waits on the same full disk: neither disturbs the
// other, nor one on another disk.
func TestDropAndBlock(t *testing.T) {
	d := newDropping(t, smallDisk(t, 1<<20))
	drop := configs.DefaultLog()
	drop.Drop = true
	careless, careful := pipeAs(t, d.Store, "careless", drop), pipe(t, d.Store, "careful")
	empty := fill(t, d.dir)
	all := numbered(3000)
	var writers sync.WaitGroup
	writers.Go(func() { careful.WriteString(all); careful.Close() })
	for range 10 {
		write(t, careless, all)
	}
	careless.Close()
	empty()
	writers.Wait()
	arrived(t, d.Store, "careful", len(all))
	if got := string(captured(t, d.dir, "careful")); got != all {
		t.Errorf("%d bytes of the one that waits, want %d", len(got), len(all))
	}
	d.Drain("careless")
	eventually(t, "what is missing is told", func() bool {
		return d.dropped.Load()+int64(len(captured(t, d.dir, "careless"))) == int64(10*len(all))
	})
}
