package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// sleepers are the processes that sleep for so long.
func sleepers(number string) []int {
	return slices.DeleteFunc(carriers(number), func(pid int) bool { return !strings.HasPrefix(cmdline(pid), "sleep ") })
}

// A process that was moved out of its cgroup is stopped all the same, and so are those
// of its process group.
func TestMovedOutOfTheCgroup(t *testing.T) {
	b := newBed(t, "")
	number := fmt.Sprintf("300000.%09d", unique(t))
	b.write("coppice.toml", fmt.Sprintf(`[process.a]
command = '''trap "" TERM; sleep %[1]s & sleep %[1]s & while :; do sleep %[1]s; done'''
shutdown = "100ms"
`, number))
	b.up()
	d := b.tree().Daemon
	if d.Cgroup == "" {
		t.Skip("no cgroup v2 may be written to: ", d.NoCgroup)
	}
	until(t, "all is there", func() bool { return len(carriers(number)) >= 4 })
	procs := filepath.Join(filepath.Dir(d.Cgroup), "cgroup.procs")
	for _, pid := range carriers(number)[:2] {
		if err := os.WriteFile(procs, []byte(strconv.Itoa(pid)), 0); err != nil {
			t.Skip("a process is moved by root: ", err)
		}
	}
	b.must("stop", "a")
	if left := carriers(number); len(left) > 0 {
		t.Errorf("%d processes are left, %s", len(left), cmdline(left[0]))
	}
}

// A daemon without a descriptor does not take what it cannot see for gone.
func TestStopWithoutDescriptors(t *testing.T) {
	for _, how := range []string{"COPPICE_CGROUP=on", "COPPICE_CGROUP=off"} {
		t.Run(how, func(t *testing.T) {
			b := newBed(t, "")
			b.env = []string{how}
			number := fmt.Sprintf("400000.%09d", unique(t))
			b.write("coppice.toml", fmt.Sprintf(`[process.a]
command = '''setsid sh -c 'trap "" TERM; sleep %[1]s; :' & exec sleep %[1]s'''
shutdown = "300ms"
`, number))
			b.up()
			until(t, "all is there", func() bool { return len(carriers(number)) >= 3 })
			daemon := b.tree().Daemon.PID
			stop := b.begin("stop", "a")
			b.awaitState("a", "stopping")
			var old unix.Rlimit
			if err := unix.Prlimit(daemon, unix.RLIMIT_NOFILE, nil, &old); err != nil {
				t.Fatal(err)
			}
			few := unix.Rlimit{Cur: 4, Max: old.Max}
			if err := unix.Prlimit(daemon, unix.RLIMIT_NOFILE, &few, nil); err != nil {
				t.Fatal(err)
			}
			until(t, "its main process has ended", func() bool { return len(carriers(number)) < 3 })
			if err := unix.Prlimit(daemon, unix.RLIMIT_NOFILE, &old, nil); err != nil {
				t.Fatal(err)
			}
			<-stop.done
			if left := carriers(number); len(left) > 0 {
				t.Errorf("%d processes are left when the stop has returned, %s", len(left), cmdline(left[0]))
			}
		})
	}
}

// What a main process has left that died with daemon and keeper does not live beside
// the next one.
func TestLeftByTheDead(t *testing.T) {
	for _, other := range []string{"", "[process.other]\ncommand = [\"sleep\", \"1000\"]\n"} {
		for _, how := range []string{"COPPICE_CGROUP=on", "COPPICE_CGROUP=off"} {
			t.Run(fmt.Sprintf("%s other=%v", how, other != ""), func(t *testing.T) {
				b := newBed(t, "")
				b.env = []string{how}
				number := fmt.Sprintf("500000.%09d", unique(t))
				b.write("coppice.toml", fmt.Sprintf("[process.a]\ncommand = '''setsid sleep %s & exec sleep 1000'''\n%s", number, other))
				b.up()
				old := 0
				until(t, "all is there", func() bool {
					if there := sleepers(number); len(there) == 1 {
						old = there[0]
					}
					return old != 0
				})
				main := pids(b.tree().Root)["a"]
				b.fell()
				if err := syscall.Kill(main, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
				awaitGone(t, main)
				b.up()
				until(t, "the next one is there", func() bool {
					now := sleepers(number)
					return len(now) == 1 && now[0] != old
				})
				b.must("down")
				if left := sleepers(number); len(left) > 0 {
					t.Error("it has outlived the tree")
				}
			})
		}
	}
}

// A fresh tree is not started beside what could not be killed of the last one.
func TestUpBesideASurvivor(t *testing.T) {
	f := newFrost(t)
	b := newBed(t, stuckTree)
	b.env = []string{"COPPICE_CGROUP=off"}
	b.up()
	pid := pids(b.tree().Root)["stuck"]
	f.take(pid)
	if r := b.run("down"); r.code != 1 {
		t.Fatalf("down: %d %s", r.code, r.errors)
	}
	r := b.run("up", "-d")
	if r.code != 1 || !strings.Contains(r.errors, fmt.Sprintf("process %d", pid)) {
		t.Errorf("up -d: %d %s%s", r.code, r.out, r.errors)
	}
	f.set("freezer.state", "THAWED")
	awaitGone(t, pid)
	b.up()
}

// What the program was before that is coppice now has started is not coppice's to end.
func TestChildrenOfTheStarter(t *testing.T) {
	b := newBed(t, "[process.a]\ncommand = [\"sleep\", \"1000\"]\n")
	number := fmt.Sprintf("600000.%09d", unique(t))
	shell := b.command("up")
	coppice := shell.Path
	shell.Path, shell.Args = "/bin/sh", []string{"sh", "-c", "sleep " + number + " >/dev/null 2>&1 & exec \"$0\" up", coppice}
	first := start(t, shell)
	b.awaitDaemon()
	b.awaitState("a", "running")
	(&grove{bed: b, t: t}).kill(true, false)
	b.must("down")
	<-first.done
	left := sleepers(number)
	if len(left) != 1 {
		t.Errorf("%d processes are left of one that is a stranger's", len(left))
	}
	for _, pid := range left {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it is ours
	}
}
