package keeper

import (
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// A keeper whose descriptors are all in use knows whose end it sees.
func TestIdentifyWithoutDescriptors(t *testing.T) {
	child := exec.Command("/bin/sleep", "1000")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { child.Process.Kill(); child.Wait() }()
	k := &keeper{spare: reserve()}
	want := k.identify(child.Process.Pid)
	var limit unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &limit); err != nil {
		t.Fatal(err)
	}
	few := unix.Rlimit{Cur: 64, Max: limit.Max}
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &few, nil); err != nil {
		t.Fatal(err)
	}
	var all []int
	for fd := reserve(); fd >= 0; fd = reserve() {
		all = append(all, fd)
	}
	without, with := identify(child.Process.Pid), k.identify(child.Process.Pid)
	again := k.identify(child.Process.Pid)
	for _, fd := range append(all, k.spare) {
		unix.Close(fd)
	}
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, &limit, nil); err != nil {
		t.Fatal(err)
	}
	if without.Start != 0 || want.Start == 0 || with != want || again != want {
		t.Errorf("without a spare one %+v, with it %+v and %+v, want %+v", without, with, again, want)
	}
}
