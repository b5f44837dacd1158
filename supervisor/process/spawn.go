package process

import (
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"coppice/supervisor/crash"
	"coppice/supervisor/trampoline"
	"coppice/tree"
)

// A program file that somebody has open for writing cannot be executed (ETXTBSY).
// Mostly it is being copied into place, so the start is tried again after busyMin,
// then after twice that, and so on; busyTries attempts take 315 ms in all.
const (
	busyMin   = 5 * time.Millisecond
	busyTries = 7
)

// attempt is a start that was not answered yet.
type attempt struct {
	ref     tree.Ref
	command Command
	tries   int
	pause   time.Duration // before the next try
	due     time.Time     // the next try
	cgroup  *cgroup       // nil: there is none
	forked  uint64        // the last fork was not before, in ticks
}

// start is Start, by whoever works.
func (r *Reaper) start(ref tree.Ref, c Command) {
	a := &attempt{ref: ref, command: c, pause: busyMin}
	switch {
	case r.children[ref] != nil || r.attempts[ref] != nil:
		panic("process: a second Start of one incarnation of " + ref.ID)
	case r.closed:
		r.failed(a, failure{Cause: "cannot start " + ref.ID + ": the daemon is ending"})
	default:
		r.try(a)
	}
}

// try executes the program, or puts that off if its file is busy. A child that is to be
// set up, or may hang, is left to a trampoline.
func (r *Reaper) try(a *attempt) {
	if a.command.Setup == nil && r.mounts.holds(&a.command) {
		a.command.Setup = plainSetup(&a.command)
	}
	if a.command.Setup != nil {
		r.setUp(a)
		return
	}
	a.tries++
	a.forked = ticks()
	pid, cgroup, err := r.spawn(&a.command, a.ref.ID+groupSuffix)
	a.cgroup = cgroup
	switch {
	case err == nil:
		r.enter(a, pid)
		r.tell(Started{Ref: a.ref, PID: pid})
	case err.Errno == syscall.ETXTBSY && a.tries < busyTries:
		a.due = time.Now().Add(a.pause)
		a.pause *= 2
		r.attempts[a.ref] = a
		r.alarm(a.due)
	default:
		r.failed(a, *err)
	}
}

// enter takes a new child into the books.
func (r *Reaper) enter(a *attempt, pid int) *child {
	crash.Point("spawn.forked")
	id := identifyForked(pid, a.forked)
	if a.cgroup != nil {
		id.Cgroup = a.cgroup.path
	}
	r.notes.Spawned(a.ref, id)
	crash.Point("spawn.noted")
	a.command.close()
	delete(r.attempts, a.ref)
	r.numberWasFree(pid)
	c := &child{ref: a.ref, group: group{number: pid}, cgroup: a.cgroup}
	c.loose = a.cgroup != nil && r.cgroups.late
	r.children[a.ref] = c
	r.mains[pid] = c
	r.named[a.ref.ID] = c
	return c
}

// numberWasFree ends the groups of those who had the number of a new child, or of a job.
// Those who have left such a group have numbers of their own, and are looked for still.
func (r *Reaper) numberWasFree(pid int) {
	if old := r.groups[pid]; old != nil {
		old.group.gone = true
		delete(r.groups, pid)
		r.settle(old)
	}
	if old := r.mains[pid]; old != nil {
		r.superseded(old)
	}
}

// failed gives an attempt up.
func (r *Reaper) failed(a *attempt, f failure) {
	a.command.close()
	delete(r.attempts, a.ref)
	r.tell(StartFailed{Ref: a.ref, Cause: f.Cause, Errno: f.Errno, Key: f.Key})
}

// cancel gives up a start that waits to be tried again, if there is one.
func (r *Reaper) cancel(ref tree.Ref) bool {
	a := r.attempts[ref]
	if a == nil {
		return false
	}
	f := explain(&a.command, a.command.Argv[0], syscall.ETXTBSY)
	f.Cause += "; it was stopped before that was over"
	r.failed(a, f)
	return true
}

// spawn executes a command in the cgroup of that name: the first of the files it may
// mean that can be.
func (r *Reaper) spawn(c *Command, group string) (int, *cgroup, *failure) {
	files, err := lookup(c)
	if err != nil {
		return 0, nil, err
	}
	attr, err := r.attributes(c)
	if err != nil {
		return 0, nil, err
	}
	g, err := r.enclose(group, c, attr)
	if err != nil {
		return 0, nil, err
	}
	defer release(attr)
	var first *failure
	for _, file := range files {
		pid, errno := r.forkInto(g, file, c, attr)
		if errno == nil {
			return pid, g, nil
		}
		if first == nil {
			f := explain(c, file, errno)
			first = &f
		}
		if errno != syscall.EACCES && errno != syscall.ENOENT {
			break // execvp(3) goes on after these two only
		}
	}
	return 0, nil, first
}

// attributes says what the child is to have of its parent.
func (r *Reaper) attributes(c *Command) (*syscall.ProcAttr, *failure) {
	if r.stdin == nil {
		null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			f := nullFault(c, err)
			return nil, &f
		}
		r.stdin = null
	}
	files := make([]uintptr, 3)
	for i, file := range []*os.File{r.stdin, c.Stdout, c.Stderr} {
		if file == nil {
			file = r.stdin
		}
		files[i] = file.Fd()
	}
	for number, fd := range c.descriptors() {
		for len(files) <= number {
			files = append(files, closed)
		}
		files[number] = fd
	}
	return &syscall.ProcAttr{
		Dir:   c.Dir,
		Env:   c.Env,
		Files: files,
		Sys:   &syscall.SysProcAttr{Setsid: true, Credential: c.User},
	}, nil
}

// fork is fork and exec.
func fork(file string, c *Command, attr *syscall.ProcAttr) (pid int, err error) {
	noAmbient := c.NoAmbient && inherits()
	if !c.NoNewPrivs && !noAmbient {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		return forkHere(file, c.Argv, attr)
	}
	// A child has the no_new_privs and the capabilities of the thread that forks it, and
	// a thread that has it once has it for ever: this one ends with its goroutine.
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if c.NoNewPrivs {
			err = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		}
		if err == nil && noAmbient {
			err = trampoline.DropInheritable()
		}
		if err == nil {
			pid, err = forkHere(file, c.Argv, attr)
		}
	}()
	<-done
	return pid, err
}

// inherits says whether children inherit capabilities by themselves: ambient ones are
// inheritable, too.
var inherits = sync.OnceValue(func() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	err := unix.Capget(&header, &sets[0])
	return err != nil || sets[0].Inheritable|sets[1].Inheritable != 0
})

// forkHere is fork and exec on this thread, to which the goroutine is locked. The child
// gets the signal mask of the thread that forks it, which is the one that the daemon was
// started with: so it is emptied before.
func forkHere(file string, argv []string, attr *syscall.ProcAttr) (int, error) {
	var none, old unix.Sigset_t
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &none, &old); err != nil {
		return 0, err
	}
	pid, err := syscall.ForkExec(file, argv, attr)
	// Restoring a mask that the kernel has just handed out cannot fail.
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)
	return pid, err
}
