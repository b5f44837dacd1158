package process

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

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
	due     time.Time
	late    bool // due has passed: it was killed for that
}

// setupMax is how long a trampoline may take until it has executed the program. It takes
// milliseconds, but for a file system that does not answer. Until then the tree waits,
// for it has to know whether there is a program at all.
const setupMax = 10 * time.Second

// setUp starts a trampoline.
func (r *Reaper) setUp(a *attempt) {
	pipe, err := r.bounce(a)
	if err != nil {
		r.failed(a, *err)
		return
	}
	c := r.children[a.ref]
	c.setup = &setup{command: a.command, pipe: pipe, due: time.Now().Add(setupMax)}
	r.alarm(c.setup.due)
	r.setups[pipe] = c
	if err := r.poller.Add(pipe, int32(pipe)); err != nil {
		r.kill(c.ref) // there is no memory to wait for it
	}
}

// bounce forks the trampoline of a child, and returns the pipe that it tells by.
func (r *Reaper) bounce(a *attempt) (pipe int, failed *failure) {
	if err := r.attend(); err != nil {
		return -1, cannotSetUp(a.ref.ID, err)
	}
	a.forked = ticks()
	pid, cgroup, pipe, failed := r.launch(&a.command, a.ref.ID, a.ref.ID+groupSuffix)
	if failed == nil {
		a.cgroup = cgroup
		r.enter(a, pid)
	}
	return pipe, failed
}

func cannotSetUp(name string, err error) *failure {
	return &failure{Cause: fmt.Sprintf("cannot start what sets %s up: %v", name, err), Errno: errnoOf(err)}
}

// launch forks a trampoline for a command of the given child, in the cgroup of that
// name. pipe is what it tells by.
func (r *Reaper) launch(c *Command, name, group string) (pid int, g *cgroup, pipe int, failed *failure) {
	spec := *c.Setup
	spec.Argv, spec.Env, spec.Dir = c.Argv, c.Env, c.Dir
	packed, err := trampoline.Pack(&spec)
	if err != nil {
		return 0, nil, -1, cannotSetUp(name, err)
	}
	defer packed.Close()
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return 0, nil, -1, cannotSetUp(name, fmt.Errorf("no pipe: %w", err))
	}
	status := os.NewFile(uintptr(ends[1]), "status")
	defer status.Close()
	own := c.free() // beside what it is to hand on
	launch := Command{
		Argv: []string{trampoline.Program}, Env: []string{trampoline.Variable(own, own+1)},
		Stdout: c.Stdout, Stderr: c.Stderr, Limits: c.Limits, Extra: c.Extra, ExtraFD: c.ExtraFD, Passed: c.Passed,
		extra: map[int]*os.File{own: packed, own + 1: status},
	}
	for _, variable := range c.Env {
		if strings.HasPrefix(variable, UnitVariable+"=") {
			launch.Env = append(launch.Env, variable)
		}
	}
	if pid, g, failed = r.spawn(&launch, group); failed != nil {
		unix.Close(ends[0])
		if failed.Key == "command" { // which is not the tree file's
			failed.Key = ""
			failed.Cause = fmt.Sprintf("cannot start what sets %s up: %s", name, failed.Cause)
		}
		return 0, nil, -1, failed
	}
	return pid, g, ends[0], nil
}

// hear reads what a trampoline says. over says that it says no more.
func (s *setup) hear() (over bool) {
	buffer := make([]byte, 4096)
	for {
		n, err := unix.Read(s.pipe, buffer)
		switch {
		case err == unix.EINTR:
		case err != nil: // EAGAIN
			return false
		case n == 0:
			return true
		default:
			s.said = append(s.said, buffer[:n]...)
		}
	}
}

// lookAtSetups ends those that have taken too long.
func (r *Reaper) lookAtSetups(now time.Time) {
	for _, c := range r.setups {
		switch {
		case c.setup.late:
		case due(c.setup.due, now):
			c.setup.late = true
			r.kill(c.ref)
		default:
			r.alarm(c.setup.due)
		}
	}
}

// stirredSetup looks at a trampoline whose pipe was reported.
func (r *Reaper) stirredSetup(c *child) {
	if c.setup.hear() {
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
	// Who was asked to end meanwhile was killed, and may have been about to execute it.
	if s.executed() && !s.late && !c.asked {
		r.tell(Started{Ref: c.ref, PID: c.group.number})
		return
	}
	c.failed = s.failure(c.asked)
}

// executed says that the program took the trampoline's place.
func (s *setup) executed() bool { return string(s.said) == string(trampoline.Ready) }

// failure is what a trampoline said, in words. asked says that it was asked to end.
func (s *setup) failure(asked bool) *failure {
	said := bytes.TrimPrefix(s.said, []byte{trampoline.Ready})
	var f trampoline.Failure
	err := json.Unmarshal(said, &f)
	switch {
	case s.late:
		return &failure{Cause: fmt.Sprintf("cannot execute %q: after %v it was not executed yet; "+
			"its file, its directory or what is set up is on a file system that does not answer", s.command.Argv[0], setupMax)}
	case asked:
		return &failure{Cause: "it was stopped while it was set up"}
	case len(said) == 0:
		return &failure{Cause: "it ended while it was set up, and said nothing (was it killed?)"}
	case err != nil:
		return &failure{Cause: fmt.Sprintf("what sets it up said %.100q", said)}
	}
	return s.explained(&f)
}

// explained is a failure of a trampoline in words.
func (s *setup) explained(f *trampoline.Failure) *failure {
	errno := syscall.Errno(f.Errno)
	told := &failure{Cause: f.Cause, Errno: errno, Key: f.Key}
	path := s.command.Dir
	if f.Key == "command" {
		path = within(s.command.Dir, f.File)
	}
	key, words := hidden(s.command.Setup, path)
	switch {
	case f.Cause != "":
	case key != "" && aboutPaths(errno) && f.Key == "dir":
		told.Key, told.Cause = key, fmt.Sprintf("cannot enter the directory %q: %s", path, words)
	case key != "" && aboutPaths(errno):
		told.Key, told.Cause = key, fmt.Sprintf("cannot execute %q: %s", path, words)
	case f.Key == "dir":
		cause := directoryFault(&s.command)
		if cause == "" || s.command.Setup.Root != "" {
			cause = errno.Error()
		}
		told.Cause = fmt.Sprintf("cannot enter the directory %q: %s", s.command.Dir, cause)
	case s.command.Setup.Root != "": // the files are others there
		told.Cause = fmt.Sprintf("cannot execute %q in %s: %v", f.File, s.command.Setup.Root, errno)
	default:
		command := s.command
		command.switched = true
		*told = explain(&command, f.File, errno)
	}
	return told
}
