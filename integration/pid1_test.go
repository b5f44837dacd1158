package integration

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// alone is a command that runs the program as PID 1 of a world of its own, with
// its own /proc; the test is skipped where that is not permitted.
func (b *bed) alone(args ...string) *exec.Cmd {
	b.t.Helper()
	needs(b.t, "unshare")
	world := []string{"--pid", "--fork", "--mount-proc", "--kill-child"}
	if out, err := exec.Command("unshare", append(world, "true")...).CombinedOutput(); err != nil {
		world = append([]string{"--user", "--map-root-user"}, world...)
		if _, err := exec.Command("unshare", append(world, "true")...).CombinedOutput(); err != nil {
			b.t.Skipf("a pid namespace is not permitted here: %s", strings.TrimSpace(string(out)))
		}
	}
	inner := b.command(args...)
	cmd := exec.Command("unshare", append(append(world, binary), args...)...)
	cmd.Dir, cmd.Env = inner.Dir, inner.Env
	return cmd
}

// inside is the pid, as seen from outside, of PID 1 of the world that a command
// has made.
func inside(t *testing.T, r *running) int {
	t.Helper()
	var pid int
	until(t, "PID 1 runs", func() bool {
		for _, p := range allPIDs() {
			if parentOf(p) == r.cmd.Process.Pid && strings.HasPrefix(cmdline(p), binary) {
				pid = p
				return true
			}
		}
		return false
	})
	return pid
}

func parentOf(pid int) int {
	var ppid int
	for line := range strings.Lines(statusOf(pid)) {
		if n, _ := fmt.Sscanf(line, "PPid: %d", &ppid); n == 1 {
			return ppid
		}
	}
	return 0
}

func statusOf(pid int) string {
	out, _ := exec.Command("cat", fmt.Sprintf("/proc/%d/status", pid)).Output()
	return string(out)
}

// As PID 1 coppice reaps what it never started.
func TestPID1ReapsStrangers(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[process.orphans]
command = """
i=0
while [ $i -lt 500 ]; do (sh -c 'exit 0' & ) ; (setsid true &); i=$((i+1)); done
echo made > made
sleep 1000
"""
[process.other]
command = ["sleep", "1000"]
`)
	up := start(t, b.alone("up"))
	b.awaitDaemon()
	b.awaitFile("made")
	first := inside(t, up)
	until(t, "no zombie is left", func() bool {
		for _, pid := range allPIDs() {
			if parentOf(pid) == first && procState(pid) == "Z" {
				return false
			}
		}
		return true
	})
	b.exits(0, "status", "orphans", "other")
	for _, e := range b.events() {
		if e.Kind == "exited" {
			t.Errorf("a stranger's end is told as %s's", e.Node)
		}
	}
	if err := syscall.Kill(first, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	up.ended(0)
}

// As PID 1 it is stopped by SIGTERM and SIGINT, in order, and leaves nothing.
func TestPID1Stops(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		for _, verb := range []string{"up", "daemon"} {
			t.Run(verb+" "+s.String(), func(t *testing.T) {
				t.Parallel()
				b := plot(t, `
[process.a]
command = "trap 'exit 3' TERM; echo on > a.on; while :; do sleep 0.05; done"
[process.b]
command = ["sleep", "1000"]
`)
				up := start(t, b.alone(verb))
				b.awaitDaemon()
				b.awaitState("root", "running")
				b.awaitFile("a.on")
				if err := syscall.Kill(inside(t, up), s); err != nil {
					t.Fatal(err)
				}
				up.ended(0)
				same(t, "order", story(b.record(), 0, "stopped"), "b stopped", "a stopped", "root stopped")
			})
		}
	}
}

// The exit code of the container is the tree's.
func TestPID1ExitCode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, process string
		code          int
	}{
		{"a job's code", "command = \"exit 23\"\nrestart = \"temporary\"\nsignificant = true", 23},
		{"a job's signal", "command = \"kill -KILL $$\"\nrestart = \"temporary\"\nsignificant = true", 128 + 9},
		{"a job is done", "command = \"exit 0\"\nrestart = \"transient\"\nsignificant = true", 0},
		{"gave up", "command = \"exit 23\"", 1},
		{"did not start", "command = [\"./missing\"]", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := plot(t, "[supervisor.root]\nauto_shutdown = \"any_significant\"\nchildren = [\"idle\", \"job\"]\n"+
				"[process.idle]\ncommand = [\"sleep\", \"1000\"]\n[process.job]\n"+c.process+"\n")
			up := start(t, b.alone("up"))
			up.ended(c.code)
		})
	}
}

// PID 1 must not die of any signal: the world would die with it.
func TestPID1OutlivesSignals(t *testing.T) {
	t.Parallel()
	b := plot(t, "[process.a]\ncommand = [\"sleep\", \"1000\"]\n")
	up := start(t, b.alone("daemon"))
	b.awaitDaemon()
	pid := b.awaitState("a", "running").PID
	first := inside(t, up)
	for n := syscall.Signal(1); n <= 64; n++ {
		switch n {
		case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU, // nobody can help these
			syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, // these stop it
			32, 33: // the C library's own
			continue
		}
		for range 2 {
			if err := syscall.Kill(first, n); err != nil {
				t.Fatalf("after signal %d: %v", n, err)
			}
		}
		if r := b.run("status", "a"); r.code != 0 {
			t.Fatalf("after signal %d: %s%s", n, r.errors, up.stderr())
		}
	}
	if got := b.node("a").PID; got != pid {
		t.Error("the child was touched")
	}
	if err := syscall.Kill(first, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	up.ended(0)
}
