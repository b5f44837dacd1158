package process_test

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"coppice/supervisor/process"
	"coppice/tree"
)

// stubborn is the part of a script that leaves a member in the group which
// ignores SIGTERM and says "member" once it does.
const stubborn = `(trap "" TERM; echo member; exec sleep 1000) & `

// silence fails unless all who could write to the output are gone, having
// written nothing more.
func silence(t *testing.T, output *bufio.Reader) {
	t.Helper()
	if rest, err := io.ReadAll(output); err != nil || len(rest) > 0 {
		t.Errorf("the child also said %q, %v", rest, err)
	}
}

func TestStopEndsAChild(t *testing.T) {
	w := newWorld(t)
	for _, signal := range []string{"", "SIGTERM", "SIGINT", "SIGRTMIN+3", "SIGKILL"} {
		for _, mainOnly := range []bool{false, true} {
			ref, _ := w.start(process.Command{Argv: []string{"sleep", "1000"}, Env: environment})
			w.Stop(ref, signal, mainOnly)
			if signal == "" {
				signal = "SIGTERM"
			}
			w.wantExit(ref, tree.Exit{Signal: signal})
		}
	}
}

func TestUnaskedEndKillsTheGroup(t *testing.T) {
	w := newWorld(t)
	ref, _, output := w.shell(stubborn+`trap "exit 3" USR1; echo leader; wait`, "member", "leader")
	w.Signal(ref, "SIGUSR1", false)
	w.wantExit(ref, tree.Exit{Code: 3})
	silence(t, output)
}

func TestEndAfterASignalIsUnasked(t *testing.T) {
	w := newWorld(t)
	ref, _, output := w.shell(stubborn+`echo leader; wait`, "member", "leader")
	w.Signal(ref, "SIGTERM", true)
	w.wantExit(ref, tree.Exit{Signal: "SIGTERM"})
	silence(t, output)
}

func TestStopGivesTheGroupUntilKill(t *testing.T) {
	w := newWorld(t)
	ref, pid, output := w.shell(stubborn+`trap "exit 7" TERM; echo leader; wait`, "member", "leader")
	w.Stop(ref, "SIGTERM", false)
	w.awaitReaped(pid)
	w.barrier() // it is not told as exited
	w.Signal(ref, "SIGTERM", false)
	w.Stop(ref, "SIGTERM", true) // nobody is left to get these two
	w.barrier()
	w.Kill(ref)
	w.wantExit(ref, tree.Exit{Code: 7})
	silence(t, output)
}

func TestGroupEndsByItselfAfterStop(t *testing.T) {
	w := newWorld(t)
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	ref, pid, output := w.shell(`(trap "" TERM; echo member; read x <`+fifo+`; echo bye) &
		trap "exit 0" TERM; echo leader; wait`, "member", "leader")
	w.Stop(ref, "SIGTERM", false)
	w.awaitReaped(pid)
	w.barrier()
	file, err := unix.Open(fifo, unix.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(file)
	w.wantExit(ref, tree.Exit{})
	if line, _ := output.ReadString('\n'); line != "bye\n" {
		t.Errorf("the child said %q", line)
	}
}

// The last member is reaped by its own parent, who has left the group: nobody
// tells the reaper.
func TestMemberReapedByAnotherParent(t *testing.T) {
	w := newWorld(t)
	ref, pid, output := w.shell(`trap "exit 0" TERM; `+helper("escaped parent")+` & echo leader; wait`, "leader", "member")
	w.Stop(ref, "SIGTERM", false)
	w.awaitReaped(pid)
	w.barrier()
	w.Kill(ref)
	w.wantExit(ref, tree.Exit{})
	silence(t, output)
}

func TestStopIsIgnored(t *testing.T) {
	w := newWorld(t)
	ref, _, output := w.shell(`trap "" TERM; echo ready; sleep 1000`, "ready")
	w.Stop(ref, "SIGTERM", false)
	w.barrier()
	w.Kill(ref)
	w.Kill(ref)
	w.wantExit(ref, tree.Exit{Signal: "SIGKILL"})
	silence(t, output)
}

func TestStopWakesAStoppedChild(t *testing.T) {
	w := newWorld(t)
	for _, mainOnly := range []bool{false, true} {
		ref, pid, output := w.shell(`trap "exit 4" TERM; echo ready; while :; do :; done`, "ready")
		w.Signal(ref, "SIGSTOP", true)
		await(t, pid, unix.WSTOPPED)
		w.barrier()
		w.Stop(ref, "SIGTERM", mainOnly)
		w.wantExit(ref, tree.Exit{Code: 4})
		silence(t, output)
	}
}

func TestStopOfTheMainProcessAlone(t *testing.T) {
	w := newWorld(t)
	ref, pid, output := w.shell(`(trap "echo hit" TERM; echo member; while :; do sleep 1000; done) &
		trap "exit 5" TERM; echo leader; wait`, "member", "leader")
	w.Stop(ref, "SIGTERM", true)
	w.awaitReaped(pid)
	w.barrier()
	w.Kill(ref)
	w.wantExit(ref, tree.Exit{Code: 5})
	silence(t, output)
}

func TestSignalToOneAndToAll(t *testing.T) {
	w := newWorld(t)
	ref, _, output := w.shell(helper("echo")+` member & `+`exec env `+helper("echo")+` leader`, "member", "leader")
	want := func(lines ...string) {
		got := map[string]bool{}
		for range lines {
			line, _ := output.ReadString('\n')
			got[line] = true
		}
		for _, line := range lines {
			if !got[line+"\n"] {
				t.Errorf("the children said %v, want %q", got, line)
			}
		}
	}
	w.Signal(ref, "SIGUSR1", false)
	want("leader SIGUSR1")
	w.Signal(ref, "SIGUSR1", true)
	want("leader SIGUSR1", "member SIGUSR1")
	w.Kill(ref)
	w.wantExit(ref, tree.Exit{Signal: "SIGKILL"})
}

// Whatever is asked of somebody who is not there does nothing.
func TestStaleRefs(t *testing.T) {
	w := newWorld(t)
	never := tree.Ref{ID: "never", Generation: 1}
	ref, _ := w.start(process.Command{Argv: []string{"true"}, Env: environment})
	w.wantExit(ref, tree.Exit{})
	again := tree.Ref{ID: ref.ID, Generation: ref.Generation + 1}
	w.ID++
	w.Start(again, process.Command{Argv: []string{"sleep", "1000"}, Env: environment})
	nextIs[process.Started](w)
	for _, gone := range []tree.Ref{never, ref} {
		w.Stop(gone, "SIGTERM", false)
		w.Stop(gone, "SIGTERM", true)
		w.Kill(gone)
		w.Signal(gone, "SIGKILL", true)
		w.Signal(gone, "nonsense", false)
	}
	w.barrier()
	w.Kill(again)
	w.wantExit(again, tree.Exit{Signal: "SIGKILL"})
}

func TestUnknownSignal(t *testing.T) {
	w := newWorld(t)
	ref, pid := w.start(process.Command{Argv: []string{"sleep", "1000"}, Env: environment})
	w.Signal(ref, "SIGFOO", true)
	w.wantRefused(ref, pid, "SIGFOO", "there is no such signal")
	w.Kill(ref)
	w.wantExit(ref, tree.Exit{Signal: "SIGKILL"})
}

// A child ends by itself around the moment at which it is stopped: what is told
// is its true status, once.
func TestStopAgainstOwnEnd(t *testing.T) {
	w := newWorld(t)
	program := quickProgram(t)
	ends := map[tree.Exit]int{}
	for i := range 500 {
		ref := w.ref()
		w.Start(ref, process.Command{Argv: []string{program}})
		for begin := time.Now(); time.Since(begin) < time.Duration(i)*time.Microsecond; {
		}
		w.Stop(ref, "SIGTERM", false)
		w.Kill(ref)
		nextIs[process.Started](w)
		ends[w.exited(ref)]++
	}
	for exit := range ends {
		if exit != (tree.Exit{}) && exit.Signal != "SIGTERM" && exit.Signal != "SIGKILL" {
			t.Errorf("a child ended with %+v", exit)
		}
	}
	t.Log(ends)
}

// The daemon may not signal a child that runs as somebody else: that is told and
// is not the end of anything. Its end comes by itself.
func TestSignalNotPermitted(t *testing.T) {
	if unix.Geteuid() != 0 {
		t.Skip("only root can start a child as somebody else")
	}
	if !inside(t, "lacking CAP_KILL", nil) {
		return
	}
	w := newWorld(t)
	for _, script := range []string{
		`echo ready; read x <fifo; exit 9`,    // the main process goes on
		`(echo ready; read x <fifo) & exit 9`, // only a member does
	} {
		dir := publicDir(t)
		fifo := filepath.Join(dir, "fifo")
		if err := unix.Mkfifo(fifo, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := unix.Chmod(fifo, 0o644); err != nil {
			t.Fatal(err)
		}
		read, write := pipe(t)
		ref, pid := w.start(process.Command{
			Argv: []string{"sh", "-c", script}, Env: environment, Dir: dir, Stdout: write,
			User: &syscall.Credential{Uid: 65534, Gid: 65534},
		})
		if line, err := bufio.NewReader(read).ReadString('\n'); line != "ready\n" {
			t.Fatal(line, err)
		}
		if strings.Contains(script, "&") {
			w.wantRefused(ref, pid, "SIGKILL", notPermitted) // of the end that nobody asked for
			w.Stop(ref, "SIGTERM", false)
			w.Kill(ref) // the group got its SIGKILL: these two are not even tried
		} else {
			w.Stop(ref, "SIGTERM", false)
			w.wantRefused(ref, pid, "SIGTERM", notPermitted)
			w.Kill(ref)
			w.wantRefused(ref, pid, "SIGKILL", notPermitted)
		}
		w.barrier()
		file, err := unix.Open(fifo, unix.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(file)
		w.wantExit(ref, tree.Exit{Code: 9})
	}
}

const notPermitted = "operation not permitted (it runs as another user, and the daemon is neither root nor has CAP_KILL)"

func (w *world) wantRefused(ref tree.Ref, pid int, signal, reason string) {
	w.t.Helper()
	want := process.SignalFailed{
		Ref: ref, Signal: signal,
		Cause: fmt.Sprintf("cannot send %s to process %d: %s", signal, pid, reason),
	}
	if fact := nextIs[process.SignalFailed](w); fact != want {
		w.t.Errorf("got  %+v\nwant %+v", fact, want)
	}
}
