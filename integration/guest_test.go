package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
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

// limited adds a process to the tree of the machine's first process, waits until it is
// started, and returns the folder of its cgroup.
func (b *bed) limited(name, table string) (cgroup string) {
	b.t.Helper()
	since := b.newest()
	b.write("coppice.toml", b.read("coppice.toml")+"\n[process."+name+"]\nrestart = \"temporary\"\n"+table)
	b.must("reload")
	b.awaitKind(since, name, "started")
	d := b.tree().Daemon
	if d.Cgroup == "" {
		b.t.Fatalf("there is no cgroup: %s", d.NoCgroup)
	}
	return filepath.Join(d.Cgroup, name+".process")
}

// counted is a number in a file of a cgroup, by its key.
func counted(t *testing.T, cgroup, file, key string) (n int) {
	t.Helper()
	for line := range strings.Lines(read(t, filepath.Join(cgroup, file))) {
		if value, found := strings.CutPrefix(line, key+" "); found {
			n, _ = strconv.Atoi(strings.TrimSpace(value))
		}
	}
	return n
}

// Memory without end is ended by the kernel, and everybody is told why.
func TestGuestMemoryMax(t *testing.T) {
	b := guest(t)
	since := b.newest()
	b.limited("hog", "command = \"echo began; exec tail /dev/zero\"\nlimits = { memory_max = \"32MiB\", memory_high = \"32MiB\" }\n")
	e := b.awaitKind(since, "hog", "exited")
	if !e.OOM || endOf(e) != "signal SIGKILL" {
		t.Errorf("told is %+v", e)
	}
	if last := b.node("hog").LastExit; last == nil || !last.OOM {
		t.Errorf("the last exit is %+v", last)
	}
	has(t, "why", b.must("why", "hog"), "memory")
	b.exits(0, "status", "victim")
}

// A fork bomb gets no further than its limit, and a stop leaves nothing of it.
func TestGuestPIDsMax(t *testing.T) {
	b := guest(t)
	cgroup := b.limited("bomb", "command = \"bomb() { bomb | bomb & }; trap '' TERM; bomb; while :; do sleep 1; done\"\n"+
		"limits = { pids_max = 20 }\nshutdown = \"200ms\"\n")
	until(t, "the bomb has met its limit", func() bool { return counted(t, cgroup, "pids.events", "max") > 0 })
	members := numbers(read(t, filepath.Join(cgroup, "cgroup.procs")))
	if len(members) > 20 {
		t.Errorf("%d processes are in it", len(members))
	}
	b.exits(0, "status", "victim")
	b.must("stop", "bomb")
	if left, err := os.ReadFile(filepath.Join(cgroup, "cgroup.procs")); err == nil && len(numbers(string(left))) > 0 {
		t.Errorf("the stop has left %s behind", left)
	}
}

// A process that wants all of the CPU gets its part, and the weights are where the
// kernel looks for them.
func TestGuestCPUMax(t *testing.T) {
	b := guest(t)
	cgroup := b.limited("spinner", "command = \"while :; do :; done\"\nlimits = { cpu_max = \"20%\", cpu_weight = 50 }\n")
	until(t, "it has been held back", func() bool { return counted(t, cgroup, "cpu.stat", "nr_throttled") > 0 })
	for file, want := range map[string]string{"cpu.max": "20000 100000", "cpu.weight": "50"} {
		if got := strings.TrimSpace(read(t, filepath.Join(cgroup, file))); got != want {
			t.Errorf("%s is %q", file, got)
		}
	}
	b.must("stop", "spinner")
}

// All limits at once, and a daemon that is killed: the next one holds the same group.
func TestGuestLimitsAreAdopted(t *testing.T) {
	b := guest(t)
	cgroup := b.limited("all", "command = [\"sleep\", \"100000\"]\nlimits = { memory_max = \"64MiB\", memory_high = \"32MiB\", "+
		"pids_max = 10, cpu_max = \"150%\", cpu_weight = 200, io_weight = 300 }\n")
	want := map[string]string{
		"memory.max": "67108864", "memory.high": "33554432", "pids.max": "10",
		"cpu.max": "150000 100000", "cpu.weight": "200", "io.weight": "default 300",
	}
	for file, value := range want {
		if got := strings.TrimSpace(read(t, filepath.Join(cgroup, file))); got != value {
			t.Errorf("%s is %q", file, got)
		}
	}
	before := b.node("all").PID
	(&grove{bed: b, t: t}).kill(true, false)
	if n := b.node("all"); n.PID != before || n.State != "running" {
		t.Errorf("it is %+v", n)
	}
	b.must("stop", "all")
	gone(t, "it", before)
}

// Who leaves its session and its parent, and ignores what it is told, is ended all the
// same, on a kernel that is asked by cgroup.kill.
func TestGuestEscapeArtists(t *testing.T) {
	b := guest(t)
	b.limited("artist", "command = \"\"\"trap '' TERM HUP; (setsid sh -c 'trap \"\" TERM HUP; sleep 4711; true' &); "+
		"(setsid sleep 4711 & exit); setsid sh -c '(sleep 4711 &)'; sleep 4711; true\"\"\"\nshutdown = \"200ms\"\n")
	until(t, "all are there", func() bool { return len(carriers("sleep 4711")) >= 6 })
	b.must("stop", "artist")
	for _, pid := range carriers("sleep 4711") {
		t.Errorf("%d is left behind: %s", pid, cmdline(pid))
	}
}
