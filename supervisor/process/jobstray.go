package process

import (
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// endJob kills all of a job: its group and, where no cgroup holds them, those that have
// left it. They are looked for where those of a child are (Reaper.strays), and known by
// the variable of this one job; who has done away with that is not found. If some could not
// be looked at, that is done later.
func (r *Reaper) endJob(j *job) {
	if j.cgroup != nil {
		_ = j.cgroup.kill() // the group below is killed in any case
	}
	_ = unix.Kill(-j.pid, unix.SIGKILL)
	if j.cgroup == nil && !r.endJobStrays(j) {
		r.leaveStrays(j, lookMax)
	}
}

// endJobStrays kills those that have left the group of a job; false: not all could be
// looked at for a shortage.
func (r *Reaper) endJobStrays(j *job) bool {
	below := func() []int { return r.belowJob(j) }
	for range straysMax {
		var left []Identity
		sure := r.sure(func() bool {
			r.lookAround(&child{}, aroundMax, below, func(below, orphans []int) {
				left = append(left, r.jobStrays(j, below, orphans)...)
			})
			return true
		})
		if len(left) == 0 {
			return sure
		}
		for _, other := range left {
			_ = (&child{}).signalOther(other, unix.SIGKILL) // who is still there is found again
		}
	}
	return true
}

// strayJob is a job that is over, and of which somebody may be left.
type strayJob struct {
	*job
	due   time.Time     // the next look
	pause time.Duration // between that and the one after it
}

// strayPauseMax is the longest pause between two such looks; then they end.
const strayPauseMax = time.Minute

// leaveStrays looks for those of a job later, unless they cannot be told from others.
func (r *Reaper) leaveStrays(j *job, pause time.Duration) {
	if j.mark() != "" && pause < strayPauseMax {
		due := time.Now().Add(pause)
		r.strayJobs[j.ID] = strayJob{j, due, 2 * pause}
		r.alarm(due)
	}
}

// lookAtStrayJobs looks for those that could not be seen before, if it is time.
func (r *Reaper) lookAtStrayJobs(now time.Time) {
	for id, s := range r.strayJobs {
		if s.due.After(now) {
			r.alarm(s.due)
			continue
		}
		delete(r.strayJobs, id)
		if !r.endJobStrays(s.job) {
			r.leaveStrays(s.job, s.pause)
		}
	}
}

// jobStrays are the processes of a job outside its group that have not ended.
func (r *Reaper) jobStrays(j *job, below, orphans []int) []Identity {
	mark := j.mark()
	var found []Identity
	var descend func(pid int, belongs bool)
	descend = func(pid int, belongs bool) {
		s, err := r.sight.stat(pid)
		if err != nil || s.ended() { // a zombie has no children, and no variables
			return
		}
		belongs = belongs || mark != "" && r.sight.unit(pid) == mark
		if belongs && s.group != j.pid {
			found = append(found, Identity{PID: pid, Start: s.start})
		}
		for _, child := range r.sight.childrenOf(pid) {
			descend(child, belongs)
		}
	}
	for _, pid := range below {
		descend(pid, true)
	}
	for _, pid := range orphans {
		descend(pid, false)
	}
	return found
}

// belowJob are the children of the main process of a job.
func (r *Reaper) belowJob(j *job) []int {
	if r.mainJobs[j.pid] != j {
		return nil // the number may be another one's
	}
	return r.sight.childrenOf(j.pid)
}

// mark is the value of UnitVariable that the processes of a job have.
func (j *job) mark() string {
	at := slices.IndexFunc(j.Command.Env, func(v string) bool { return strings.HasPrefix(v, UnitVariable+"=") })
	if at < 0 {
		return ""
	}
	return strings.TrimPrefix(j.Command.Env[at], UnitVariable+"=")
}
