package logs_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"coppice/configs"
	"coppice/supervisor/logs"
)

// began is a new incarnation of api.
func began(t *testing.T, s *logs.Store) *logs.Outputs {
	t.Helper()
	o, err := s.Begin("api", configs.DefaultLog())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.Close)
	return o
}

// A pipe to which nobody can write any more is the next incarnation's, and whoever keeps
// it is not told of its end until that is not to be.
func TestNextIncarnationHasTheSamePipe(t *testing.T) {
	dir := t.TempDir()
	ended := make(chan logs.Pipe, 10)
	s := openWith(t, dir, logs.Options{OnEnded: func(p logs.Pipe) { ended <- p }})
	first := began(t, s)
	write(t, first.Stdout, "one\n")
	first.Close()
	s.Drain("api")
	second := began(t, s)
	a, b := first.Readers[0].Pipe, second.Readers[0].Pipe
	if a.Inode != b.Inode || b.Mark != 2 || b.Made != 1 || a.Made != 0 {
		t.Errorf("the first has %+v, the second %+v", a, b)
	}
	write(t, second.Stdout, "two\n")
	second.Close()
	s.Drain("api")
	if len(ended) != 0 {
		t.Errorf("%+v has ended", <-ended)
	}
	s.Retire("api")
	if p := <-ended; p != b {
		t.Errorf("%+v has ended, want %+v", p, b)
	}
	marks := []uint32{}
	if err := logs.Read(dir, logs.Query{Last: -1}, func(l logs.Line) error {
		marks = append(marks, l.Incarnation)
		return nil
	}); err != nil || len(marks) != 2 || marks[0] != 1 || marks[1] != 2 {
		t.Errorf("the lines are of %v (%v)", marks, err)
	}
}

// A pipe that somebody of an earlier incarnation holds is not the next one's, and closed once
// nobody does.
func TestHeldPipeIsNotUsedAgain(t *testing.T) {
	ended := make(chan logs.Pipe, 10)
	s := openWith(t, t.TempDir(), logs.Options{OnEnded: func(p logs.Pipe) { ended <- p }})
	first := began(t, s)
	s.Drain("api")
	second := began(t, s)
	if first.Readers[0].Inode == second.Readers[0].Inode {
		t.Error("two incarnations write to one pipe")
	}
	first.Close()
	s.Drain("api")
	if p := <-ended; p != first.Readers[0].Pipe {
		t.Errorf("%+v has ended", p)
	}
}

// Where the next incarnation does not come at once, nothing is kept, whenever the pipe
// ends.
func TestRetiredPipeIsClosed(t *testing.T) {
	ended := make(chan logs.Pipe, 10)
	s := openWith(t, t.TempDir(), logs.Options{OnEnded: func(p logs.Pipe) { ended <- p }})
	o := began(t, s)
	s.Retire("api")
	o.Close()
	if p := <-ended; p != o.Readers[0].Pipe {
		t.Errorf("%+v has ended", p)
	}
}

// A pipe that was made ahead is the next incarnation's, and known to whoever keeps it.
func TestPreparedPipeIsTaken(t *testing.T) {
	s := openWith(t, t.TempDir(), logs.Options{})
	ahead := s.Prepare("api", configs.DefaultLog())
	if len(ahead) != 1 || len(s.Prepare("api", configs.DefaultLog())) != 0 {
		t.Fatalf("made %+v ahead, and more", ahead)
	}
	o := began(t, s)
	if got := o.Readers[0]; got.Inode != ahead[0].Inode || got.Made != ahead[0].Mark || got.Mark != 1 {
		t.Errorf("prepared %+v, and it has %+v", ahead[0].Pipe, got.Pipe)
	}
	write(t, o.Stdout, "one\n")
	arrived(t, s, "api", len("one\n"))
}

// Of two pipes that end while the next incarnation begins, one made ahead and one of the
// last incarnation, one is taken and the other closed, whoever sees the end first.
func TestPipeThatEndsDuringABeginIsClosed(t *testing.T) {
	ended := make(chan logs.Pipe, 10)
	s := openWith(t, t.TempDir(), logs.Options{OnEnded: func(p logs.Pipe) { ended <- p }})
	last := began(t, s)
	for range 300 { // mostly the mover is first
		if len(s.Prepare("api", configs.DefaultLog())) != 1 {
			t.Fatal("there is a pipe for the next incarnation while this one runs")
		}
		last.Close()
		next := began(t, s)
		if p := <-ended; p != last.Readers[0].Pipe {
			t.Fatalf("%+v has ended, want %+v", p, last.Readers[0].Pipe)
		}
		last = next
	}
}

// What one incarnation has made of its pipe the next one does not inherit.
func TestPipeOfAnotherSizeIsNotUsedAgain(t *testing.T) {
	s := openWith(t, t.TempDir(), logs.Options{})
	first := began(t, s)
	if _, err := unix.FcntlInt(first.Stdout.Fd(), unix.F_SETPIPE_SZ, os.Getpagesize()); err != nil {
		t.Fatal(err)
	}
	first.Close()
	s.Drain("api")
	if second := began(t, s); second.Readers[0].Inode == first.Readers[0].Inode {
		t.Error("the next incarnation has the same pipe")
	}
}

// Of a log that is split no more nothing of the second stream is kept.
func TestSplitNoMore(t *testing.T) {
	ended := make(chan logs.Pipe, 10)
	s := openWith(t, t.TempDir(), logs.Options{OnEnded: func(p logs.Pipe) { ended <- p }})
	split := configs.DefaultLog()
	split.Split = true
	o, err := s.Begin("api", split)
	if err != nil {
		t.Fatal(err)
	}
	o.Close()
	s.Drain("api")
	began(t, s)
	if p := <-ended; p.Stream != "err" {
		t.Errorf("%+v has ended", p)
	}
}
