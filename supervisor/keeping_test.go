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
	k := &keeping{held: map[string]int{}}
	for mark := range uint32(20) {
		fd, err := unix.MemfdCreate("pipe", unix.MFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		k.held[pipeName(logs.Pipe{Name: "api", Stream: "log", Mark: mark, Inode: uint64(mark)})] = fd
	}
	var marks []uint32
	k.takePipes(func(p logs.Pipe, f *os.File) {
		marks = append(marks, p.Mark)
		f.Close()
	})
	if len(marks) != 20 || !slices.IsSorted(marks) {
		t.Errorf("taken in the order %v", marks)
	}
}
