package process_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"coppice/supervisor/process"
	"coppice/tree"
)

// privatePIDs is what a process needs to hand out process numbers as it likes.
var privatePIDs = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}

// nextPID makes the kernel give this number to the next process, or thread.
func nextPID(t *testing.T, pid int) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(strconv.Itoa(pid-1)), 0); err != nil {
		t.Fatal(err)
	}
}

// decoy is a stranger to the reaper, who leads a group.
type decoy struct {
	pid    int
	output *bufio.Reader
}

// newDecoy starts one with this number.
func newDecoy(t *testing.T, pid int) *decoy {
	t.Helper()
	read, write := pipe(t)
	attr := &syscall.ProcAttr{
		Env:   append(environment, circumstance+"=decoy"),
		Files: []uintptr{0, write.Fd(), 2},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	}
	for {
		nextPID(t, pid)
		got, err := syscall.ForkExec(exe, []string{exe}, attr)
		if err != nil {
			t.Fatal(err)
		}
		if got == pid {
			break
		}
		if err := unix.Kill(got, unix.SIGKILL); err != nil { // a thread of ours was faster
			t.Fatal(err)
		}
	}
	d := &decoy{pid, bufio.NewReader(read)}
	if line, err := d.output.ReadString('\n'); line != "decoy\n" {
		t.Fatal(line, err)
	}
	return d
}

// wantUnharmed ends the decoy, which must not have got a signal.
func (d *decoy) wantUnharmed(t *testing.T) {
	t.Helper()
	if err := unix.Kill(d.pid, unix.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	if line, err := d.output.ReadString('\n'); line != "\"\"\n" {
		t.Errorf("the decoy got %s, %v", line, err)
	}
}

// A stranger gets the number of a child that has ended.
func TestNumberOfAnEndedChild(t *testing.T) {
	if !inside(t, "first process", privatePIDs) {
		return
	}
	w := newWorld(t)
	ref, pid := w.start(process.Command{Argv: []string{"true"}, Env: environment})
	w.wantExit(ref, tree.Exit{})
	d := newDecoy(t, pid)
	w.Stop(ref, "SIGTERM", false)
	w.Stop(ref, "SIGTERM", true)
	w.Signal(ref, "SIGTERM", true)
	w.Signal(ref, "SIGTERM", false)
	w.Kill(ref)
	w.barrier()
	d.wantUnharmed(t)
}

// drained starts a child, stops it so that only a member is left whose end the
// reaper does not see, calls gone after that end while the reaper stands, and lets
// the reaper go on. The number of the group is free in gone.
func drained(t *testing.T, w *world, gone func(ref tree.Ref, number int)) tree.Ref {
	t.Helper()
	file := filepath.Join(t.TempDir(), "member")
	ref, pid, _ := w.shell(`trap "exit 0" TERM; PIDFILE=`+file+" "+helper("escaped parent")+` & echo leader; wait`,
		"leader", "member")
	w.Stop(ref, "SIGTERM", false)
	w.awaitReaped(pid)
	member := readPID(t, file)

	resume := w.stand()
	if err := unix.Kill(member, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for unix.Kill(-pid, 0) != unix.ESRCH { // its parent reaps it in a moment
		runtime.Gosched()
	}
	gone(ref, pid)
	resume()
	return ref
}

func readPID(t *testing.T, file string) int {
	t.Helper()
	for {
		data, err := os.ReadFile(file)
		if pid, bad := strconv.Atoi(strings.TrimSpace(string(data))); bad == nil {
			return pid
		}
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
}

// A stranger gets the number of a draining group, and leads a group of it.
func TestNumberOfADrainingGroup(t *testing.T) {
	if !inside(t, "first process", privatePIDs) {
		return
	}
	if !signalsGroups() {
		t.Skip("this kernel cannot signal a group through a pidfd")
	}
	w := newWorld(t)
	var d *decoy
	ref := drained(t, w, func(ref tree.Ref, number int) {
		d = newDecoy(t, number)
		w.Signal(ref, "SIGTERM", true)
		w.Stop(ref, "SIGTERM", false)
		w.Kill(ref)
	})
	for range 3 { // the start and the end of the child at which the reaper stood, and this end
		if fact, ok := w.next().(process.Exited); ok && fact.Exit != (tree.Exit{}) {
			t.Errorf("%+v", fact)
		}
	}
	w.Kill(ref)
	w.barrier()
	d.wantUnharmed(t)
}

// signalsGroups says whether PIDFD_SIGNAL_PROCESS_GROUP works.
func signalsGroups() bool {
	pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return false
	}
	defer unix.Close(pidfd)
	err = unix.PidfdSendSignal(pidfd, 0, nil, unix.PIDFD_SIGNAL_PROCESS_GROUP)
	return err == nil || err == unix.ESRCH
}

// A new child gets the number of a draining group: the end of that group is told
// before the start, and what is asked of the old child does not reach the new one.
func TestNumberGoesToANewChild(t *testing.T) {
	if !inside(t, "first process", privatePIDs) {
		return
	}
	w := newWorld(t)
	for inherited := 0; inherited < 8; { // half of the times a timer is faster than the heir
		heir := w.ref()
		number := 0
		old := drained(t, w, func(ref tree.Ref, n int) {
			number = n
			w.Start(heir, process.Command{Argv: []string{"sleep", "1000"}, Env: environment})
			w.Stop(ref, "SIGTERM", false)
			w.Kill(ref)
			nextPID(t, n)
		})
		var order []string
		for range 4 { // the child at which the reaper stood starts and ends, too
			switch fact := w.next().(type) {
			case process.Started:
				if fact.Ref == heir {
					order = append(order, "heir")
					if fact.PID == number { // else a thread of ours was faster
						inherited++
					}
				}
			case process.Exited:
				if fact.Ref == old {
					order = append(order, "old")
				}
			}
		}
		if fmt.Sprint(order) != "[old heir]" {
			t.Error(order)
		}
		w.Signal(heir, "SIGINT", false)
		w.wantExit(heir, tree.Exit{Signal: "SIGINT"})
	}
}
