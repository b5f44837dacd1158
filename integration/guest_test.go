package integration

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// guestVariable says that this test binary runs in a machine of its own, whose first
// process is coppice: see kernel_test.go.
const guestVariable = "GUEST"

// guest is the tree of the machine's first process.
func guest(t *testing.T) *bed {
	t.Helper()
	if os.Getenv(guestVariable) == "" {
		t.Skip("this is for a machine whose first process is coppice: TestKernel boots one")
	}
	return &bed{t: t, dir: "/"}
}

// PID 1 is the keeper, and the tree is supervised as anywhere.
func TestGuestIsSupervised(t *testing.T) {
	b := guest(t)
	if d := b.tree().Daemon; d.Keeper != 1 || parentOf(d.PID) != 1 {
		t.Errorf("the keeper is %d, the daemon is %d, child of %d", d.Keeper, d.PID, parentOf(d.PID))
	}
	before := b.node("victim")
	since := b.newest()
	if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	b.awaitKind(since, "victim", "started")
	if after := b.node("victim"); after.PID == before.PID || after.Restarts != before.Restarts+1 || after.LastExit.Signal == nil || *after.LastExit.Signal != "SIGKILL" {
		t.Errorf("%+v, then %+v", before, after)
	}
}

// Orphans are reaped, be it by PID 1 or by the daemon, and no stranger's end is
// anybody's here.
func TestGuestReapsOrphans(t *testing.T) {
	b := guest(t)
	since := b.newest()
	script := "i=0; while [ $i -lt 200 ]; do (sh -c 'exit 7' &); (setsid true &); i=$((i+1)); done"
	if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	until(t, "no zombie is left", func() bool {
		for _, pid := range allPIDs() {
			if procState(pid) == "Z" {
				return false
			}
		}
		return true
	})
	if told := story(b.record(), since, "exited"); len(told) != 0 {
		t.Errorf("told is %v", told)
	}
}

// The daemon is killed below PID 1: no child notices, and an end that only PID 1 saw
// is told exactly, on a kernel that tells it to nobody else.
func TestGuestDaemonKilled(t *testing.T) {
	b := guest(t)
	before := pids(b.tree().Root)
	daemon := b.tree().Daemon.PID
	since := b.newest()
	if err := syscall.Kill(daemon, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("/tmp/go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, before["coded"]) // a zombie, for its parent is stopped
	if err := syscall.Kill(daemon, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if e := b.awaitKind(since, "coded", "exited"); endOf(e) != "code 42" {
		t.Errorf("told is %+v", e)
	}
	b.awaitKind(since, "coded", "started")
	after := pids(b.tree().Root)
	if after["victim"] != before["victim"] || after["driver"] != before["driver"] || after["coded"] == before["coded"] {
		t.Errorf("pids %v, then %v", before, after)
	}
	if d := b.tree().Daemon; d.Keeper != 1 || d.PID == daemon {
		t.Errorf("%+v", d)
	}
}
