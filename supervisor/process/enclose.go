package process

import (
	"fmt"
	"math"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"coppice/configs"
	"coppice/tree"
)

// enclose prepares the cgroup that a command is to be executed in; nil: there are
// none.
func (r *Reaper) enclose(group string, command *Command, attr *syscall.ProcAttr) (*cgroup, *failure) {
	limits := command.Limits
	if r.cgroups == nil {
		if limits == (configs.Limits{}) {
			return nil, nil
		}
		key := "limits." + settings(limits)[0].key
		return nil, &failure{Cause: "cannot set " + key + ": there is no cgroup v2 to set it in: " + r.noCgroups, Key: key}
	}
	c, fd, err := r.cgroups.prepare(group, limits, command.Prepared)
	if err != nil {
		f := &failure{Cause: err.Error(), Errno: errnoOf(err)}
		if limits != (configs.Limits{}) {
			f.Key = "limits"
		}
		return nil, f
	}
	attr.Sys.UseCgroupFD, attr.Sys.CgroupFD = true, fd
	return c, nil
}

// release closes what enclose has opened.
func release(attr *syscall.ProcAttr) {
	if attr.Sys.UseCgroupFD {
		unix.Close(attr.Sys.CgroupFD)
	}
}

// forkInto forks a child that is in its cgroup from its first instruction on
// (clone3(2) with CLONE_INTO_CGROUP, Linux 5.7). Where the kernel cannot do that, or a
// filter forbids it, the child is moved right after the fork; what it has forked by
// then stays outside.
func (r *Reaper) forkInto(c *cgroup, file string, command *Command, attr *syscall.ProcAttr) (int, error) {
	g := r.cgroups
	if c == nil {
		return r.fork(file, command, attr)
	}
	into := *attr
	sys := *attr.Sys
	into.Sys = &sys
	if sys.UseCgroupFD = !g.late; !g.late {
		pid, err := r.fork(file, command, &into)
		if err == nil || g.joined || !refusesGroup(err) {
			g.joined = g.joined || err == nil
			return pid, err
		}
		sys.UseCgroupFD = false
	}
	pid, err := r.fork(file, command, &into)
	if err != nil {
		return pid, err
	}
	g.late = true // it was the group that was refused, not the program
	if err := c.write("cgroup.procs", strconv.Itoa(pid)); err != nil && err != unix.ESRCH {
		_ = unix.Kill(pid, unix.SIGKILL) // it is ours and was not waited for
		reap(pid)
		return 0, fmt.Errorf("cannot put it into its cgroup %s: %w", c.path, err)
	}
	return pid, nil
}

// refusesGroup says whether an error may be clone3's about the group. Most of them
// may be the program's, too: then it fails without the group as well.
func refusesGroup(err error) bool {
	switch err {
	case unix.ENOSYS, unix.EPERM, unix.EACCES, unix.EINVAL, unix.E2BIG, unix.EOPNOTSUPP:
		return true
	}
	return false
}

// inherited is the cgroup of a child that was started for an earlier daemon, before
// settle.
func inherited(path string) *cgroup {
	if path == "" {
		return nil
	}
	return &cgroup{path: path, spent: true, ooms: math.MaxInt}
}

// settle does for an adopted child what nobody waits for: its cgroup runs, unless it is
// to be frozen, and counts from now on how often memory runs out.
func (c *child) settle(frozen bool) {
	if c.cgroup == nil {
		return
	}
	if !frozen {
		c.cgroup.thaw()
	}
	c.cgroup.ooms = c.cgroup.oomKills()
}

// freeze is Freeze, by whoever works.
func (r *Reaper) freeze(ref tree.Ref, on bool) {
	c := r.children[ref]
	if c == nil {
		return
	}
	verb := map[bool]string{true: "freeze", false: "thaw"}[on]
	if c.cgroup == nil {
		without := "" // it was started before there were some
		if r.noCgroups != "" {
			without = ": " + r.noCgroups
		}
		r.tell(SignalFailed{Ref: ref, Signal: verb, Cause: "cannot " + verb + " it: it has no cgroup" + without})
		return
	}
	r.cgroups.doubt(c.cgroup)
	if err := c.cgroup.freeze(on); err != nil {
		r.tell(SignalFailed{Ref: ref, Signal: verb, Cause: fmt.Sprintf("cannot %s it: %v", verb, err)})
	}
}
