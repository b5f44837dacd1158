package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// alone is a command that runs the program as PID 1 of a world of its own, with
// its own /proc; the test is skipped where that is not permitted.
func (b *bed) alone(args ...string) *exec.Cmd {
	b.t.Helper()
	return b.aloneAs(append([]string{binary}, args...)...)
}

// aloneAs is a command line that becomes PID 1 of a world of its own.
func (b *bed) aloneAs(line ...string) *exec.Cmd {
	b.t.Helper()
	needs(b.t, "unshare")
	world := []string{"--pid", "--fork", "--mount-proc", "--kill-child"}
	if out, err := exec.Command("unshare", append(world, "true")...).CombinedOutput(); err != nil {
		world = append([]string{"--user", "--map-root-user"}, world...)
		if _, err := exec.Command("unshare", append(world, "true")...).CombinedOutput(); err != nil {
			b.t.Skipf("a pid namespace is not permitted here: %s", strings.TrimSpace(string(out)))
		}
	}
	inner := b.command()
	cmd := exec.Command("unshare", append(world, line...)...)
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
			syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGPWR, // these stop it
			rtMin + 3, rtMin + 4, rtMin + 5, rtMin + 13, rtMin + 14, rtMin + 15, // and these
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

// rtMin is SIGRTMIN.
const rtMin = syscall.Signal(34)

// The signals by which whoever runs a container ends it, as systemd obeys them.
func TestPID1Halts(t *testing.T) {
	t.Parallel()
	const (
		polite = "trap 'echo bye > bye; exit 0' TERM; echo > on; while :; do sleep 0.05; done"
		deaf   = "trap '' TERM; echo > on; while :; do sleep 0.05; done"
	)
	for s, command := range map[syscall.Signal]string{
		syscall.SIGPWR: polite, syscall.SIGQUIT: polite, rtMin + 3: polite, rtMin + 4: polite, rtMin + 5: polite,
		rtMin + 13: deaf, rtMin + 14: deaf, rtMin + 15: deaf, // who is deaf and has for ever is killed
	} {
		t.Run(fmt.Sprint(int(s)), func(t *testing.T) {
			t.Parallel()
			b := plot(t, "[process.a]\ncommand = "+quoted(command)+"\nshutdown = \"infinity\"\n")
			up := start(t, b.alone("up"))
			b.awaitDaemon()
			b.awaitFile("on")
			if err := syscall.Kill(inside(t, up), s); err != nil {
				t.Fatal(err)
			}
			up.ended(0)
			if _, err := os.Stat(b.path("bye")); (err == nil) != (command == polite) {
				t.Errorf("a was asked politely: %v", err == nil)
			}
		})
	}
}

// Orphans cost nothing once they are reaped: after many the memory is what it was
// after some, and no descriptor is left.
func TestPID1StaysSmall(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[process.orphans]
command = """
for round in 1 2 3 4 5 6; do
	i=0
	while [ $i -lt 500 ]; do (setsid true &); i=$((i+1)); done
	echo > told; read x < go
done
sleep 1000
"""
`)
	told, again := b.fifo("told"), b.fifo("go")
	up := start(t, b.alone("up"))
	daemon := b.awaitDaemon()
	first := inside(t, up)
	second := 0
	for _, pid := range allPIDs() {
		if parentOf(pid) == first && strings.HasPrefix(cmdline(pid), "coppice-daemon") {
			second = pid
		}
	}
	if second == 0 {
		t.Fatalf("the daemon, %d inside, is not found", daemon.Daemon.PID)
	}
	var early map[int][2]int
	for round := range 6 {
		heard(t, told)
		until(t, "no zombie is left", func() bool {
			for _, pid := range allPIDs() {
				if parent := parentOf(pid); (parent == first || parent == second) && procState(pid) == "Z" {
					return false
				}
			}
			return true
		})
		b.exits(0, "status", "orphans") // the loop has caught up
		now := map[int][2]int{first: sizes(t, first), second: sizes(t, second)}
		if round == 1 {
			early = now
		}
		for pid, was := range early {
			const slack = 4 << 10 // KiB
			if is := now[pid]; is[0] > was[0]+slack || is[1] > was[1]+2 {
				t.Errorf("round %d: process %d had %d KiB and %d descriptors, and has %d and %d", round, pid, was[0], was[1], is[0], is[1])
			}
		}
		say(t, again)
	}
	if err := syscall.Kill(first, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	up.ended(0)
}

// sizes are the memory, in KiB, and the descriptors of a process.
func sizes(t *testing.T, pid int) [2]int {
	t.Helper()
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	memory := 0
	for line := range strings.Lines(statusOf(pid)) {
		if n, _ := fmt.Sscanf(line, "RssAnon: %d", &memory); n == 1 {
			break
		}
	}
	return [2]int{memory, len(fds)}
}
