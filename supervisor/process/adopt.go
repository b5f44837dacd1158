package process

import (
	"time"

	"golang.org/x/sys/unix"

	"coppice/supervisor/crash"
	"coppice/tree"
)

// Ended is how a main process ended, and when that was found.
type Ended struct {
	Exit tree.Exit
	At   time.Time // zero: now
}

// Adoption is a child that was started for an earlier daemon.
type Adoption struct {
	Ref tree.Ref
	// Identity is who its main process is, of this boot and this pid namespace.
	// Nothing is adopted by its number alone: without a start time and an inode
	// it counts as gone.
	Identity Identity
	// PIDFD is a pidfd of the main process that somebody kept; it belongs to the
	// reaper from now on. 0 or less: there is none.
	PIDFD int
	// Ended is how the main process ended, if that was written down before. It
	// is believed and not noted again.
	Ended *Ended
	// Left are processes that have the variable of the incarnation and are not the
	// main process, where all processes were looked at.
	Left []Identity
	// Asked says that Stop or Kill had been called.
	Asked bool
	// Unanswered says that nobody knows whether its program was executed: Started or
	// StartFailed tells that first, and after StartFailed comes nothing.
	Unanswered bool
	// Frozen says that it is to be frozen; any other one runs, whatever was done to it.
	Frozen bool
	// Lookup asks whoever reaps the process how it ended; nil: nobody would know.
	// It is called by whoever works, must not block, and may learn of an
	// end after it has happened: Reaper.Ended says when.
	Lookup func(Identity) (Ended, bool)
}

// Adopt takes children of an earlier daemon over when Run begins: it must be called
// before that. Adopted or Exited answers each of them; then it is a child like any
// other. Their refs must be new.
func (r *Reaper) Adopt(list []Adoption) {
	r.adoptions = append(r.adoptions, list...)
}

// Ended says that Lookup has learnt how a process ended. It may be called by any
// goroutine and never blocks; about somebody who was not adopted it does nothing.
func (r *Reaper) Ended(id Identity) {
	r.enqueue(func() {
		for _, c := range r.sought {
			if c.adopted.identity.Same(id) {
				r.seek(c)
			}
		}
		if c := r.mains[id.PID]; c != nil && c.adopted != nil && c.adopted.identity.Same(id) {
			r.seek(c)
		}
	})
}

// PIDFDs returns a pidfd of each adopted child whose parent is another process,
// where there is one: whoever wants to keep it must duplicate it. It may only be
// called by whoever works, by Do, and the pidfds are good until that returns.
func (r *Reaper) PIDFDs() map[tree.Ref]int {
	pidfds := map[tree.Ref]int{}
	for ref, c := range r.children {
		if c.adopted != nil && c.group.handle != 0 {
			pidfds[ref] = c.group.handle
		}
	}
	return pidfds
}

// adoptAll looks for the children that were handed over. What nobody waits for is done
// before anything that was asked meanwhile, but after urgent things.
func (r *Reaper) adoptAll() {
	settle := make([]func(), 0, len(r.adoptions))
	for _, a := range r.adoptions {
		c := r.adopt(a)
		settle = append(settle, func() { c.settle(a.Frozen) })
	}
	r.adoptions, r.census = nil, nil
	r.queueLock.Lock()
	r.queue = append(settle, r.queue...)
	r.queueLock.Unlock()
	r.wakeUp()
}

// adopt takes one child over, in whatever state it is. Numbers that mean more than
// one process to kill(2), or the first one, were never a child's: they are 0 here,
// and nobody has that.
func (r *Reaper) adopt(a Adoption) *child {
	if r.children[a.Ref] != nil {
		panic("process: a second Adoption of one incarnation of " + a.Ref.ID)
	}
	if a.Identity.PID <= 1 {
		a.Identity = Identity{}
	}
	c := &child{
		ref:     a.Ref,
		group:   group{number: a.Identity.PID, leader: a.Identity},
		asked:   a.Asked,
		adopted: &adopted{identity: a.Identity, lookup: a.Lookup, parent: unix.Getppid()},
		cgroup:  inherited(a.Identity.Cgroup),
		ending:  &ending{left: a.Left},
	}
	r.children[c.ref] = c
	there := c.recognise(a.PIDFD)
	switch {
	case there:
		r.mains[c.group.number] = c
	case c.group.handle == 0:
		c.group.gone = r.sure(func() bool { return !r.leftMembers(c, a.Ended) })
	}
	if a.Unanswered {
		r.unanswered(c, a.Ended == nil && there && c.life() == lives)
	}
	switch {
	case a.Ended != nil:
		c.exit, c.at = a.Ended.Exit, a.Ended.orNow()
		r.mainGone(c, r.sweep(c))
	case !there || c.life() != lives:
		if !r.isOurs(c) {
			r.seek(c)
		}
	case !r.isOurs(c):
		r.watch(c)
		r.tellAdopted(c, c.adopted.parent)
	}
	crash.Point("adopt.done")
	return c
}

// isOurs makes an adopted child an ordinary one if it is a child of this process,
// as after an execve(2) of the daemon: then its end is told to us and its number is
// ours to signal.
func (r *Reaper) isOurs(c *child) bool {
	pid := c.group.number
	if r.mains[pid] != c {
		return false
	}
	if c.adopted.parent = c.parent(); c.adopted.parent != unix.Getpid() {
		return false
	}
	c.group.release()
	c.group.leader = Identity{}
	c.adopted = nil
	r.tellAdopted(c, unix.Getpid())
	return true
}

// parent returns the parent of the main process, 0 if it is not known. A pidfd tells it
// since Linux 6.13 (PIDFD_GET_INFO).
func (c *child) parent() int {
	var info unix.PidfdInfo
	if c.group.handle != 0 && unix.IoctlPidfdInfo(c.group.handle, &info) == nil && info.Ppid != 0 {
		return int(info.Ppid)
	}
	return parentOf(c.group.number)
}

// parentOf returns the parent of a process, 0 if it is not known.
func parentOf(pid int) int {
	s, _ := readStat(pid)
	return s.parent
}

// recognise finds the main process of an adopted child and opens a pidfd of it, or
// takes the given one. It says whether the process is there, alive or as a zombie.
// The pidfd comes first: what is compared after that is of the same process.
func (c *child) recognise(pidfd int) bool {
	if pidfd > 0 {
		if there, fits := c.fits(pidfd); fits {
			c.group.take(pidfd)
			return there
		}
		unix.Close(pidfd)
	}
	pidfd, err := unix.PidfdOpen(c.group.number, 0)
	if err != nil {
		pidfd = -1
	}
	there, _ := c.fits(pidfd)
	switch {
	case pidfd < 0:
	case there:
		c.group.take(pidfd)
	default:
		unix.Close(pidfd)
	}
	return there
}

// fits says whether a pidfd, or without one (-1) the number, is that of the main
// process of an adopted child, and whether that is there.
func (c *child) fits(pidfd int) (there, fits bool) {
	id := c.group.leader
	if known := inode(pidfd); known != 0 && id.Inode != 0 {
		return known == id.Inode && !reaped(pidfd), known == id.Inode
	}
	now, err := identify(id.PID, pidfd)
	if err == nil {
		same := now.Same(id)
		return same, same
	}
	if isShort(err) {
		return true, true // it is looked at again (seek)
	}
	// Reaped. Without an inode whoever kept the pidfd has to be believed.
	known := inode(pidfd)
	return false, pidfd >= 0 && (known == id.Inode || known == 0 || id.Inode == 0)
}

// orNow returns when it was, now if that is not known.
func (e Ended) orNow() time.Time {
	if e.At.IsZero() {
		return time.Now()
	}
	return e.At
}
