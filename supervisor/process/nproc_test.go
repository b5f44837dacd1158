package process_test

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"coppice/supervisor/process"
	"coppice/tree"
)

// Root may fork what it likes; the user that a child becomes may not, and finds out
// when it is executed.
func TestUserMayHaveNoMoreProcesses(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("another user is root's to become")
	}
	if !inside(t, "small limits", nil) {
		return
	}
	w := newWorld(t)
	w.barrier() // the runtime has its threads
	limit := func(most uint64) {
		t.Helper()
		var was unix.Rlimit
		err := unix.Getrlimit(unix.RLIMIT_NPROC, &was)
		was.Cur = min(most, was.Max)
		if err == nil {
			err = unix.Setrlimit(unix.RLIMIT_NPROC, &was)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	user := &syscall.Credential{Uid: 3_999_000_002, Gid: 65534}
	first, _ := w.start(process.Command{Argv: []string{"/bin/sleep", "1000"}, User: user})
	command := process.Command{Argv: []string{"/bin/true"}, User: user}
	limit(0)
	w.Start(w.ref(), command)
	got := nextIs[process.StartFailed](w)
	if got.Errno != syscall.EAGAIN || !strings.Contains(got.Cause, "no more processes are allowed") {
		t.Errorf("%v: %s", got.Errno, got.Cause)
	}
	limit(unix.RLIM_INFINITY)
	second, _ := w.start(command)
	w.wantExit(second, tree.Exit{})
	w.Kill(first)
	w.wantExit(first, tree.Exit{Signal: "SIGKILL"})
}
