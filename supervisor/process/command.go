package process

import (
	"os"
	"syscall"

	"coppice/configs"
	"coppice/supervisor/trampoline"
)

// Command says what a child executes. It is complete: nothing is taken from the
// daemon's environment.
type Command struct {
	// Argv is the program and its arguments, as the program will see them. A
	// program with a slash is a path (absolute, or relative to Dir); one
	// without is looked up in the PATH of Env, as execvp(3) does.
	Argv []string
	// Env is the whole environment, NAME=value each.
	Env []string
	// Dir is the working directory; empty is the daemon's.
	Dir string
	// User is who the child runs as; nil is the daemon's own user.
	User *syscall.Credential
	// UserName is what failures call User, "user www"; empty is its number.
	UserName string
	// NoNewPrivs keeps the child from what setuid bits and file capabilities would
	// give it, see PR_SET_NO_NEW_PRIVS in prctl(2).
	NoNewPrivs bool
	// NoAmbient takes the daemon's ambient and inheritable capabilities from the child,
	// which would outlive a change of the user and exec, see capabilities(7).
	NoAmbient bool
	// Limits are what the child's cgroup is limited to. Without one a start with
	// limits fails.
	Limits configs.Limits
	// Prepared says that Cgroups.Prepare has made its cgroup.
	Prepared bool
	// Setup is what a trampoline sets up before it executes the program; nil: there is
	// nothing, and no trampoline. Its Argv, Env and Dir are those of the command; User,
	// NoNewPrivs and NoAmbient serve to explain failures alone where there is a Setup.
	Setup *trampoline.Spec
	// Stdout and Stderr are what the child writes to; nil is /dev/null. They may
	// be the same file. They belong to the reaper from Start on, which closes
	// them once they are not needed any more, whether the start succeeds or
	// fails. They are turned to blocking mode, as programs expect.
	Stdout, Stderr *os.File
	// Extra, if set, is what the child has as descriptor ExtraFD, from 3 to 255. It
	// belongs to the reaper as Stdout does.
	Extra   *os.File
	ExtraFD int
	// Passed, if set, are what the child has as descriptors 3 and up, all below
	// ExtraFD. They belong to the reaper as Stdout does.
	Passed *Passed

	switched bool // it runs as User already, so that a failure is not about that

	extra map[int]*os.File // its other descriptors, by number; they stay the caller's
}

// firstExtra is the first descriptor behind the standard streams.
const firstExtra = 3

// descriptors are those that the child has beside the standard streams, by number.
func (c *Command) descriptors() map[int]uintptr {
	all := map[int]uintptr{}
	for i, fd := range c.Passed.all() {
		all[firstExtra+i] = uintptr(fd)
	}
	if c.Extra != nil {
		all[c.ExtraFD] = c.Extra.Fd()
	}
	for number, file := range c.extra {
		all[number] = file.Fd()
	}
	return all
}

// free is the first descriptor behind all that the child is to have.
func (c *Command) free() int {
	return max(firstExtra+len(c.Passed.all()), c.ExtraFD+1)
}

// userName is what failures call the user of a child.
func (c *Command) userName() string {
	if c.UserName != "" {
		return c.UserName
	}
	return userOf(c.User).String()
}

// close closes what the child was to have. Closing the same file twice does
// no harm: os.File remembers.
func (c *Command) close() {
	for _, file := range []*os.File{c.Stdout, c.Stderr, c.Extra} {
		if file != nil {
			file.Close()
		}
	}
	c.Passed.Close()
}
