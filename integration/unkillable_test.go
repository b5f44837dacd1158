package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"coppice/ipc"
)

// frost holds processes in a state in which SIGKILL does not end them: that of a
// frozen group of the first version of cgroups. It is as near to a process that
// hangs in a device as a test can come without one.
type frost struct {
	t      *testing.T
	folder string
}

func newFrost(t *testing.T) *frost {
	t.Helper()
	f := &frost{t, fmt.Sprintf("/sys/fs/cgroup/freezer/coppice-test-%d", os.Getpid())}
	if err := os.Mkdir(f.folder, 0o755); err != nil {
		t.Skip("a process that cannot be killed is made by root, with the freezer of cgroups v1: ", err)
	}
	t.Cleanup(func() {
		f.set("freezer.state", "THAWED")
		until(t, "the frozen group is empty", func() bool { return os.Remove(f.folder) == nil })
	})
	return f
}

func (f *frost) set(file, value string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.folder, file), []byte(value), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func (f *frost) take(pid int) {
	f.t.Helper()
	f.set("cgroup.procs", strconv.Itoa(pid))
	f.set("freezer.state", "FROZEN")
	until(f.t, "it is frozen", func() bool {
		state, _ := os.ReadFile(filepath.Join(f.folder, "freezer.state"))
		return strings.TrimSpace(string(state)) == "FROZEN"
	})
}

const stuckTree = `
[process.stuck]
command = ["sleep", "1000"]
shutdown = "50ms"
[process.other]
command = ["sleep", "1000"]
`

// A stop that leaves something behind does not say that it is done, nothing is started
// beside it, and its end is told when it comes after all.
func TestUnkillable(t *testing.T) {
	for _, how := range []string{"COPPICE_CGROUP=on", "COPPICE_CGROUP=off"} {
		t.Run(how, func(t *testing.T) { unkillable(t, how) })
	}
}

func unkillable(t *testing.T, how string) {
	f := newFrost(t)
	b := newBed(t, stuckTree)
	b.env = []string{how}
	b.up()
	pid := pids(b.tree().Root)["stuck"]
	f.take(pid)
	r := b.run("stop", "stuck")
	if r.code != 1 || !strings.Contains(r.errors, "stuck cannot be killed") || !strings.Contains(r.errors, fmt.Sprintf("pid %d (sleep", pid)) {
		t.Errorf("stop: %d\n%s%s", r.code, r.out, r.errors)
	}
	if n, _ := findNode(b.tree().Root, "stuck"); n.State != "unkillable" || n.PID != pid {
		t.Errorf("it is %+v", n)
	}
	for _, verb := range []string{"stop", "start", "restart"} {
		if r := b.run(verb, "stuck"); r.code != 1 || !strings.Contains(r.errors, "cannot be killed") {
			t.Errorf("%s: %d\n%s%s", verb, r.code, r.out, r.errors)
		}
	}
	if out := b.must("why", "stuck"); !strings.Contains(out, "cannot be killed") {
		t.Errorf("why:\n%s", out)
	}
	(&grove{bed: b, t: t}).kill(true, false) // and a new daemon knows it, too
	if n, _ := findNode(b.tree().Root, "stuck"); n.State != "unkillable" || n.PID != pid {
		t.Errorf("after a kill of the daemon it is %+v", n)
	}
	f.set("freezer.state", "THAWED")
	b.await(0, "the end of stuck", func(e ipc.Event) bool { return e.Node == "stuck" && e.Kind == "stopped" })
	b.must("start", "stuck")
	b.must("down")
}

// The end of the whole tree leaves it behind, in words, and ends all others.
func TestUnkillableAtDown(t *testing.T) {
	f := newFrost(t)
	b := newBed(t, stuckTree)
	b.up()
	was := pids(b.tree().Root)
	f.take(was["stuck"])
	r := b.run("down")
	if r.code != 1 || !strings.Contains(r.errors, fmt.Sprintf("stuck: pid %d (sleep", was["stuck"])) {
		t.Errorf("down: %d\n%s%s", r.code, r.out, r.errors)
	}
	if isAlive(was["other"]) {
		t.Error("the other process has outlived the tree")
	}
	if r := b.run("status"); r.code != 3 {
		t.Errorf("status: %d\n%s%s", r.code, r.out, r.errors)
	}
}

// A frozen process does nothing until it is thawed; it can be stopped all the same.
func TestFreeze(t *testing.T) {
	b := newBed(t, `
[process.clock]
command = "while :; do echo tick; sleep 0.01; done"
`)
	b.up()
	if b.tree().Daemon.Cgroup == "" {
		if r := b.run("freeze", "clock"); r.code != 1 || !strings.Contains(r.errors, "takes a cgroup") {
			t.Errorf("freeze: %d %s", r.code, r.errors)
		}
		t.Skip("no cgroup v2 may be written to: ", b.tree().Daemon.NoCgroup)
	}
	b.must("freeze", "clock")
	if n, _ := findNode(b.tree().Root, "clock"); n.State != "frozen" {
		t.Errorf("it is %s", n.State)
	}
	if out := b.must("freeze", "clock"); !strings.Contains(out, "frozen already") {
		t.Error(out)
	}
	(&grove{bed: b, t: t}).kill(true, false)
	if n, _ := findNode(b.tree().Root, "clock"); n.State != "frozen" || !n.Adopted {
		t.Errorf("after a kill of the daemon it is %+v", n)
	}
	before := len(b.must("logs", "--raw", "clock"))
	if r := b.run("status", "clock"); r.code != 3 {
		t.Errorf("status of a frozen process: %d", r.code)
	}
	if now := len(b.must("logs", "--raw", "clock")); now != before {
		t.Errorf("it has written %d bytes while it was frozen", now-before)
	}
	b.must("thaw", "clock")
	until(t, "it runs again", func() bool { return len(b.must("logs", "--raw", "clock")) > before })
	b.must("freeze", "clock")
	b.must("stop", "clock")
	b.must("start", "clock")
	if n, _ := findNode(b.tree().Root, "clock"); n.State != "running" {
		t.Errorf("it is %s", n.State)
	}
}

// One that is killed while it is frozen, right after its start, comes back in a group that
// is not frozen: else its next fork would hang, and the daemon with it.
func TestKilledWhileFrozen(t *testing.T) {
	b := newBed(t, `
[process.still]
command = ["sleep", "1000"]
`)
	b.up()
	if b.tree().Daemon.Cgroup == "" {
		t.Skip("no cgroup v2 may be written to: ", b.tree().Daemon.NoCgroup)
	}
	daemon := b.tree().Daemon.PID
	for range 3 {
		b.must("restart", "still")
		n, _ := findNode(b.tree().Root, "still")
		b.must("freeze", "still")
		if err := syscall.Kill(n.PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		until(t, "it is back", func() bool {
			now, _ := findNode(b.tree().Root, "still")
			return now.State == "running" && now.PID != n.PID
		})
	}
	if now := b.tree().Daemon.PID; now != daemon {
		t.Errorf("daemon %d had to be replaced by %d", daemon, now)
	}
}

// A limit that cannot be set is a failed start that says why.
func TestLimitsWithoutControllers(t *testing.T) {
	b := newBed(t, `
[process.small]
command = ["sleep", "1000"]
limits = { memory_max = "64MiB", pids_max = 10 }
`)
	b.env = []string{"COPPICE_CGROUP=off"}
	r := b.run("up", "-d")
	if r.code != 1 || !strings.Contains(r.errors, "cannot set limits.memory_max: there is no cgroup v2 to set it in: they were switched off (COPPICE_CGROUP=off)") {
		t.Errorf("up -d: %d\n%s%s", r.code, r.out, r.errors)
	}
}

// What is left after an end that nobody asked for, and cannot be killed, is told, and
// nothing is started beside it.
func TestUnkillableWorker(t *testing.T) {
	for _, how := range []string{"COPPICE_CGROUP=on", "COPPICE_CGROUP=off"} {
		t.Run(how, func(t *testing.T) {
			f := newFrost(t)
			b := newBed(t, "")
			b.env = []string{how}
			number := fmt.Sprintf("700000.%09d", unique(t))
			b.write("coppice.toml", fmt.Sprintf("[process.a]\ncommand = '''sleep %s & exec sleep 1000'''\n", number))
			b.up()
			worker := 0
			until(t, "the worker is there", func() bool {
				for _, pid := range sleepers(number) {
					worker = pid
				}
				return worker != 0
			})
			main := pids(b.tree().Root)["a"]
			f.take(worker)
			b.killNow(main, syscall.SIGKILL)
			n := b.awaitState("a", "unkillable")
			if e := b.awaitKind(0, "a", "unkillable"); !strings.Contains(e.Cause, fmt.Sprintf("pid %d (sleep", worker)) {
				t.Errorf("told as %+v", e)
			}
			if r := b.run("start", "a"); r.code != 1 || !strings.Contains(r.errors, "cannot be killed") {
				t.Errorf("start: %d %s", r.code, r.errors)
			}
			f.set("freezer.state", "THAWED")
			if n = b.awaitState("a", "running"); n.PID == main || n.Restarts != 1 {
				t.Errorf("then it is %+v", n)
			}
			b.must("down")
		})
	}
}
