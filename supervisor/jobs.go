package supervisor

import (
	"os"
	"strings"
	"time"

	"go.uber.org/zap"

	"coppice/supervisor/process"
	"coppice/tree"
)

// jobs are the commands that run beside children: hooks, probes, reload commands.
// They belong to the loop.
type jobs struct {
	last process.JobID
	done map[process.JobID]func(process.JobDone)
}

// startJob runs a command for the sake of an incarnation, which need not be alive. done
// is called on the loop, once; what it appends to the queue is heard next. The command
// gets the mark of a job beside its environment, and its secrets are taken out of what it
// writes. Whoever starts one also ends it when
// its reason has gone, by the reaper's CancelJob.
func (r *runtime) startJob(ref tree.Ref, c process.Command, limit time.Duration, done func(process.JobDone)) process.JobID {
	r.keepJobs()
	r.jobs.last++
	r.jobs.done[r.jobs.last] = func(d process.JobDone) {
		if c.Setup != nil {
			d.Output = masked(d.Output, c.Setup.Secrets)
		}
		done(d)
	}
	c.Env = with(c.Env, process.JobUnit(r.treeID, ref.ID, ref.Generation, r.jobs.last))
	r.reaper.StartJob(process.Job{ID: r.jobs.last, Ref: ref, Command: c, Limit: limit})
	return r.jobs.last
}

// with is an environment with variables that come from coppice, in the place of others
// of their names: of two, some programs take the first.
func with(env []string, own ...string) []string {
	names := map[string]bool{}
	for _, variable := range own {
		name, _, _ := strings.Cut(variable, "=")
		names[name] = true
	}
	all := make([]string, 0, len(env)+len(own))
	for _, variable := range env {
		if name, _, _ := strings.Cut(variable, "="); !names[name] {
			all = append(all, variable)
		}
	}
	return append(all, own...)
}

// jobDone passes on how a job ended.
func (r *runtime) jobDone(f process.JobDone) {
	done := r.jobs.done[f.ID]
	delete(r.jobs.done, f.ID)
	done(f)
}

// keepJobs tells the keeper that there have been jobs: a daemon that comes after this
// one looks for those that are left.
func (r *runtime) keepJobs() {
	if r.keeping.own[keptJobs] != nil {
		return
	}
	if file, err := os.Open(os.DevNull); err == nil { // only its name counts
		r.keeping.own[keptJobs] = file
		r.keeping.put(keptJobs, int(file.Fd()))
	}
}

// hadJobs says whether an earlier daemon of this keeper's had jobs.
func (r *runtime) hadJobs() bool {
	file := r.keeping.take(keptJobs)
	if file != nil {
		r.keeping.own[keptJobs] = file
	}
	return file != nil
}

// endLeftJobs kills the jobs that an earlier daemon has left.
func (r *runtime) endLeftJobs(w world) {
	r.cgroups.EndJobs()
	if err := process.EndLeftJobs(r.treeID, w.found); err != nil {
		r.log.Error("a command of an earlier daemon goes on", zap.Error(err))
	}
}

// endJobs kills the jobs of this daemon, which is about to end.
func (r *runtime) endJobs() {
	if len(r.jobs.done) > 0 {
		r.reaper.EndJobs()
	}
}
