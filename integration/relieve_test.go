package integration

import (
	"fmt"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"coppice/ipc"
)

func (b *bed) killNow(pid int, sig syscall.Signal) {
	b.t.Helper()
	if err := syscall.Kill(pid, sig); err != nil {
		b.t.Fatal(err)
	}
}

// Who waited for a keeper that was killed can wait for its tree again; a tree of
// `up -d` had nobody who waits, and is nobody's to take.
func TestUnattended(t *testing.T) {
	tree := "[process.a]\ncommand = [\"sleep\", \"1000\"]\n"
	for _, verb := range []string{"up", "daemon"} {
		t.Run(verb, func(t *testing.T) {
			b := newBed(t, tree)
			b.begin(verb)
			b.awaitDaemon()
			b.awaitState("a", "running")
			was := b.tree()
			b.killNow(was.Daemon.Keeper, syscall.SIGKILL)
			awaitGone(t, was.Daemon.Keeper)
			until(t, "it is unattended", func() bool { return b.tree().Daemon.Unattended })
			second := b.begin(verb)
			until(t, "it is attended", func() bool {
				now, err := askUntil(b.client())
				return err == nil && !now.Daemon.Unattended && now.Daemon.Keeper == second.cmd.Process.Pid
			})
			if now := pids(b.tree().Root)["a"]; now != pids(was.Root)["a"] {
				t.Errorf("a was %d and is %d", pids(was.Root)["a"], now)
			}
			r := b.exits(1, verb)
			has(t, "a third one", r.errors, fmt.Sprint("pid ", b.tree().Daemon.PID))
			second.signal(syscall.SIGTERM)
			second.ended(0)
		})
	}
	t.Run("up -d", func(t *testing.T) {
		b := newBed(t, tree)
		b.up()
		b.killNow(b.tree().Daemon.Keeper, syscall.SIGKILL)
		until(t, "another keeper is there", func() bool { return b.tree().Daemon.Keeper != 0 })
		b.exits(1, "up")
		if b.tree().Daemon.Unattended {
			t.Error("it is said to be unattended")
		}
	})
}

// A daemon that is stopped is replaced once somebody waits for it.
func TestStoppedDaemon(t *testing.T) {
	b := newBed(t, "[process.a]\ncommand = [\"sleep\", \"1000\"]\n")
	b.up()
	was := b.tree()
	b.killNow(was.Daemon.PID, syscall.SIGSTOP)
	until(t, "it stands", func() bool { return procState(was.Daemon.PID) != "S" && procState(was.Daemon.PID) != "R" })
	now := b.tree()
	if now.Daemon.PID == was.Daemon.PID || pids(now.Root)["a"] != pids(was.Root)["a"] {
		t.Errorf("the daemon was %d and is %d, a was %d and is %d",
			was.Daemon.PID, now.Daemon.PID, pids(was.Root)["a"], pids(now.Root)["a"])
	}
}

// A `down` that is cut off by the death of both goes on, and then `up -d` starts the
// tree anew, as on a tree that is being stopped.
func TestUpAfterADownThatWasCut(t *testing.T) {
	b := newBed(t, `[process.a]
command = """trap 'echo stopping > stopping; while ! test -e go; do sleep 0.01; done; exit 0' TERM; echo on > on; while :; do sleep 0.01; done"""
shutdown = "60s"
`)
	b.up()
	b.awaitFile("on")
	was := b.tree()
	down := b.begin("down")
	b.awaitFile("stopping")
	b.fell()
	<-down.done
	b.write("go", "")
	b.up()
	if now := b.tree(); pids(now.Root)["a"] == pids(was.Root)["a"] || now.Daemon.Stopping {
		t.Errorf("a is still %d, or is being stopped: %+v", pids(now.Root)["a"], now.Daemon)
	}
}

// Without a journal there is nothing to go by: nothing is started beside what runs.
func TestRemovedJournal(t *testing.T) {
	for _, what := range []string{".coppice/journal", ".coppice"} {
		t.Run(what, func(t *testing.T) {
			b := newBed(t, "")
			w := newWitnesses(t, b.dir)
			b.write("coppice.toml", w.process("a", "-", ""))
			b.up()
			w.speak(t, "a")
			was := b.tree()
			if err := os.RemoveAll(b.path(what)); err != nil {
				t.Fatal(err)
			}
			b.killNow(was.Daemon.PID, syscall.SIGKILL)
			awaitGone(t, was.Daemon.Keeper) // it says why, and goes
			w.single("a")
			pid := pids(was.Root)["a"]
			if !isAlive(pid) {
				t.Error("a was not left running")
			}
			if what != ".coppice" { // else the mark by which a is found is gone too
				r := b.exits(1, "up", "-d")
				has(t, "up -d", r.errors, "journal", fmt.Sprint("pid ", pid))
				w.single("a")
			}
			b.killNow(pid, syscall.SIGTERM)
			awaitGone(t, pid)
		})
	}
}

// A daemon that is killed while the disk with its journal is full leaves no process
// that the next one does not know.
func TestFullDiskOfTheJournal(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small file system")
	}
	b := newBed(t, "")
	w := newWitnesses(t, b.dir)
	b.write("coppice.toml", "[supervisor.root]\nintensity = \"infinity\"\nchildren = [\"a\", \"flap\"]\n"+
		w.process("a", "-", "")+"[process.flap]\ncommand = \"sleep 0.001; exit 1\"\n")
	state := b.path(".coppice")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("coppice-full", state, "tmpfs", 0, "size=2m,mode=0700"); err != nil {
		t.Skipf("a file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { b.end(); _ = unix.Unmount(state, unix.MNT_DETACH) })
	b.up()
	filler, err := os.Create(b.path(".coppice/filler"))
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 4096); err == nil; {
		_, err = filler.Write(block)
	}
	filler.Close()
	size := int64(-1)
	until(t, "the journal does not grow any more", func() bool {
		seq := b.newest()
		b.await(seq, "flap has been restarted some more", func(e ipc.Event) bool { return e.Seq > seq+200 })
		info, err := os.Stat(b.path(".coppice/journal"))
		if err != nil {
			t.Fatal(err)
		}
		stands := info.Size() == size
		size = info.Size()
		return stands
	})
	for range 5 {
		b.run("restart", "a")
		d, err := askUntil(b.client())
		if err != nil {
			t.Fatal(err)
		}
		b.killNow(d.Daemon.PID, syscall.SIGKILL)
	}
	if _, err := askUntil(b.client()); err != nil {
		t.Fatal(err)
	}
	w.single("a")
	if err := os.Remove(b.path(".coppice/filler")); err != nil {
		t.Fatal(err)
	}
	// The last restart may have been cut off, and the daemon be about to be replaced.
	until(t, "a is started", func() bool { return b.run("start", "a").code == 0 })
	b.must("down")
	w.single("a")
	if left := living(b.dir); len(left) > 0 {
		t.Errorf("%d processes are left after down: %v", len(left), left)
	}
}

// What a process says last is not lost if it was adopted after both had died, and
// then the daemon alone dies before it can read it.
func TestLastWordsOfTheAdopted(t *testing.T) {
	b := newBed(t, `[process.a]
command = "echo first; while ! test -e go; do sleep 0.01; done; echo last words; exit 3"
restart = "temporary"
`)
	b.up()
	b.awaitLog("a", "first")
	b.fell()
	b.up()
	d := b.tree()
	b.killNow(d.Daemon.PID, syscall.SIGSTOP)
	b.write("go", "")
	awaitGone(t, pids(d.Root)["a"])
	b.killNow(d.Daemon.PID, syscall.SIGKILL)
	b.awaitKind(0, "a", "exited")
	if log := b.must("logs", "--raw", "a"); log != "first\nlast words\n" {
		t.Errorf("its log is %q", log)
	}
}
