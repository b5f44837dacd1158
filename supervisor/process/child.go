package process

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"coppice/supervisor/crash"
	"coppice/tree"
)

// A draining group is looked at after lookMin, then after twice that, and so on
// up to lookMax.
const (
	lookMin = time.Millisecond
	lookMax = 256 * time.Millisecond
)

// sweepPatience is how long what is left of a child after an end that nobody asked for
// may take to be gone once it was killed. Then it is told that it is not.
const sweepPatience = 5 * time.Second

// child is a child of which Started or Adopted was told and Exited was not, or one
// that had ended when it was to be adopted. Its main process leads its group, so one
// number names both.
type child struct {
	ref     tree.Ref
	group   group
	cgroup  *cgroup  // nil: there is none
	loose   bool     // some of it may be outside its cgroup
	vacant  bool     // its main process was the last one in its cgroup
	asked   bool     // Stop or Kill came before the end of the main process
	swept   bool     // they did not, so what was left of the group was killed
	owned   bool     // it was told that something of it is left all the same
	killed  bool     // Kill came: whoever turns up of it is killed, too
	adopted *adopted // what only a child of another parent has, else nil
	setup   *setup   // it has not executed its program yet; else nil
	failed  *failure // it never will: Started was not told
	bounced *bounced // an earlier daemon has begun its set-up, and how that went is not known; else nil
	*ending          // of a child of our own nil until it is needed: thousands of them only run
}

// ending is what there is to know of a child on its way out.
type ending struct {
	seen []Identity // below the main process, where there is no cgroup, when it was asked to end
	left []Identity // of one whose parents had died: found by the variable

	// Once the main process has ended, while the group drains:
	exit    tree.Exit
	at      time.Time
	sweptAt time.Time

	// While the group drains, or while the end of an adopted child is sought:
	pause time.Duration // between the last look and the next
	due   time.Time     // the next look
}

// ends makes room for what there will be to know.
func (c *child) ends() {
	if c.ending == nil {
		c.ending = &ending{}
	}
}

// stop is Stop, by whoever works.
func (r *Reaper) stop(ref tree.Ref, signal string, mainOnly bool) {
	if r.cancel(ref) {
		return
	}
	c := r.children[ref]
	switch {
	case c == nil:
		return
	case c.setup != nil, c.bounced != nil: // nothing of the program has run that could be asked
		r.kill(ref)
		return
	}
	r.note(c)
	c.asked = true
	r.scans.hint(c.group.number)
	if signal == "" {
		signal = "SIGTERM"
	}
	// A stopped process has only noted the signal.
	if r.send(c, signal, !mainOnly, unix.SIGCONT) {
		r.signalled(c, false)
	}
}

// kill is Kill, by whoever works.
func (r *Reaper) kill(ref tree.Ref) {
	if r.cancel(ref) {
		return
	}
	if c := r.children[ref]; c != nil {
		r.note(c)
		c.asked, c.killed = true, true
		r.scans.hint(c.group.number)
		if r.send(c, "SIGKILL", true) {
			r.signalled(c, true)
		}
	}
}

// signalled writes down that a child was asked to end.
func (r *Reaper) signalled(c *child, kill bool) {
	crash.Point("signal.sent")
	r.notes.Signalled(c.ref, kill)
	crash.Point("signal.noted")
}

// signal is Signal, by whoever works.
func (r *Reaper) signal(ref tree.Ref, signal string, all bool) {
	if c := r.children[ref]; c != nil && c.setup == nil && c.bounced == nil {
		r.send(c, signal, all)
	}
}

// send signals the group of a child, or its main process alone if that was not
// reaped yet, and sends other signals behind the first. It says whether somebody got it.
func (r *Reaper) send(c *child, name string, all bool, behind ...unix.Signal) bool {
	if c.swept {
		return false // all who are left have got a SIGKILL
	}
	number, ok := SignalNumber(name)
	if !ok {
		r.refused(c, name, errors.New("there is no such signal"))
		return false
	}
	reaped := r.mains[c.group.number] != c
	var err error
	switch {
	case all:
		err = r.signalAll(c, number, behind...)
	case reaped:
		return false
	default:
		err = c.group.signalLeader(number)
		for _, next := range behind {
			_ = c.group.signalLeader(next) // who got the first may have ended of it
		}
	}
	if err != nil && err != unix.ESRCH {
		r.refused(c, name, err)
	}
	if reaped {
		r.drain(c) // it may be empty very soon
	}
	return err == nil
}

// refused tells that a signal was not sent.
func (r *Reaper) refused(c *child, name string, err error) {
	cause := fmt.Sprintf("cannot send %s to process %d: %v", name, c.group.number, err)
	if err == unix.EPERM {
		cause += " (it runs as another user, and the daemon is neither root nor has CAP_KILL)"
	}
	r.tell(SignalFailed{Ref: c.ref, Signal: name, Cause: cause})
}

// mainEnded deals with a main process that is a zombie of ours: its end is written
// down, then comes what is left of its group as long as the zombie holds the number,
// then the zombie itself.
func (r *Reaper) mainEnded(c *child, exit tree.Exit) {
	crash.Point("reap.peeked")
	if c.adopted != nil { // its parent has died, and it became ours
		r.unwatch(c)
	}
	if c.setup != nil { // all that it said is in the pipe
		c.setup.hear()
		r.setupOver(c)
	}
	r.noteEnd(c, Ended{Exit: exit, At: time.Now()})
	crash.Point("reap.noted")
	// A zombie is in no group: who is not in it now cannot come into it by a fork.
	c.vacant = c.cgroup != nil && !c.loose && c.cgroup.empty()
	err := r.sweep(c)
	if c.asked && !c.vacant && c.group.handle == 0 {
		r.handles = r.handles && c.group.hold()
	}
	crash.Point("reap.swept")
	reap(c.group.number)
	crash.Point("reap.done")
	r.mainGone(c, err)
}

// noteEnd writes down how a main process ended.
func (r *Reaper) noteEnd(c *child, ended Ended) {
	counts := r.cgroups == nil || r.cgroups.counts || c.adopted != nil
	if c.cgroup != nil && !c.asked && counts && c.cgroup.oomKills() > c.cgroup.ooms {
		ended.Exit.OOM = true
	}
	c.ends()
	c.exit, c.at = ended.Exit, ended.At
	r.notes.Reaped(c.ref, c.exit, c.at)
}

// sweep kills what is left of a group whose main process has ended, if nobody had
// asked for that. From then on the group is only looked at.
func (r *Reaper) sweep(c *child) error {
	if c.asked || c.swept {
		return nil
	}
	c.ends()
	c.swept, c.sweptAt = true, time.Now()
	return r.signalAll(c, unix.SIGKILL)
}

// mainGone begins what comes after the main process: Exited, or draining. err is
// that of the sweep.
func (r *Reaper) mainGone(c *child, err error) {
	r.bouncedEnd(c)
	if r.mains[c.group.number] == c {
		delete(r.mains, c.group.number)
	}
	r.loosen(c)
	if r.empty(c) {
		r.exited(c)
		return
	}
	if err != nil && err != unix.ESRCH {
		r.refused(c, "SIGKILL", err) // by those who are left, not by the zombie
	}
	r.draining[c.ref] = c
	if !c.group.gone {
		r.groups[c.group.number] = c
	}
	r.drain(c)
}

// orphanEnded reaps a zombie that is nobody's main process, and looks at its
// group if that is draining: it may have been the last member.
func (r *Reaper) orphanEnded(pid int) {
	group := 0
	if len(r.groups) > 0 {
		group, _ = unix.Getpgid(pid) // asked before the zombie is gone
	}
	reap(pid)
	if c := r.groups[group]; c != nil {
		r.settle(c)
		return
	}
	r.orphaned = len(r.draining) > 0 // it may have left the group of one of them
}

// settleOrphaned looks at all who are draining once orphans were reaped, however many.
func (r *Reaper) settleOrphaned() {
	if !r.orphaned {
		return
	}
	r.orphaned = false
	for _, c := range r.draining {
		r.settle(c)
	}
}

// drain begins a new row of looks at a draining group.
func (r *Reaper) drain(c *child) {
	c.ends()
	c.pause = lookMin
	c.due = time.Now().Add(c.pause)
	r.alarm(c.due)
}

// lookAt looks at a draining group if it is time.
func (r *Reaper) lookAt(c *child, now time.Time) {
	if !c.due.After(now) {
		if r.settle(c) {
			return
		}
		if c.swept || c.killed {
			_ = r.signalAll(c, unix.SIGKILL) // who cannot be signalled was told of already
		}
		if c.swept && !c.owned && now.Sub(c.sweptAt) >= sweepPatience {
			c.owned = true
			r.inspect(c.ref)
		}
		c.put(now)
	}
	r.alarm(c.due)
}

// settle tells that a draining child is gone, if it is.
func (r *Reaper) settle(c *child) bool {
	if !r.empty(c) && !r.onlyZombies(c) {
		return false
	}
	r.exited(c)
	return true
}

// put puts the next look off, twice as long as the last.
func (c *child) put(now time.Time) {
	c.pause = min(2*c.pause, lookMax)
	c.due = now.Add(c.pause)
}

// exited tells that nothing of a child is left, and forgets it.
func (r *Reaper) exited(c *child) {
	if c.adopted != nil {
		r.unwatch(c)
	}
	c.group.release()
	switch {
	case c.cgroup != nil && c.cgroup.spent:
		r.cgroups.discard(c.cgroup)
	case c.vacant && c.cgroup.thawed && r.cgroups != nil:
		r.cgroups.leftThawed(c.cgroup)
	case c.cgroup != nil:
		r.cgroups.doubt(c.cgroup)
	}
	delete(r.draining, c.ref)
	if r.groups[c.group.number] == c {
		delete(r.groups, c.group.number)
	}
	delete(r.children, c.ref)
	if r.named[c.ref.ID] == c {
		delete(r.named, c.ref.ID)
	}
	if f := c.failed; f != nil {
		r.tell(StartFailed{Ref: c.ref, Cause: f.Cause, Errno: f.Errno, Key: f.Key})
		return
	}
	r.tell(Exited{Ref: c.ref, Exit: c.exit, At: c.at})
}
