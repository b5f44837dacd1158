package logs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"coppice/configs"
	"coppice/supervisor/logs"
)

// copyOf is a copy of a descriptor, as a keeper has it.
func copyOf(t *testing.T, fd int) *os.File {
	t.Helper()
	kept, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(kept), "kept")
}

// A child whose store is gone waits or writes on, and is not killed by SIGPIPE; the
// next store goes on, with the same mark, through what the keeper has.
func TestAdopt(t *testing.T) {
	dir := t.TempDir()
	first, err := logs.Open(dir, logs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o, err := first.Begin("api", configs.DefaultLog())
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	kept, again := copyOf(t, o.Readers[0].FD), copyOf(t, o.Readers[0].FD)
	write(t, o.Stdout, "one\n")
	first.Close()
	write(t, o.Stdout, "two\n")

	ended := make(chan logs.Pipe, 10)
	s := openWith(t, dir, logs.Options{OnEnded: func(p logs.Pipe) { ended <- p }})
	if err := s.Adopt(o.Readers[0].Pipe, configs.DefaultLog(), kept); err != nil {
		t.Fatal(err)
	}
	if err := s.Adopt(o.Readers[0].Pipe, configs.DefaultLog(), again); err != nil {
		t.Error(err)
	}
	write(t, o.Stdout, "three\n")
	s.Drain("api")
	if got := string(captured(t, dir, "api")); got != "one\ntwo\nthree\n" {
		t.Errorf("captured %q", got)
	}
	next, err := s.Begin("api", configs.DefaultLog())
	if err != nil || next.Readers[0].Mark != 2 {
		t.Fatalf("the next incarnation is %+v (%v)", next, err)
	}
	s.Retire("api")
	next.Close()
	o.Close()
	for want := map[logs.Pipe]bool{o.Readers[0].Pipe: true, next.Readers[0].Pipe: true}; len(want) > 0; {
		p := <-ended
		if !want[p] {
			t.Errorf("%+v has ended", p)
		}
		delete(want, p)
	}
}

// An incarnation that never wrote counts too, when only its pipe tells of it.
func TestAdoptedMarksCount(t *testing.T) {
	s, _ := open(t, nil)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := s.Adopt(logs.Pipe{Name: "api", Stream: "log", Mark: 41}, configs.DefaultLog(), r); err != nil {
		t.Fatal(err)
	}
	o, err := s.Begin("api", configs.DefaultLog())
	if err != nil || o.Readers[0].Mark != 42 {
		t.Fatalf("the next incarnation is %+v (%v)", o, err)
	}
	o.Close()
}

// Marks go on over the files that earlier stores have written.
func TestMarksGoOn(t *testing.T) {
	dir := t.TempDir()
	for i := range 10 {
		s, err := logs.Open(dir, logs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		o, err := s.Begin("api", rotating(4096, 3))
		if err != nil || o.Readers[0].Mark != uint32(i+1) {
			t.Fatalf("incarnation %d is %+v (%v)", i+1, o, err)
		}
		write(t, o.Stdout, numbered(50))
		o.Close()
		s.Drain("api")
		s.Close()
	}
}

// What is not the pipe that is spoken of is not read.
func TestAdoptIsCareful(t *testing.T) {
	s, dir := open(t, nil)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"another inode": s.Adopt(logs.Pipe{Name: "api", Stream: "log", Mark: 1, Inode: 1}, configs.DefaultLog(), r),
		"no pipe":       s.Adopt(logs.Pipe{Name: "api", Stream: "log", Mark: 1}, configs.DefaultLog(), file),
	} {
		if err == nil {
			t.Errorf("adopted %s", what)
		}
	}
	for _, p := range []logs.Pipe{{Name: "../x", Stream: "log"}, {Name: "api", Stream: "txt"}} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Adopt(p, configs.DefaultLog(), r); err == nil {
			t.Errorf("adopted %+v", p)
		}
		w.Close()
	}
	if names := files(t, dir, "api"); names != nil {
		t.Errorf("there are %v", names)
	}
}

// cat starts a process that copies its stdin to its outputs.
func cat(t *testing.T, o *logs.Outputs, script string) (pid int, say func(string)) {
	t.Helper()
	child := exec.Command("/bin/sh", "-c", script)
	child.Stdout, child.Stderr = o.Stdout, o.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); child.Wait() })
	o.Close()
	return child.Process.Pid, func(text string) { fmt.Fprint(in, text) }
}

// inodeOfAStranger is the number of a pipe that no other process has while the test
// runs. A number that is made up may be that of any pipe of a child, its stdin's too.
func inodeOfAStranger(t *testing.T) uint64 {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	var stat unix.Stat_t
	if err := unix.Fstat(int(r.Fd()), &stat); err != nil {
		t.Fatal(err)
	}
	return stat.Ino
}

// With no reader left at all, the pipe is found through the process itself, also
// when that has moved it, and what it wrote meanwhile is still there.
func TestReopen(t *testing.T) {
	for what, script := range map[string]string{
		"as its stdout":        "echo ready; cat",
		"as another's":         "echo ready; exec 7>&1 1>/dev/null; cat >&7",
		"in place of a closed": "echo ready; exec 7>&1 1>&2; cat >&7",
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			first, err := logs.Open(dir, logs.Options{})
			if err != nil {
				t.Fatal(err)
			}
			how := configs.DefaultLog()
			how.Split = true
			o, err := first.Begin("api", how)
			if err != nil {
				t.Fatal(err)
			}
			pid, say := cat(t, o, script)
			arrived(t, first, "api", len("ready\n"))
			first.Close()
			say("meanwhile\n")

			s, _ := openIn(t, dir, nil)
			wrong := o.Readers[0].Pipe
			wrong.Inode = inodeOfAStranger(t)
			if err := s.Reopen(wrong, how, pid); err == nil || !strings.Contains(err.Error(), "does not hold") {
				t.Errorf("another pipe is reopened: %v", err)
			}
			for _, r := range o.Readers {
				if err := s.Reopen(r.Pipe, how, pid); err != nil {
					t.Fatal(err)
				}
			}
			say("now\n")
			arrived(t, s, "api", len("ready\nmeanwhile\nnow\n"))
			if got := string(captured(t, dir, "api")); got != "ready\nmeanwhile\nnow\n" {
				t.Errorf("captured %q", got)
			}
		})
	}
}

// Whatever is the stdout of a process will do, if no inode is known.
func TestReopenWithoutInode(t *testing.T) {
	s, _ := open(t, nil)
	other, _ := open(t, nil)
	o, err := other.Begin("api", configs.DefaultLog())
	if err != nil {
		t.Fatal(err)
	}
	pid, say := cat(t, o, "cat")
	other.Close()
	if err := s.Reopen(logs.Pipe{Name: "api", Stream: "log", Mark: 3}, configs.DefaultLog(), pid); err != nil {
		t.Fatal(err)
	}
	say("hello\n")
	arrived(t, s, "api", len("hello\n"))
	if err := s.Reopen(logs.Pipe{Name: "api", Stream: "log", Mark: 3}, configs.DefaultLog(), 1<<22+1); err == nil {
		t.Error("reopened the pipe of a process that is not there")
	}
}

// For one who executes another program all readers stay as they are.
func TestEachReader(t *testing.T) {
	s, _ := open(t, nil)
	a, b := pipe(t, s, "a"), pipe(t, s, "b")
	seen := map[string]int{}
	s.EachReader(func(p logs.Pipe, fd int) { seen[p.Name] = fd })
	if len(seen) != 2 {
		t.Fatalf("the readers are %v", seen)
	}
	a.Close()
	s.Drain("a")
	s.Retire("a")
	var stat unix.Stat_t
	if err := unix.Fstat(seen["a"], &stat); err != nil || stat.Mode&unix.S_IFMT != unix.S_IFIFO {
		t.Errorf("the reader of one that has ended is closed (%v)", err)
	}
	s.TakeBack()
	if err := unix.Fstat(seen["a"], &stat); err != unix.EBADF {
		t.Errorf("the reader is still open after all (%v)", err)
	}
	write(t, b, "still read\n")
	arrived(t, s, "b", len("still read\n"))
}

// big makes room in a pipe for more than is moved at once.
func big(t *testing.T, w *os.File) {
	t.Helper()
	if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 1<<20); err != nil {
		t.Skip("a big pipe: ", err)
	}
}

// What an incarnation has left in its pipe while the disk was full comes before
// what the next one says, once it heals and when another store goes on.
func TestIncarnationsKeepTheirOrder(t *testing.T) {
	for _, how := range []string{"healed", "adopted"} {
		t.Run(how, func(t *testing.T) {
			dir := t.TempDir()
			s, troubles := openWatched(t, dir)
			place := filepath.Join(dir, "api")
			if err := os.WriteFile(place, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			var kept []*os.File
			var ids []logs.Pipe
			want := ""
			for i := range 3 {
				o, err := s.Begin("api", configs.DefaultLog())
				if err != nil {
					t.Fatal(err)
				}
				defer o.Close()
				big(t, o.Stdout)
				text := strings.Repeat(fmt.Sprintf("a line of incarnation %d\n", i), 10000)
				want += text
				write(t, o.Stdout, text)
				if i == 0 {
					<-troubles
				}
				kept, ids = append(kept, copyOf(t, o.Readers[0].FD)), append(ids, o.Readers[0].Pipe)
			}
			if how == "adopted" {
				s.Close()
				s, _ = openIn(t, dir, nil)
			}
			if err := os.Remove(place); err != nil {
				t.Fatal(err)
			}
			for i, id := range ids {
				if how == "adopted" {
					if err := s.Adopt(id, configs.DefaultLog(), kept[i]); err != nil {
						t.Fatal(err)
					}
				} else {
					kept[i].Close()
				}
			}
			arrived(t, s, "api", len(want))
			if string(captured(t, dir, "api")) != want {
				t.Error("the incarnations are mixed")
			}
		})
	}
}
