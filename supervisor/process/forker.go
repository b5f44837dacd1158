package process

import (
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// throng is how many children there are before forks are left to the forker.
const throng = 300

// forker forks from a thread that has a table of descriptors to itself.
//
// A fork copies the table of whoever forks, and the exec after it closes all that is in
// it: 0.1 to 0.2 us for each descriptor, which with ten thousand children, each with a
// pipe, is ten times of what all the rest of a start takes. The forker's thread has but the
// standard ones (unshare(2), CLONE_FILES), and gets those that a child is to have when
// it has it (pidfd_getfd(2), Linux 5.6). The way there and back takes 50 us, so it is
// gone where there is a throng only.
type forker struct {
	orders chan forkOrder
	self   int // a pidfd of this process, in the thread's table
}

// forkOrder is a fork that somebody waits for.
type forkOrder struct {
	file string
	argv []string
	attr *syscall.ProcAttr
	done chan forked
}

// forked is what came of it. unable says that the child's descriptors could not be had,
// so nothing was tried.
type forked struct {
	pid    int
	err    error
	unable bool
}

// startForker starts the thread; nil: this kernel, or a filter of system calls, has not
// got what it needs.
func startForker() *forker {
	r, w, err := os.Pipe() // a file of this kind has the runtime make its epoll set, if it has none yet
	if err != nil {
		return nil
	}
	r.Close()
	w.Close()
	f := &forker{orders: make(chan forkOrder)}
	ready := make(chan bool)
	go f.run(ready)
	if !<-ready {
		return nil
	}
	return f
}

// run does what is ordered until there are no orders any more; then its thread ends.
func (f *forker) run(ready chan<- bool) {
	runtime.LockOSThread() // for ever: nobody else may have this thread
	if unix.Gettid() == unix.Getpid() {
		// The first thread's table is what the process shows as its own: this one is
		// kept busy until another one has begun.
		again := make(chan bool)
		go f.run(again)
		ready <- <-again
		runtime.UnlockOSThread()
		return
	}
	if !f.separate() {
		ready <- false
		return
	}
	ready <- true
	for o := range f.orders {
		o.done <- f.fork(o)
	}
}

// separate gives this thread a table of its own, with nothing in it but the standard
// descriptors, a pidfd of the process and what Go's runtime may ask for on any thread: a
// collection of garbage that begins on this one looks at the runtime's epoll set.
func (f *forker) separate() bool {
	keep, err := polls()
	if err != nil || unix.Unshare(unix.CLONE_FILES) != nil {
		return false
	}
	from := firstExtra
	for _, fd := range append(keep, math.MaxInt32) {
		if from < fd && unix.CloseRange(uint(from), uint(fd-1), 0) != nil {
			return false
		}
		from = fd + 1
	}
	if f.self, err = unix.PidfdOpen(unix.Getpid(), 0); err != nil {
		return false
	}
	probe, err := unix.PidfdGetfd(f.self, 0, 0)
	if err != nil {
		return err == unix.EBADF // there is no standard input, and it could be had
	}
	unix.Close(probe)
	return true
}

// polls are the epoll sets and eventfds of this process, the runtime's among them, in
// order.
func polls() ([]int, error) {
	const folder = "/proc/self/fd/"
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var list []int
	for _, entry := range entries {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil || fd < firstExtra {
			continue
		}
		switch target, _ := os.Readlink(folder + entry.Name()); target { // the folder's own is closed by now
		case "anon_inode:[eventpoll]", "anon_inode:[eventfd]":
			list = append(list, fd)
		}
	}
	slices.Sort(list)
	return list, nil
}

// fork is what forkHere does, with the descriptors of the process.
func (f *forker) fork(o forkOrder) forked {
	attr, sys := *o.attr, *o.attr.Sys
	attr.Sys = &sys
	var err error
	got := map[uintptr]uintptr{}
	defer func() {
		for _, fd := range got {
			unix.Close(int(fd))
		}
	}()
	get := func(fd uintptr) uintptr {
		if _, have := got[fd]; !have && err == nil {
			var mine int
			if mine, err = unix.PidfdGetfd(f.self, int(fd), 0); err == nil {
				got[fd] = uintptr(mine)
			}
		}
		return got[fd]
	}
	attr.Files = make([]uintptr, len(o.attr.Files))
	for i, fd := range o.attr.Files {
		attr.Files[i] = fd
		if fd != closed {
			attr.Files[i] = get(fd)
		}
	}
	if sys.UseCgroupFD {
		sys.CgroupFD = int(get(uintptr(sys.CgroupFD)))
	}
	if err != nil {
		return forked{err: err, unable: true}
	}
	pid, err := forkHere(o.file, o.argv, &attr)
	return forked{pid: pid, err: err}
}

// closed is what a child has not got at a number.
const closed = ^uintptr(0)

// order has a child forked, and waits for it.
func (f *forker) order(file string, argv []string, attr *syscall.ProcAttr) forked {
	done := make(chan forked, 1)
	f.orders <- forkOrder{file, argv, attr, done}
	return <-done
}

// fork forks a child: by the forker where there is a throng, if that can be.
func (r *Reaper) fork(file string, c *Command, attr *syscall.ProcAttr) (pid int, err error) {
	if len(r.children) < throng || r.forkerless || c.NoNewPrivs || c.NoAmbient && inherits() {
		return fork(file, c, attr)
	}
	if r.forker == nil {
		r.forker = startForker()
		r.forkerless = r.forker == nil
	}
	if r.forker != nil {
		if done := r.forker.order(file, c.Argv, attr); !done.unable {
			return done.pid, done.err
		}
	}
	return fork(file, c, attr)
}

// end ends the thread. A nil forker has none.
func (f *forker) end() {
	if f != nil {
		close(f.orders)
	}
}
