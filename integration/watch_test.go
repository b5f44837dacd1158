package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"coppice/ipc"
)

// awaitReplaced waits until a node's process is another one.
func (b *bed) awaitReplaced(name string, pid int) int {
	b.t.Helper()
	b.await(0, name+" is started anew", func(e ipc.Event) bool {
		return e.Node == name && e.Kind == "started" && e.PID != pid && e.Seq > b.startOf(name, pid)
	})
	return b.node(name).PID
}

// startOf is the number of the event that told the start of a process.
func (b *bed) startOf(name string, pid int) uint64 {
	for _, e := range b.events() {
		if e.Node == name && e.Kind == "started" && e.PID == pid {
			return e.Seq
		}
	}
	return 0
}

// A changed file restarts the process that watches it, once for a burst, and
// nothing else.
func TestWatchedFile(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[supervisor.root]
strategy = "one_for_all"
intensity = 0
children = ["web", "other", "held"]
[process.web]
command = ["sleep", "1000"]
watch = ["src/**/*.txt", "one.conf"]
[process.other]
command = ["sleep", "1000"]
[process.held]
command = ["sleep", "1000"]
watch = ["one.conf"]
`)
	b.folder("src/deep")
	b.write("src/a.txt", "1")
	b.write("one.conf", "1")
	b.up()
	b.must("stop", "held")
	other := b.node("other").PID
	pid := b.node("web").PID

	for i := range 50 {
		b.write("src/a.txt", fmt.Sprint("burst ", i))
		b.write("src/deep/b.txt", fmt.Sprint("burst ", i))
	}
	pid = b.awaitReplaced("web", pid)
	has(t, "why", b.must("why", "web"), "watched file")

	b.write("new.conf", "2")
	if err := os.Rename(b.path("new.conf"), b.path("one.conf")); err != nil {
		t.Fatal(err)
	}
	pid = b.awaitReplaced("web", pid)

	b.write("src/a.md", "not watched")
	b.folder("src/brand/new")
	b.write("src/brand/new/c.txt", "1")
	pid = b.awaitReplaced("web", pid)

	if err := os.Remove(b.path("src/a.txt")); err != nil {
		t.Fatal(err)
	}
	b.awaitReplaced("web", pid)

	starts := 0
	for _, e := range b.events() {
		if e.Node == "web" && e.Kind == "started" {
			starts++
		}
	}
	if starts != 5 {
		t.Errorf("web was started %d times, not once and for 4 bursts", starts)
	}
	if got := b.node("other").PID; got != other {
		t.Error("the sibling was touched")
	}
	if s := b.node("held").State; s != "stopped" {
		t.Errorf("what an operator has stopped is %s", s)
	}
	if n := b.node("web").Restarts; n != 0 {
		t.Errorf("%d restarts are counted", n)
	}
}

// A job that has ended is run again when a file changes.
func TestWatchedFileRunsAJobAgain(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[process.tests]
command = "echo ran >> runs"
restart = "transient"
watch = ["*.go"]
`)
	b.up()
	b.awaitState("tests", "finished")
	since := b.newest()
	b.write("main.go", "package main")
	b.awaitKind(since, "tests", "exited")
	if n := strings.Count(b.read("runs"), "ran"); n != 2 {
		t.Errorf("it ran %d times", n)
	}
}

// up --watch reloads when the tree file changes; a wrong one changes nothing.
func TestWatchedTreeFile(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[process.a]
command = ["sleep", "1000"]
[process.b]
command = ["sleep", "1000"]
`)
	up := b.begin("up", "--watch")
	b.awaitDaemon()
	b.awaitState("root", "running")
	before := pids(b.tree().Root)
	b.write("coppice.toml", "[process.a]\ncommand = [\"sleep\", \"1000\"]\n[process.b]\ncomand = 3\n")
	until(t, "the fault is told", func() bool { return strings.Contains(up.stderr(), "comand") })
	if !places.MatchString(up.stderr()) {
		t.Errorf("it is told without its place: %s", up.stderr())
	}
	untouched(t, before, pids(b.tree().Root))

	since := b.newest()
	b.write("new.toml", "[process.a]\ncommand = [\"sleep\", \"1000\"]\n[process.b]\ncommand = [\"sleep\", \"1001\"]\n")
	if err := os.Rename(b.path("new.toml"), b.path("coppice.toml")); err != nil {
		t.Fatal(err)
	}
	b.awaitKind(since, "b", "started")
	untouched(t, before, pids(b.tree().Root), "b")
	b.must("down")
	up.ended(0)
}

// Without --watch a changed tree file is nobody's business, until a SIGHUP tells
// a daemon to look.
func TestHangUpReloads(t *testing.T) {
	t.Parallel()
	b := plot(t, "[process.a]\ncommand = [\"sleep\", \"1000\"]\n")
	b.up()
	since := b.newest()
	b.edit("1000", "1001")
	if err := signalPID(b.tree().Daemon.PID, "HUP"); err != nil {
		t.Fatal(err)
	}
	b.awaitKind(since, "a", "started")
	if cmd := cmdline(b.node("a").PID); cmd != "sleep 1001" {
		t.Errorf("it runs %q", cmd)
	}
}
