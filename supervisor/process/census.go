package process

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// census is who is in which process group, by its number.
type census map[int][]member

// member is a process that belongs to a group.
type member struct {
	pid int
	stat
}

// members returns who is in a group. All groups are found in one walk over the
// processes, which serves whoever asks until r.census is dropped.
func (r *Reaper) members(number int) []member {
	if r.census != nil {
		return r.census[number]
	}
	all := census{}
	pids, err := processes()
	r.sight.met(err)
	for _, pid := range pids {
		if s, err := r.sight.stat(pid); err == nil {
			all[s.group] = append(all[s.group], member{pid, s})
		}
	}
	if !r.sight.short { // else who asks next looks again
		r.census = all
	}
	return all[number]
}

// processes returns the numbers of all processes; with an error it is those that
// could be read.
func processes() ([]int, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	pids := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, err
}

// onlyZombies says whether all who are left in the group of an adopted child are
// zombies: somebody else should reap them and does not, or takes its time. As this
// needs a walk over the processes it is not asked at the first look.
func (r *Reaper) onlyZombies(c *child) bool {
	if c.adopted == nil || c.pause == lookMin || !c.group.led() {
		return false
	}
	return r.sure(func() bool { return !r.anyLives(c) && c.cgroup == nil && len(r.strays(c)) == 0 })
}

// leftMembers says whether a main process that is gone has left members of its group
// behind. They are recognised by one of them: by the variable that it has inherited,
// or because it was there before the main process ended. Those who have only the
// number in common are left alone: it may have gone to somebody who led a group of
// that number, too, and is gone as well.
func (r *Reaper) leftMembers(c *child, ended *Ended) bool {
	number := c.group.number
	if number == 0 || unix.Kill(-number, 0) == unix.ESRCH || c.group.replaced() {
		return false
	}
	var before uint64
	if ended == nil && c.adopted.lookup != nil {
		if found, ok := c.adopted.lookup(c.adopted.identity); ok {
			ended = &found
		}
	}
	if ended != nil && !ended.At.IsZero() {
		before = ticksAt(ended.At)
	}
	suffix := fmt.Sprintf(":%s:%d", c.ref.ID, c.ref.Generation)
	for _, m := range r.members(number) {
		if m.session == number && (m.start < before || r.sight.hasUnit(m.pid, suffix)) {
			return true
		}
	}
	return false
}

// ticksAt returns a time as field 22 of /proc/PID/stat counts: a hundredth of a
// second since boot, time(7). 0: it cannot be told.
func ticksAt(at time.Time) uint64 {
	const perSecond = 100
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) != nil {
		return 0
	}
	since := time.Duration(now.Nano()) - time.Since(at)
	return uint64(max(since, 0) / (time.Second / perSecond))
}
