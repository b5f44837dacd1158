package supervisor

import (
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"coppice/supervisor/logs"
)

// The pipes of a process are gone on with in the order of its incarnations.
func TestPipesAreTakenInOrder(t *testing.T) {
	k := &keeping{held: map[string]int{}, pipes: map[uint64]bool{}}
	for mark := range uint32(20) {
		fd, err := unix.MemfdCreate("pipe", unix.MFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		k.held[pipeName(logs.Pipe{Name: "api", Stream: "log", Mark: mark, Inode: uint64(mark)})] = fd
	}
	var marks []uint32
	k.takePipes(func(logs.Pipe) uint32 { return 0 }, func(p logs.Pipe, f *os.File) {
		marks = append(marks, p.Mark)
		f.Close()
	})
	if len(marks) != 20 || !slices.IsSorted(marks) {
		t.Errorf("taken in the order %v", marks)
	}
}

// A pipe that is used again keeps the name under which the keeper has it, and is gone on
// with as that of the incarnation that has it now.
func TestPipeUsedAgainIsTaken(t *testing.T) {
	fd, err := unix.MemfdCreate("pipe", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	made := logs.Pipe{Name: "api", Stream: "log", Mark: 3, Inode: 41}
	now := logs.Pipe{Name: "api", Stream: "log", Mark: 7, Made: 3, Inode: 41}
	if pipeName(made) != pipeName(now) {
		t.Errorf("the keeper has it as %q, and it is %q", pipeName(made), pipeName(now))
	}
	k := &keeping{held: map[string]int{pipeName(made): fd}, pipes: map[uint64]bool{}}
	k.takePipes(func(logs.Pipe) uint32 { return 7 }, func(p logs.Pipe, f *os.File) {
		if p != now {
			t.Errorf("taken as %+v", p)
		}
		f.Close()
	})
	if len(k.held) != 0 {
		t.Errorf("%v was not taken", k.held)
	}
}

// A pipe that was kept without a mark is taken by the name that it has.
func TestPipeWithoutMarkIsTaken(t *testing.T) {
	fd, err := unix.MemfdCreate("pipe", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	kept := logs.Pipe{Name: "api", Stream: "log", Inode: 41}
	k := &keeping{held: map[string]int{pipeName(kept): fd}, pipes: map[uint64]bool{}}
	k.takePipes(func(logs.Pipe) uint32 { return 7 }, func(p logs.Pipe, f *os.File) {
		if p != kept || f == nil {
			t.Fatalf("taken as %+v, %v", p, f)
		}
		f.Close()
	})
}
