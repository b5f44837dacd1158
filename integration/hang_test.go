package integration

import (
	"fmt"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// hungFolder is a folder on a file system that answers nothing, as that of a server
// that is gone: whoever goes into it hangs. It is mounted for the test.
func hungFolder(t *testing.T, dir string) {
	t.Helper()
	fuse, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no FUSE here: %v", err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fuse)
	if err := unix.Mount("hung", dir, "fuse.hung", 0, options); err != nil {
		unix.Close(fuse)
		t.Skipf("cannot mount a file system here: %v", err)
	}
	t.Cleanup(func() {
		unix.Close(fuse) // whoever hangs is let go
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// A start that hangs in the kernel holds up neither coppice nor the children of other
// supervisors, and it has failed after a while.
func TestHungStart(t *testing.T) {
	t.Parallel()
	for name, table := range map[string]string{
		"directory": "command = [\"sleep\", \"1000\"]\ndir = \"hung/in\"\n",
		"program":   "command = [\"hung/sleep\", \"1000\"]\n",
		"path":      "command = [\"nowhere\"]\nenv = { PATH = \"/bin:hung\" }\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tree := "[supervisor.root]\nchildren = [\"a\", \"b\", \"late\"]\n" + twoSleepers + "[supervisor.late]\nchildren = "
			b := plot(t, tree+"[]\n")
			b.up()
			hungFolder(t, b.path("hung"))
			before := pids(b.tree().Root)
			daemon := b.tree().Daemon.PID
			tree += "[\"c\"]\n[process.c]\nrestart = \"temporary\"\n" + table

			b.write("coppice.toml", tree)
			since := b.newest()
			reload := b.begin("reload")
			b.awaitKind(since, "c", "starting")
			if err := syscall.Kill(before["a"], syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			for range 500 { // so that garbage is collected meanwhile
				if _, err := b.client().Tree(t.Context(), true); err != nil {
					t.Fatal(err)
				}
			}
			failed := b.awaitKind(since, "c", "start_failed")
			has(t, "the failure", failed.Cause, "does not answer")
			if again := b.awaitKind(since, "a", "started"); again.Seq > failed.Seq {
				t.Error("a was not started while c hung")
			}
			reload.ended(1)
			if d := b.tree().Daemon.PID; d != daemon {
				t.Errorf("daemon %d was replaced by %d", daemon, d)
			}
			b.exits(0, "status", "a", "b")
		})
	}
}
