package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// programVariable names the program under test where it is built already.
const programVariable = "PROGRAM"

// worldVariable says that this test binary is the first process of a pid namespace of
// its own, where it hands out process numbers as it likes.
const worldVariable = "WORLD"

// inWorld says whether this process is in a world of its own. If not, it runs the test
// in one, or skips it where that is not permitted.
func inWorld(t *testing.T) bool {
	t.Helper()
	if os.Getenv(worldVariable) != "" {
		if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
			t.Fatal(err)
		}
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), worldVariable+"=1", programVariable+"="+binary)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil && len(out) == 0:
		t.Skipf("a pid namespace is not permitted here: %v", err)
	case err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()+" "):
		t.Errorf("in a world of its own: %v\n%s", err, out)
	}
	return false
}

// decoy is a stranger with a number that was another's. It leads a group of that
// number, and takes note of each signal that it gets.
type decoy struct {
	b   *bed
	cmd *exec.Cmd
}

// newDecoy starts one whose number is pid.
func (b *bed) newDecoy(pid int) *decoy {
	b.t.Helper()
	note := fmt.Sprintf("decoy%d", pid)
	script := fmt.Sprintf("trap 'echo hit >> %s.hit' HUP INT QUIT USR1 USR2 TERM CONT; echo on > %s.on; while :; do read x; done", note, note)
	for {
		if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(strconv.Itoa(pid-1)), 0); err != nil {
			b.t.Fatal(err)
		}
		cmd := exec.Command("sh", "-c", script)
		cmd.Dir = b.dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if _, err := cmd.StdinPipe(); err != nil {
			b.t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			b.t.Fatal(err)
		}
		if cmd.Process.Pid == pid {
			b.awaitFile(note + ".on")
			return &decoy{b, cmd}
		}
		_ = cmd.Process.Kill() // another one was faster
		_ = cmd.Wait()
	}
}

// unharmed ends the decoy, which must have got no signal before.
func (d *decoy) unharmed() {
	d.b.t.Helper()
	if hit := fmt.Sprintf("decoy%d.hit", d.cmd.Process.Pid); hasFile(d.b, hit) {
		d.b.t.Errorf("decoy %d was signalled: %s", d.cmd.Process.Pid, d.b.read(hit))
	}
	if !isAlive(d.cmd.Process.Pid) {
		d.b.t.Errorf("decoy %d is dead", d.cmd.Process.Pid)
	}
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait()
}

// reap kills processes that become this one's children, all before any of them can do
// something about it, and waits for them.
func (b *bed) reap(pids ...int) {
	b.t.Helper()
	for _, s := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGKILL} {
		for _, pid := range pids {
			if err := syscall.Kill(pid, s); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	for _, pid := range pids {
		until(b.t, fmt.Sprintf("process %d has been waited for", pid), func() bool {
			_, err := unix.Wait4(pid, nil, 0, nil)
			return err == nil // else its parent is not gone yet
		})
	}
}

const twoSleepers = `
[process.a]
command = ["sleep", "1000"]
[process.b]
command = ["sleep", "1000"]
`

// A stranger has got the number of a process that was stopped: whatever is asked of
// that one, the stranger gets nothing of it.
func TestNumberOfAStoppedProcess(t *testing.T) {
	if !inWorld(t) {
		return
	}
	b := newBed(t, twoSleepers)
	b.up()
	pid := b.node("a").PID
	b.must("stop", "a")
	d := b.newDecoy(pid)
	b.must("stop", "a")
	b.exits(1, "kill", "a")
	b.exits(1, "kill", "a", "--all", "-s", "KILL")
	b.must("restart", "a")
	b.must("down")
	d.unharmed()
}

// A stranger has got the number of a process that ended while nobody supervised it: it
// is not taken for that one, nor signalled; nobody knows how that one ended, and it is
// started anew. The other process was there all the time.
func TestNumberOfALostProcess(t *testing.T) {
	if !inWorld(t) {
		return
	}
	b := newBed(t, twoSleepers)
	b.up()
	was := b.tree()
	before := pids(was.Root)
	b.reap(was.Daemon.PID, was.Daemon.Keeper, before["a"])
	d := b.newDecoy(before["a"])
	b.up()
	b.awaitKind(0, "a", "exited")
	a := b.awaitState("a", "running")
	if a.PID == before["a"] || a.LastExit == nil || a.LastExit.Reason != "lost" {
		t.Errorf("a is %+v, its last exit %+v", a, a.LastExit)
	}
	if got := b.node("b").PID; got != before["b"] {
		t.Errorf("b was %d and is %d", before["b"], got)
	}
	b.must("restart", "a", "b")
	b.must("down")
	d.unharmed()
}

// The machine was started anew: what the journal tells of has not survived that, and
// who has got the numbers has nothing to do with it.
func TestNumbersAfterAReboot(t *testing.T) {
	if !inWorld(t) {
		return
	}
	b := newBed(t, twoSleepers)
	b.up()
	was := b.tree()
	before := pids(was.Root)
	b.reap(was.Daemon.PID, was.Daemon.Keeper, before["a"], before["b"])
	b.write("boot_id", "11111111-2222-3333-4444-555555555555\n")
	if err := unix.Mount(b.path("boot_id"), "/proc/sys/kernel/random/boot_id", "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	decoys := []*decoy{b.newDecoy(before["a"]), b.newDecoy(before["b"]), b.newDecoy(was.Daemon.PID), b.newDecoy(was.Daemon.Keeper)}
	b.up()
	for _, name := range []string{"a", "b"} {
		if n := b.node(name); n.PID == before[name] || n.State != "running" || n.Restarts != 0 || n.LastExit != nil {
			t.Errorf("%s is %+v", name, n)
		}
	}
	b.must("restart", "a", "b")
	b.must("down")
	for _, d := range decoys {
		d.unharmed()
	}
}
