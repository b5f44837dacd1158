package process_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"coppice/supervisor/process"
	"coppice/tree"
)

// privatePIDs is what a process needs to hand out process numbers as it likes.
var privatePIDs = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}

// spareThreads makes threads for Go's runtime to take: one that it made now could get the
// number that is meant for a process, and keep it.
var spareThreads = sync.OnceFunc(process.SpareThreads)

// nextPID makes the kernel give this number to the next process, or thread.
func nextPID(t *testing.T, pid int) {
	t.Helper()
	spareThreads()
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
	d := &decoy{pid, newLeader(t, pid, exe)}
	if line, err := d.output.ReadString('\n'); line != "decoy\n" {
		t.Fatal(line, err)
	}
	return d
}

// newLeaderless starts a group of this number that is led by nobody, and returns
// its member.
func newLeaderless(t *testing.T, number int) *decoy {
	t.Helper()
	output := newLeader(t, number, "/bin/sh", "-c", exe+" & echo $!")
	d := &decoy{output: output}
	for range 2 {
		line, err := output.ReadString('\n')
		if pid, bad := strconv.Atoi(strings.TrimSpace(line)); bad == nil {
			d.pid = pid
		} else if line != "decoy\n" {
			t.Fatal(line, err)
		}
	}
	if _, err := unix.Wait4(number, nil, 0, nil); err != nil {
		t.Fatal(err)
	}
	return d
}

// awaitTick waits until who is started has another start time than the given
// process: without an inode that is all that tells two holders of a number apart.
func awaitTick(t *testing.T, id process.Identity) {
	t.Helper()
	for now := id; now.Start <= id.Start; {
		pid, err := syscall.ForkExec("/bin/true", []string{"true"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if now, err = process.Identify(pid); err != nil {
			t.Fatal(err)
		}
		if _, err := unix.Wait4(pid, nil, 0, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// newLeader starts a program that leads a session and gets this number.
func newLeader(t *testing.T, pid int, argv ...string) *bufio.Reader {
	t.Helper()
	read, write := pipe(t)
	attr := &syscall.ProcAttr{
		Env:   append(environment, circumstance+"=decoy"),
		Files: []uintptr{0, write.Fd(), 2},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	}
	for range 1000 {
		nextPID(t, pid)
		got, err := syscall.ForkExec(argv[0], argv, attr)
		if err != nil {
			t.Fatal(err)
		}
		if got == pid {
			return bufio.NewReader(read)
		}
		if err := unix.Kill(got, unix.SIGKILL); err != nil { // a thread of ours was faster
			t.Fatal(err)
		}
	}
	t.Fatalf("number %d is not to be had", pid)
	return nil
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
	await(t, readPID(t, file+".parent"), unix.WEXITED) // it has reaped its child, and is the reaper's
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
	if !signalsGroups() {
		t.Skip("this kernel cannot signal a group through a pidfd")
	}
	if !inside(t, "first process", privatePIDs) {
		return
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
		got := 0
		for range 4 { // the child at which the reaper stood starts and ends, too
			switch fact := w.next().(type) {
			case process.Started:
				if fact.Ref == heir {
					order = append(order, "heir")
					got = fact.PID
				}
			case process.Exited:
				if fact.Ref == old {
					order = append(order, "old")
				}
			}
		}
		if got == number { // else a thread of ours was faster, and the end may be seen after the start
			inherited++
			if fmt.Sprint(order) != "[old heir]" {
				t.Error(order)
			}
		}
		w.Signal(heir, "SIGINT", false)
		w.wantExit(heir, tree.Exit{Signal: "SIGINT"})
	}
}

// A stranger gets the number of a child before that is adopted, and leads a group
// of it. Nothing that is asked of the child reaches the stranger.
func TestNumberOfAChildToAdopt(t *testing.T) {
	eitherKernel(t, func(t *testing.T) {
		for _, asked := range []bool{false, true} {
			t.Run(fmt.Sprintf("asked=%v", asked), func(t *testing.T) {
				p := newParent(t, "exit 3")
				awaitZombie(t, p.children[0].PID)
				p.command("reap one")
				awaitTick(t, p.children[0])
				d := newDecoy(t, p.children[0].PID)
				list := p.adoptions()
				list[0].Asked = asked
				w := newNotedWorld(t, nil, list...)
				w.Stop(list[0].Ref, "SIGTERM", false)
				w.Signal(list[0].Ref, "SIGTERM", true)
				w.Signal(list[0].Ref, "SIGTERM", false)
				w.Kill(list[0].Ref)
				w.wantExit(list[0].Ref, tree.Exit{Lost: true})
				d.wantUnharmed(t)
			})
		}
	})
}

// reapedUnseen is an adopted child that has ended and was reaped by its parent while the
// reaper stood: its number is free. It goes on with resume.
func reapedUnseen(t *testing.T) (p *parent, w *world, resume func()) {
	t.Helper()
	p = newParent(t, "read x; exit 3")
	awaitTick(t, p.children[0])
	w = newNotedWorld(t, nil, p.adoptions()...)
	w.wantAdopted(1, p.pid)
	resume = w.stand()
	p.tell(1)
	awaitZombie(t, p.children[0].PID)
	p.command("reap one")
	return p, w, resume
}

// The stranger comes after the adoption.
func TestNumberOfAnAdoptedChild(t *testing.T) {
	eitherKernel(t, func(t *testing.T) {
		p, w, resume := reapedUnseen(t)
		ref := p.adoptions()[0].Ref
		d := newDecoy(t, p.children[0].PID)
		w.Signal(ref, "SIGTERM", false)
		w.Signal(ref, "SIGTERM", true)
		w.Stop(ref, "SIGTERM", true)
		w.Stop(ref, "SIGTERM", false)
		w.Kill(ref)
		resume()
		for range 3 { // the child at which the reaper stood starts and ends, too
			fact, ok := w.next().(process.Exited)
			if ok && fact.Ref == ref && fact.Exit != (tree.Exit{Code: 3}) && fact.Exit != (tree.Exit{Lost: true}) {
				t.Errorf("%+v", fact)
			}
		}
		d.wantUnharmed(t)
	})
}

// The stranger has children of its own, which have left its group: they are nobody's
// strays here.
func TestChildrenOfAStranger(t *testing.T) {
	eitherKernel(t, func(t *testing.T) {
		p, w, resume := reapedUnseen(t)
		ref := p.adoptions()[0].Ref
		output := newLeader(t, p.children[0].PID, "/bin/sh", "-c", "setsid "+exe+" & echo $!; wait")
		d := &decoy{output: output}
		for range 2 {
			line, err := output.ReadString('\n')
			if pid, bad := strconv.Atoi(strings.TrimSpace(line)); bad == nil {
				d.pid = pid
			} else if line != "decoy\n" {
				t.Fatal(line, err)
			}
		}
		w.Signal(ref, "SIGTERM", true)
		w.Stop(ref, "SIGTERM", false)
		w.Kill(ref)
		resume()
		for range 3 { // the child at which the reaper stood starts and ends, too
			w.next()
		}
		w.barrier()
		d.wantUnharmed(t)
	})
}

// A new child gets the number of an adopted one whose end is not known yet.
func TestNumberOfAnAdoptedChildGoesToANewOne(t *testing.T) {
	eitherKernel(t, func(t *testing.T) {
		p := newParent(t, "read x; exit 3")
		awaitTick(t, p.children[0])
		old := p.adoptions()[0].Ref
		w := newNotedWorld(t, nil, p.adoptions()...)
		w.wantAdopted(1, p.pid)
		resume := w.stand()
		p.tell(1)
		awaitZombie(t, p.children[0].PID)
		p.command("reap one")
		heir := w.ref()
		w.Start(heir, process.Command{Argv: []string{"sleep", "1000"}, Env: environment})
		w.Stop(old, "SIGTERM", false)
		w.Kill(old)
		nextPID(t, p.children[0].PID)
		resume()
		for range 4 {
			if fact, ok := w.next().(process.Exited); ok && fact.Ref == heir {
				t.Fatalf("the heir got what was meant for the old child: %+v", fact)
			}
		}
		w.Signal(heir, "SIGINT", false)
		w.wantExit(heir, tree.Exit{Signal: "SIGINT"})
	})
}

// A thread of ours gets the number of an adopted child: its children are not the child's.
func TestNumberOfAnAdoptedChildGoesToAThread(t *testing.T) {
	eitherKernel(t, func(t *testing.T) {
		p := newParent(t, "read x; exit 3")
		awaitTick(t, p.children[0])
		old := p.adoptions()[0].Ref
		w := newNotedWorld(t, nil, p.adoptions()...)
		w.wantAdopted(1, p.pid)
		bystander, _ := w.start(process.Command{Argv: []string{"sleep", "1000"}, Env: environment})
		resume := w.stand()
		p.tell(1)
		awaitZombie(t, p.children[0].PID)
		p.command("reap one")
		end := threadOf(t, p.children[0].PID)
		defer end()
		w.Stop(old, "SIGTERM", false)
		w.Kill(old)
		resume()
		for range 3 { // the child at which the reaper stood starts and ends, too
			if fact, ok := w.next().(process.Exited); ok && fact.Ref == bystander {
				t.Fatalf("a bystander got what was meant for the old child: %+v", fact)
			}
		}
		w.Signal(bystander, "SIGINT", false)
		w.wantExit(bystander, tree.Exit{Signal: "SIGINT"})
	})
}

// threadOf makes a thread of this process that has the number, until end is called. The
// runtime may take the number for one of its own, which will do as well.
func threadOf(t *testing.T, number int) (end func()) {
	t.Helper()
	done := make(chan struct{})
	for range 100 {
		nextPID(t, number)
		started := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(started)
			<-done
		}()
		<-started
		if unix.Tgkill(unix.Getpid(), number, 0) == nil {
			return func() { close(done) }
		}
	}
	t.Fatalf("no thread got the number %d", number)
	return nil
}

// A group that is led by nobody has the number of a child to adopt and nothing else
// of it.
func TestGroupOfAStranger(t *testing.T) {
	eitherKernel(t, func(t *testing.T) {
		p := newParent(t, "exit 3")
		awaitZombie(t, p.children[0].PID)
		p.command("reap one")
		d := newLeaderless(t, p.children[0].PID)
		list := p.adoptions()
		list[0].Ended = &process.Ended{Exit: tree.Exit{Code: 3}}
		w := newNotedWorld(t, nil, list...)
		w.wantExit(list[0].Ref, tree.Exit{Code: 3})
		d.wantUnharmed(t)
	})
}

// eitherKernel runs a test where process numbers are handed out as it likes, on
// this kernel and as on one without pidfds.
func eitherKernel(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	switch os.Getenv(circumstance) {
	case "":
		under(t, "first process", "^"+t.Name()+"$", privatePIDs)
		under(t, "first process of an old kernel", "^"+t.Name()+"$", privatePIDs)
	case "first process", "first process of an old kernel":
		test(t)
	default:
		t.Skip("other tests do this")
	}
}

// A new child gets the number of a draining one whose group is empty, but of which a
// process lives that has left it: the end of that one is what the old child waits for.
func TestNumberOfADrainingChildWithAStray(t *testing.T) {
	if !inside(t, "first process", privatePIDs) {
		return
	}
	w := newWorld(t)
	w.Do(func() { w.Contain("tree", nil, "none") })
	ref := w.ref()
	file := filepath.Join(t.TempDir(), "stray")
	w.Start(ref, process.Command{
		Argv: []string{"sh", "-c", `setsid sh -c 'trap "" TERM; echo $$ >` + file + `; exec sleep 1000' & wait`},
		Env:  append([]string{process.Unit("tree", ref.ID, ref.Generation)}, environment...),
	})
	pid := nextIs[process.Started](w).PID
	stray := readPID(t, file)
	w.Stop(ref, "SIGTERM", false)
	for unix.Kill(-pid, 0) != unix.ESRCH {
		runtime.Gosched()
	}
	for got := 0; got != pid; { // a thread of ours may be faster
		nextPID(t, pid)
		heir, number := w.start(process.Command{Argv: []string{"sleep", "1000"}, Env: environment})
		got = number
		w.Kill(heir)
		w.wantExit(heir, tree.Exit{Signal: "SIGKILL"})
	}
	w.Kill(ref)
	w.wantExit(ref, tree.Exit{Signal: "SIGTERM"})
	if unix.Kill(stray, 0) != unix.ESRCH && !isZombie(stray) {
		t.Errorf("the end was told, and its process %d lives", stray)
	}
}
