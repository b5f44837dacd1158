package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"coppice/ipc"
)

// tamper makes the system calls of a process fail as strace's "-e inject=" says, until
// the returned function is called. The test is skipped where strace cannot do so.
func tamper(t *testing.T, pid int, inject string) (heal func()) {
	t.Helper()
	needs(t, "strace")
	calls, _, _ := strings.Cut(inject, ":")
	cmd := exec.Command("strace", "-f", "-o", os.DevNull, "-p", strconv.Itoa(pid), "-e", "trace="+calls, "-e", "inject="+inject)
	r := start(t, cmd)
	traced := func() bool { return strings.Contains(statusOf(pid), "TracerPid:\t"+strconv.Itoa(cmd.Process.Pid)+"\n") }
	until(t, "strace traces", func() bool {
		select {
		case <-r.done:
			t.Skipf("strace cannot trace here: %s", r.stderr())
		default:
		}
		return traced()
	})
	return func() {
		t.Helper()
		_ = cmd.Process.Signal(os.Interrupt) // it lets go, and the process runs on, if it has not ended
		r.wait()
	}
}

// A process that is stopped, or that somebody traces, has not ended: it is what it was,
// and a stop wakes it.
func TestStoppedAndTracedProcess(t *testing.T) {
	t.Parallel()
	b := plot(t, twoSleepers)
	b.up()
	since := b.newest()
	before := pids(b.tree().Root)
	if err := syscall.Kill(before["a"], syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	until(t, "a stands", func() bool { return procState(before["a"]) == "T" })
	if _, err := exec.LookPath("strace"); err == nil {
		heal := tamper(t, before["b"], "getpid:error=EPERM")
		heal()
	}
	b.must("kill", "a", "-s", "SIGUSR1") // it is told when it goes on
	b.exits(0, "status", "a", "b")
	if after := pids(b.tree().Root); after["a"] != before["a"] || after["b"] != before["b"] {
		t.Errorf("%v, then %v", before, after)
	}
	if told := story(b.record(), since, "exited", "stopping", "unhealthy"); len(told) != 0 {
		t.Errorf("told is %v", told)
	}
	b.must("stop", "a")
	gone(t, "a", before["a"])
}

// Five thousand orphans of a child are reaped, and nobody else's end is taken for
// theirs.
func TestFiveThousandOrphans(t *testing.T) {
	t.Parallel()
	b := plot(t, `
[process.storm]
command = "i=0; while [ $i -lt 500 ]; do (for j in 1 2 3 4 5 6 7 8 9 10; do (exit 3) & done); i=$((i+1)); done; echo made > made; exec sleep 1000"
[process.other]
command = ["sleep", "1000"]
`)
	b.up()
	since := b.newest()
	daemon := b.tree().Daemon.PID
	most := 0
	until(t, "the storm is over", func() bool {
		most = max(most, zombiesOf(daemon))
		return hasFile(b, "made")
	})
	until(t, "no zombie is left", func() bool { return zombiesOf(daemon) == 0 })
	t.Logf("%d zombies at a time, at most", most)
	b.exits(0, "status", "storm", "other")
	if told := story(b.record(), since, "exited"); len(told) != 0 {
		t.Errorf("told is %v", told)
	}
}

func zombiesOf(parent int) (n int) {
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", parent, parent))
	for child := range strings.FieldsSeq(string(children)) {
		if pid, err := strconv.Atoi(child); err == nil && procState(pid) == "Z" {
			n++
		}
	}
	return n
}

// healthy wants a tree of two sleepers to be up again, whatever was done to its
// daemon: b was never touched, a runs once.
func (b *bed) healthy(before map[string]int) {
	b.t.Helper()
	if _, err := askUntil(b.client()); err != nil {
		b.t.Fatal(err)
	}
	b.awaitState("a", "running")
	after := pids(b.tree().Root)
	if after["b"] != before["b"] || after["a"] == before["a"] {
		b.t.Errorf("%v, then %v", before, after)
	}
	if sleepers := living(b.dir); len(sleepers) < 2 || !isAlive(after["a"]) {
		b.t.Errorf("%v live", sleepers)
	}
}

// There is no memory for a fork, some times; or no descriptor left in the whole system.
// The process is started when there is.
func TestSystemOutOfResources(t *testing.T) {
	t.Parallel()
	for _, inject := range []string{
		"clone,clone3,vfork:error=ENOMEM:when=1..3",
		"clone,clone3,vfork:error=EAGAIN:when=1..3",
		"openat,pipe2,socketpair,epoll_create1,pidfd_open:error=ENFILE",
	} {
		t.Run(inject, func(t *testing.T) {
			t.Parallel()
			b := plot(t, "[supervisor.root]\nintensity = \"infinity\"\nchildren = [\"a\", \"b\"]\n"+twoSleepers)
			b.up()
			d := b.tree().Daemon
			before := pids(b.tree().Root)
			heal := tamper(t, d.PID, inject)
			if err := syscall.Kill(before["a"], syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			// It may be a thread of the daemon that is not made: then that one dies, and the
			// next one goes on.
			until(t, "the end of a is seen", func() bool { return procState(before["a"]) == "" })
			heal()
			b.healthy(before)
		})
	}
}

// The runtime of Go ends a daemon that can make no thread. The keeper starts another
// one, and no process notices.
func TestNoMoreThreads(t *testing.T) {
	t.Parallel()
	b := plot(t, twoSleepers)
	b.up()
	d := b.tree().Daemon
	before := pids(b.tree().Root)
	heal := tamper(t, d.PID, "clone,clone3:error=EAGAIN")
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			_, err := b.client().Tree(ctx, true)
			if err != nil && !errors.Is(err, ipc.ErrDaemonGone) && !errors.Is(err, ipc.ErrNoDaemon) {
				t.Log(err)
			}
		})
	}
	all.Wait()
	if now, err := askUntil(b.client()); err != nil || now.Daemon.PID == d.PID {
		// The threads that it has beforehand were enough for that: then it is ended here.
		_ = unix.Kill(d.PID, unix.SIGKILL)
		awaitGone(t, d.PID)
	}
	heal()
	now, err := askUntil(b.client())
	if err != nil {
		t.Fatal(err)
	}
	if after := pids(now.Root); after["a"] != before["a"] || after["b"] != before["b"] {
		t.Errorf("%v, then %v", before, after)
	}
	b.exits(0, "status", "a", "b")
}
