package process_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"coppice/supervisor/process"
	"coppice/supervisor/trampoline"
	"coppice/tree"
)

// A child has the descriptors that it is passed as 3 and up, with and without a
// trampoline; whether they block stays as it was, for others have them too.
func TestPassed(t *testing.T) {
	w := newWorld(t)
	for _, setup := range []*trampoline.Spec{nil, {PIDVariables: []string{"LISTEN_PID"}}} {
		var fds []int
		for _, text := range []string{"first", "second"} {
			var ends [2]int
			if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
				t.Fatal(err)
			}
			unix.Write(ends[1], []byte(text+"\n"))
			unix.Close(ends[1])
			fds = append(fds, ends[0])
			t.Cleanup(func() { unix.Close(ends[0]) })
		}
		passed, err := process.Pass(fds)
		if err != nil {
			t.Fatal(err)
		}
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer read.Close()
		out := filepath.Join(t.TempDir(), "out")
		ref, _ := w.start(process.Command{
			Argv:   []string{"sh", "-c", `cat <&3 >"$0"; cat <&4 >>"$0"; [ "${LISTEN_PID:-$$}" = $$ ] && echo third >&5`, out},
			Env:    []string{"PATH=/usr/bin:/bin"},
			Passed: passed, Extra: write, ExtraFD: 5, Setup: setup,
		})
		w.wantExit(ref, tree.Exit{})
		if said, err := os.ReadFile(out); err != nil || string(said) != "first\nsecond\n" {
			t.Errorf("it reads %q, %v", said, err)
		}
		third := make([]byte, 6)
		if _, err := read.Read(third); err != nil || string(third) != "third\n" {
			t.Errorf("descriptor 5 has %q, %v", third, err)
		}
		for _, fd := range fds {
			if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
				t.Errorf("it blocks now: %#x, %v", flags, err)
			}
		}
	}
	w.barrier()
}
