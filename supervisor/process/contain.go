package process

import (
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// straysMax is how often in a row processes outside a group are killed before the
// rest waits for the next look: each time only what was forked meanwhile is left.
const straysMax = 50

// Contain says what the children of this reaper are recognised by when they leave
// their process group: the mark of their tree and, where there are cgroups, theirs.
// Where g is nil, without says why. It comes before Run.
func (r *Reaper) Contain(treeID string, g *Cgroups, without string) {
	r.treeID, r.cgroups, r.noCgroups = treeID, g, without
}

// empty says whether nothing is left of a child, its main process aside. What cannot
// be looked at is not empty.
func (r *Reaper) empty(c *child) bool {
	if c.vacant && !c.loose {
		return true
	}
	if c.cgroup != nil && !c.cgroup.empty() {
		return false
	}
	if c.cgroup != nil && !c.loose {
		return true
	}
	return r.sure(func() bool {
		return (c.group.empty() || c.cgroup != nil && !r.groupLives(c)) && len(r.strays(c)) == 0
	})
}

// groupLives says whether somebody in the process group of a child has not ended.
func (r *Reaper) groupLives(c *child) bool {
	r.census = nil
	defer func() { r.census = nil }()
	return r.anyLives(c)
}

// anyLives is groupLives by what r.census has seen.
func (r *Reaper) anyLives(c *child) bool {
	return slices.ContainsFunc(r.members(c.group.number), func(m member) bool { return !m.ended() })
}

// loosen finds out whether some of a child, whose main process was just reaped, are in
// its process group and not in its cgroup: root can move a process, and one that was
// moved after its fork may have forked before. They count, too.
func (r *Reaper) loosen(c *child) {
	if c.cgroup == nil || c.loose || c.group.empty() || c.emptied() {
		return
	}
	r.census = nil
	c.loose = slices.ContainsFunc(r.members(c.group.number), func(m member) bool { return !m.ended() && !c.cgroup.holds(m.pid) })
	r.census = nil
}

// A zombie of the keeper's is in its process group until the keeper has reaped it, which
// it does right after it has told of its end. To wait for that is cheaper than to ask
// everybody on this machine for his group.
const (
	emptiedPause = 20 * time.Microsecond
	emptiedTries = 15
)

// emptied waits a moment for the process group of an adopted child to become empty.
func (c *child) emptied() bool {
	for tries := 0; c.adopted != nil && tries < emptiedTries; tries++ {
		pause := unix.NsecToTimespec(int64(emptiedPause)) // one of the runtime's takes a millisecond
		_ = unix.Nanosleep(&pause, nil)
		if c.group.empty() {
			return true
		}
	}
	return false
}

// signalAll sends a signal to every process of a child: to its process group at
// once, then to those that have left it; each gets those behind it, too. A number whose
// process was reaped is used only where the group has to be named by it.
func (r *Reaper) signalAll(c *child, number unix.Signal, behind ...unix.Signal) error {
	if c.vacant && !c.loose {
		return c.group.signal(number) // somebody of the process group may have been moved
	}
	if number == unix.SIGKILL && c.cgroup != nil {
		err := c.cgroup.kill()
		if !c.loose && r.mains[c.group.number] != c {
			return err
		}
	}
	err := c.group.signal(number)
	for _, next := range behind {
		_ = c.group.signal(next) // who got the first may have ended of it
	}
	for range straysMax {
		left := r.others(c)
		for _, other := range left {
			if e := c.signalOther(other, number); e == nil && err == unix.ESRCH || e != nil && e != unix.ESRCH {
				err = e
			}
			for _, next := range behind {
				_ = c.signalOther(other, next)
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
	if c.loose {
		found = r.strays(c)
	}
	for _, pid := range c.cgroup.members() {
		if pid == c.group.number && r.mains[pid] == c {
			continue // it leads the process group
		}
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
	case gone != nil || s.start != other.Start || c.cgroup != nil && !c.loose && !c.cgroup.holds(other.PID):
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
// before that ended. Who has done away with all three is not found. Of a child whose
// daemon and keeper had died, those are strays too that were found by the variable.
func (r *Reaper) strays(c *child) (found []Identity) {
	below := func() []int { return r.below(c) }
	settled := r.lookAround(c, aroundMax, below, func(below, orphans []int) {
		found = append(found, r.straysAmong(c, below, orphans)...)
	})
	// One who makes orphans all the time must not hold up all the others for ever.
	if !settled && (c.ending == nil || c.pause < lookMax) {
		r.sight.short = true
	}
	return found
}

// A look around begins no other round after so many, or so long: whoever looks is the one
// who reaps as well.
const (
	aroundRounds = 10
	aroundMax    = 2 * time.Millisecond
)

// lookAround has somebody look at those below a main process and at the orphans of a child,
// and then at whoever has become an orphan meanwhile: who forks and ends between the list
// and the look at him leaves somebody who is on no list yet. Whoever is below is listed first:
// so where neither list has anybody nobody is there, unless somebody else reaps meanwhile.
// It is false if there were new ones to the last.
func (r *Reaper) lookAround(c *child, most time.Duration, below func() []int, look func(below, orphans []int)) bool {
	begun := time.Now()
	near, known := below(), r.orphans(c)
	look(near, known)
	if c.adopted == nil && len(near)+len(known) == 0 {
		return true
	}
	seen := make(map[int]bool, len(known))
	for range aroundRounds {
		for _, pid := range known {
			seen[pid] = true
		}
		known = slices.DeleteFunc(r.orphans(c), func(pid int) bool { return seen[pid] })
		if len(known) == 0 {
			return true
		}
		if time.Since(begun) > most {
			return false
		}
		look(nil, known)
	}
	return false
}

// straysAmong is strays of this moment.
func (r *Reaper) straysAmong(c *child, below, orphans []int) []Identity {
	var found []Identity
	seen := map[int]bool{}
	var descend func(pid int, belongs bool)
	descend = func(pid int, belongs bool) {
		s, err := r.sight.stat(pid)
		if err != nil || seen[pid] || s.ended() { // a zombie has no children, and no variables
			return
		}
		seen[pid] = true
		belongs = belongs || s.session == c.group.number && !c.group.gone || c.saw(pid, s.start) || r.sight.hasUnit(pid, c.unit(r.treeID))
		if belongs && s.group != c.group.number {
			found = append(found, Identity{PID: pid, Start: s.start})
		}
		for _, child := range r.sight.childrenOf(pid) {
			descend(child, belongs)
		}
	}
	for _, pid := range below {
		descend(pid, true)
	}
	for _, id := range c.leftover() {
		if s, err := r.sight.stat(id.PID); err == nil && s.start == id.Start {
			descend(id.PID, true)
		}
	}
	for _, pid := range orphans {
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
	children := r.sight.childrenOf(c.group.number)
	if c.group.leader.PID != 0 && !c.group.led() {
		return nil
	}
	return children
}

// orphans are the children of whoever takes in the orphans of a child, without those
// that are known to be something else; some may be left out, as for childrenNow.
func (r *Reaper) orphans(c *child) []int {
	reaper := unix.Getpid()
	if c.adopted != nil && c.adopted.parent > 0 {
		reaper = c.adopted.parent
	}
	return slices.DeleteFunc(r.sight.childrenNow(reaper), func(pid int) bool {
		return r.mains[pid] != nil || r.mainJobs[pid] != nil || pid == unix.Getpid()
	})
}

// endOrphans is EndOrphans, by whoever works.
func (r *Reaper) endOrphans(keeper int, strangers []Identity) {
	parents := []*child{{}}
	if keeper > 1 {
		parents = append(parents, &child{adopted: &adopted{parent: keeper}})
	}
	var kill func(pid int) (killed int)
	kill = func(pid int) (killed int) {
		s, err := readStat(pid)
		if err == nil && !s.ended() && (&child{}).signalOther(Identity{PID: pid, Start: s.start}, unix.SIGKILL) == nil {
			killed++
		}
		for _, child := range childrenOf(pid) {
			killed += kill(child)
		}
		return killed
	}
	calm := 0
	for range straysMax {
		killed := 0
		for _, parent := range parents {
			for _, pid := range r.orphans(parent) {
				if !isAmong(pid, strangers) {
					killed += kill(pid)
				}
			}
		}
		r.reap()
		if calm++; killed > 0 {
			calm = 0
		}
		if calm == 2 { // of one that was clean somebody may have forked out
			return
		}
	}
}

// isAmong says whether a process is one of those.
func isAmong(pid int, those []Identity) bool {
	return slices.ContainsFunc(those, func(id Identity) bool {
		now, err := Identify(pid)
		return id.PID == pid && err == nil && now.Same(id)
	})
}

// Children are the children of processes; 0 is none.
func Children(parents ...int) []Identity {
	var list []Identity
	for _, parent := range parents {
		if parent <= 0 {
			continue
		}
		for _, pid := range childrenOf(parent) {
			if id, err := Identify(pid); err == nil {
				list = append(list, id)
			}
		}
	}
	return list
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
	c.ends()
	for _, id := range r.strays(c) {
		if !c.saw(id.PID, id.Start) {
			c.seen = append(c.seen, id)
		}
	}
}

// leftover are those that were found by the variable.
func (c *child) leftover() []Identity {
	if c.ending == nil {
		return nil
	}
	return c.left
}

// saw says whether a process was seen below the main process.
func (c *child) saw(pid int, start uint64) bool {
	return c.ending != nil && slices.ContainsFunc(c.seen, func(id Identity) bool { return id.PID == pid && id.Start == start })
}
