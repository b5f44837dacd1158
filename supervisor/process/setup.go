package process

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"coppice/supervisor/trampoline"
)

// setup is a child that a trampoline is setting up: it is there, and has not executed
// its program. The reaper does not wait for it: a program may be on a file system that
// does not answer.
type setup struct {
	command Command
	pipe    int    // what it tells by, non-blocking
	said    []byte // by the trampoline so far
}

// setUp starts a trampoline.
func (r *Reaper) setUp(a *attempt) {
	pipe, err := r.bounce(a)
	if err != nil {
		r.failed(a, *err)
		return
	}
	c := r.children[a.ref]
	c.setup = &setup{command: a.command, pipe: pipe}
	r.setups[pipe] = c
	if err := r.poller.Add(pipe, int32(pipe)); err != nil {
		r.kill(c.ref) // there is no memory to wait for it
	}
}

// bounce forks the trampoline of a child, and returns the pipe that it tells by.
func (r *Reaper) bounce(a *attempt) (pipe int, failed *failure) {
	cannot := func(err error) *failure {
		return &failure{Cause: fmt.Sprintf("cannot start what sets %s up: %v", a.ref.ID, err), Errno: errnoOf(err)}
	}
	if err := r.attend(); err != nil {
		return -1, cannot(err)
	}
	c := &a.command
	spec := *c.Setup
	spec.Argv, spec.Env, spec.Dir = c.Argv, c.Env, c.Dir
	packed, err := trampoline.Pack(&spec)
	if err != nil {
		return -1, cannot(err)
	}
	defer packed.Close()
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return -1, cannot(fmt.Errorf("no pipe: %w", err))
	}
	status := os.NewFile(uintptr(ends[1]), "status")
	defer status.Close()
	own := max(firstExtra, c.ExtraFD+1) // beside what it is to hand on
	launch := Command{
		Argv: []string{trampoline.Program}, Env: []string{trampoline.Variable(own, own+1)},
		Stdout: c.Stdout, Stderr: c.Stderr, Limits: c.Limits, Extra: c.Extra, ExtraFD: c.ExtraFD,
		extra: map[int]*os.File{own: packed, own + 1: status},
	}
	for _, variable := range c.Env {
		if strings.HasPrefix(variable, UnitVariable+"=") {
			launch.Env = append(launch.Env, variable)
		}
	}
	pid, cgroup, failed := r.spawn(&launch, a.ref.ID+groupSuffix)
	if failed != nil {
		unix.Close(ends[0])
		if failed.Key == "command" { // which is not the tree file's
			failed.Key = ""
			failed.Cause = fmt.Sprintf("cannot start what sets %s up: %s", a.ref.ID, failed.Cause)
		}
		return -1, failed
	}
	a.cgroup = cgroup
	r.enter(a, pid)
	return ends[0], nil
}

// heardSetup reads what a trampoline says. over says that it says no more.
func (r *Reaper) heardSetup(c *child) (over bool) {
	buffer := make([]byte, 4096)
	for {
		n, err := unix.Read(c.setup.pipe, buffer)
		switch {
		case err == unix.EINTR:
		case err != nil: // EAGAIN
			return false
		case n == 0:
			return true
		default:
			c.setup.said = append(c.setup.said, buffer[:n]...)
		}
	}
}

// stirredSetup looks at a trampoline whose pipe was reported.
func (r *Reaper) stirredSetup(c *child) {
	if r.heardSetup(c) {
		r.setupOver(c)
		return
	}
	if err := r.poller.Add(c.setup.pipe, int32(c.setup.pipe)); err != nil && !errors.Is(err, unix.EEXIST) {
		r.kill(c.ref) // there is no memory to wait for it
	}
}

// setupOver ends the set-up of a child: its program was executed, or it never will be.
// Then StartFailed is told once its group is gone.
func (r *Reaper) setupOver(c *child) {
	s := c.setup
	r.poller.Remove(s.pipe)
	delete(r.setups, s.pipe)
	unix.Close(s.pipe)
	c.setup = nil
	if string(s.said) == string(trampoline.Ready) {
		r.tell(Started{Ref: c.ref, PID: c.group.number})
		return
	}
	c.failed = r.setupFailure(c, s)
}

// setupFailure is what a trampoline said, in words.
func (r *Reaper) setupFailure(c *child, s *setup) *failure {
	said := bytes.TrimPrefix(s.said, []byte{trampoline.Ready})
	var f trampoline.Failure
	err := json.Unmarshal(said, &f)
	switch {
	case c.asked:
		return &failure{Cause: "it was stopped while it was set up"}
	case len(said) == 0:
		return &failure{Cause: "it was killed while it was set up"}
	case err != nil:
		return &failure{Cause: fmt.Sprintf("what sets it up said %.100q", said)}
	}
	errno := syscall.Errno(f.Errno)
	told := &failure{Cause: f.Cause, Errno: errno, Key: f.Key}
	switch {
	case f.Cause != "":
	case f.Key == "dir":
		cause := directoryFault(&s.command)
		if cause == "" || s.command.Setup.Root != "" {
			cause = errno.Error()
		}
		told.Cause = fmt.Sprintf("cannot enter the directory %q: %s", s.command.Dir, cause)
	case s.command.Setup.Root != "": // the files are others there
		told.Cause = fmt.Sprintf("cannot execute %q in %s: %v", f.File, s.command.Setup.Root, errno)
	default:
		*told = explain(&s.command, f.File, errno)
	}
	return told
}
