package process

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// straysMax is how often in a row processes outside a group are killed before the
// rest waits for the next look: each time only what was forked meanwhile is left.
const straysMax = 50

// Contain says what the children of this reaper are recognised by when they leave
// their process group: the mark of their tree and, where there are cgroups, theirs.
// It comes before Run.
func (r *Reaper) Contain(treeID string, g *Cgroups) { r.treeID, r.cgroups = treeID, g }

// empty says whether nothing is left of a child, its main process aside.
func (r *Reaper) empty(c *child) bool {
	if c.cgroup != nil {
		return c.cgroup.empty()
	}
	return c.group.empty() && len(r.strays(c)) == 0
}

// signalAll sends a signal to every process of a child: to its process group at
// once, then to those that have left it.
func (r *Reaper) signalAll(c *child, number unix.Signal) error {
	if number == unix.SIGKILL && c.cgroup != nil {
		return c.cgroup.kill()
	}
	err := c.group.signal(number)
	for range straysMax {
		left := r.others(c)
		for _, other := range left {
			if e := c.signalOther(other, number); e == nil && err == unix.ESRCH || e != nil && e != unix.ESRCH {
				err = e
			}
		}
		if number != unix.SIGKILL || len(left) == 0 {
			break
		}
	}
	return err
}

// others are the processes of a child outside its process group.
func (r *Reaper) others(c *child) []Identity {
	if c.cgroup == nil {
		return r.strays(c)
	}
	var found []Identity
	for _, pid := range c.cgroup.members() {
		if s, err := readStat(pid); err == nil && s.group != c.group.number {
			found = append(found, Identity{PID: pid, Start: s.start})
		}
	}
	return found
}

// signalOther signals one of others, if it still is the same: between the two looks
// its number may have gone to somebody else.
func (c *child) signalOther(other Identity, number unix.Signal) error {
	pidfd, err := unix.PidfdOpen(other.PID, 0)
	if err != nil && err != unix.ENOSYS && err != unix.EPERM && err != unix.EMFILE {
		return err
	}
	if err == nil {
		defer unix.Close(pidfd)
	}
	s, gone := readStat(other.PID)
	switch {
	case gone != nil || s.start != other.Start || c.cgroup != nil && !c.cgroup.holds(other.PID):
		return unix.ESRCH
	case err == nil:
		return unix.PidfdSendSignal(pidfd, number, nil, 0)
	}
	return unix.Kill(other.PID, number) // this kernel has no pidfds, or there is no descriptor
}

// strays are the processes that descend from a child and have left its process group,
// where there is no cgroup that holds them. Whose parent has died is a child of this
// process by then, or of the keeper, for both are subreapers: so only those need to
// be looked at, with who descends from them. They are known by the variable of their
// incarnation, by the session, or because they were seen below the main process
// before that ended. Who has done away with all three is not found.
func (r *Reaper) strays(c *child) []Identity {
	var found []Identity
	var descend func(pid int, belongs bool)
	descend = func(pid int, belongs bool) {
		s, err := readStat(pid)
		if err != nil {
			return
		}
		belongs = belongs || s.session == c.group.number && !c.group.gone || c.saw(pid, s.start) || hasUnit(pid, c.unit(r.treeID))
		if belongs && !s.ended() && s.group != c.group.number {
			found = append(found, Identity{PID: pid, Start: s.start})
		}
		for _, child := range childrenOf(pid) {
			descend(child, belongs)
		}
	}
	for _, pid := range r.below(c) {
		descend(pid, true)
	}
	for _, pid := range r.orphans(c) {
		descend(pid, false)
	}
	return found
}

// below are the children of the main process. Somebody else reaps that of an adopted
// child, so after the look it must still be who has the number: else these may be a
// stranger's, or those of a thread of this very process.
func (r *Reaper) below(c *child) []int {
	if r.mains[c.group.number] != c {
		return nil
	}
	children := childrenOf(c.group.number)
	if c.group.leader.PID != 0 && !c.group.led() {
		return nil
	}
	return children
}

// orphans are the children of whoever takes in the orphans of a child, without those
// that are known to be something else.
func (r *Reaper) orphans(c *child) []int {
	reaper := unix.Getpid()
	if c.adopted != nil && c.adopted.parent > 0 {
		reaper = c.adopted.parent
	}
	return slices.DeleteFunc(childrenOf(reaper), func(pid int) bool {
		return r.mains[pid] != nil || r.mainJobs[pid] != nil || pid == unix.Getpid()
	})
}

// endOrphans is EndOrphans, on the goroutine of Run.
func (r *Reaper) endOrphans(keeper int) {
	parents := []*child{{}}
	if keeper > 1 {
		parents = append(parents, &child{adopted: &adopted{parent: keeper}})
	}
	var kill func(pid int) (killed int)
	kill = func(pid int) (killed int) {
		if s, err := readStat(pid); err == nil && !s.ended() && unix.Kill(pid, unix.SIGKILL) == nil {
			killed++
		}
		for _, child := range childrenOf(pid) {
			killed += kill(child)
		}
		return killed
	}
	for range straysMax {
		killed := 0
		for _, parent := range parents {
			for _, pid := range r.orphans(parent) {
				killed += kill(pid)
			}
		}
		r.reap()
		if killed == 0 {
			return
		}
	}
}

// unit is the end of the variable that the processes of a child have.
func (c *child) unit(treeID string) string {
	return strings.TrimPrefix(Unit(treeID, c.ref.ID, c.ref.Generation), UnitVariable+"=")
}

// note takes note of who descends from a main process that is about to be asked to
// end: afterwards nothing may tell any more that they were its own.
func (r *Reaper) note(c *child) {
	if c.cgroup != nil || r.mains[c.group.number] != c {
		return
	}
	for _, id := range r.strays(c) {
		if !c.saw(id.PID, id.Start) {
			c.seen = append(c.seen, id)
		}
	}
}

// saw says whether a process was seen below the main process.
func (c *child) saw(pid int, start uint64) bool {
	return slices.ContainsFunc(c.seen, func(id Identity) bool { return id.PID == pid && id.Start == start })
}
