package process_test

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"coppice/supervisor/process"
	"coppice/tree"
)

func TestExitCodesAreExact(t *testing.T) {
	w := newWorld(t)
	for code := range 256 {
		ref, _ := w.start(process.Command{Argv: []string{"sh", "-c", fmt.Sprint("exit ", code)}, Env: environment})
		w.wantExit(ref, tree.Exit{Code: code})
	}
}

func TestSignalsThatEndAreExact(t *testing.T) {
	harmless := map[unix.Signal]bool{
		unix.SIGCHLD: true, unix.SIGCONT: true, unix.SIGURG: true, unix.SIGWINCH: true,
		unix.SIGSTOP: true, unix.SIGTSTP: true, unix.SIGTTIN: true, unix.SIGTTOU: true,
	}
	w := newWorld(t)
	for n := unix.Signal(1); n <= 64; n++ {
		if harmless[n] {
			continue
		}
		ref, _ := w.start(process.Command{Argv: []string{"sleep", "1000"}, Env: environment, Dir: t.TempDir()})
		w.Signal(ref, process.SignalName(n), false)
		w.wantExit(ref, tree.Exit{Signal: process.SignalName(n)})
	}
}

// 200 children end while the reaper is busy elsewhere: their SIGCHLDs coalesce.
func TestEndsThatCoalesce(t *testing.T) {
	const children = 200
	w := newWorld(t)
	pids := map[tree.Ref]int{}
	for range children {
		ref, pid := w.start(process.Command{Argv: []string{"sleep", "1000"}, Env: environment})
		pids[ref] = pid
	}
	resume := w.stand()
	for _, pid := range pids {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		await(t, pid, unix.WEXITED)
	}
	resume()
	nextIs[process.Started](w)
	for range children + 1 {
		fact := nextIs[process.Exited](w)
		if _, ok := pids[fact.Ref]; ok && fact.Exit != (tree.Exit{Signal: "SIGKILL"}) {
			t.Errorf("%v: %+v", fact.Ref, fact.Exit)
		}
	}
}

// Each of 600 children leaves two orphans. No status gets lost among them.
func TestOrphansAreReaped(t *testing.T) {
	const children = 600
	w := newWorld(t)
	read, write := pipe(t)
	codes := map[tree.Ref]int{}
	for i := range children {
		output, err := unix.FcntlInt(write.Fd(), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			t.Fatal(err)
		}
		ref := w.ref()
		codes[ref] = i % 256
		w.Start(ref, process.Command{
			Argv:   []string{"sh", "-c", fmt.Sprint("setsid true & setsid true & exit ", i%256)},
			Env:    environment,
			Stdout: newFile(output),
		})
	}
	write.Close()
	for range 2 * children {
		if fact, ok := w.next().(process.Exited); ok && fact.Exit != (tree.Exit{Code: codes[fact.Ref]}) {
			t.Errorf("%v: %+v, want code %d", fact.Ref, fact.Exit, codes[fact.Ref])
		}
	}
	readAll(t, read) // the last orphan has closed its output
	for zombies := 1; zombies > 0; {
		w.barrier()
		zombies = countZombies(t)
	}
}

func TestQuickCycles(t *testing.T) {
	const cycles = 2000
	w := newWorld(t)
	program := quickProgram(t)
	for range cycles {
		w.Start(w.ref(), process.Command{Argv: []string{program}})
	}
	started, exited := 0, 0
	for range 2 * cycles {
		switch fact := w.next().(type) {
		case process.Started:
			started++
		case process.Exited:
			exited++
			if fact.Exit != (tree.Exit{}) {
				t.Errorf("%v: %+v", fact.Ref, fact.Exit)
			}
		}
	}
	if started != cycles || exited != cycles {
		t.Errorf("%d started, %d exited", started, exited)
	}
}
