package process

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"coppice/tree"
)

// OutputMax is how many bytes of what a job writes are kept: the last ones, for they
// say why it failed.
const OutputMax = 4 << 10

const (
	// jobChunk is what is read of a job at once, and what a pipe holds.
	jobChunk = 64 << 10
	// pipeChunks is how much a program can make of that without privileges: 1 MiB.
	pipeChunks = 16
	// floodPause is between two reads of a job that fills its pipe.
	floodPause = time.Millisecond
	// killPatience is how long a job that was killed may take to be gone.
	killPatience = time.Second
)

// JobID is the number of a job. Who starts jobs gives each its own.
type JobID uint64

// Job is a command that runs beside a child: a hook, a probe, a reload command.
type Job struct {
	ID JobID
	// Ref is the child for whose sake it runs; nothing has to be alive of that.
	Ref tree.Ref
	// Command is what it executes; its Stdout and Stderr must be nil, for both
	// are what JobDone tells. JobUnit belongs into its Env.
	Command Command
	// Limit is the time that it may take, 0: any. Then it is killed.
	Limit time.Duration
}

// job is one of which JobDone was not told, or one that was killed and is not gone.
type job struct {
	Job
	pid      int     // 0: its file is busy, it is tried again
	cgroup   *cgroup // nil: there is none
	setup    *setup  // what its trampoline tells, nil: it needs none
	tries    int
	pipe     int // what it writes, -1: nobody can write any more
	output   []byte
	deadline time.Time // zero: none
	readAt   time.Time // it floods, and is read again then; zero: when there is something
	retryAt  time.Time // its file is busy
	killed   bool
	timedOut bool
	told     bool // it does not die, and nobody waits for it any more
}

// StartJob starts a job; JobDone answers it, once. Its ID must be new. It may be
// called by any goroutine and never blocks.
//
// The job leads a session and a group of its own, as a child does, and has a cgroup
// where there are some. When its main process has ended, or its limit has passed, all
// of it is killed, also what has left the group, and nobody waits for a process that got away and holds its output.
func (r *Reaper) StartJob(j Job) {
	r.enqueue(func() { r.startJob(&job{Job: j, pipe: -1}) })
}

// CancelJob kills a job and its group; JobDone comes all the same. An ID without a job
// is no fault.
func (r *Reaper) CancelJob(id JobID) {
	r.enqueue(func() {
		if j := r.jobs[id]; j != nil {
			r.killJob(j)
		}
	})
}

// EndJobs kills all jobs, and returns once that is done; Run must not have returned.
// Those that were not started yet are not started any more.
func (r *Reaper) EndJobs() {
	done := make(chan struct{})
	r.Do(func() {
		defer close(done)
		r.jobless = true
		for _, j := range r.jobs {
			r.killJob(j)
		}
	})
	<-done
}

// startJob is StartJob, by whoever works.
func (r *Reaper) startJob(j *job) {
	switch {
	case r.jobs[j.ID] != nil:
		panic(fmt.Sprintf("process: a second job %d, for %s", j.ID, j.Ref.ID))
	case r.closed || r.jobless:
		r.tell(JobDone{ID: j.ID, Ref: j.Ref, Cause: "the daemon is ending"})
		return
	}
	if j.Limit > 0 {
		j.deadline = time.Now().Add(j.Limit)
		r.alarm(j.deadline)
	}
	r.jobs[j.ID] = j
	r.tryJob(j)
}

// tryJob executes a job's program, or puts that off if its file is busy.
func (r *Reaper) tryJob(j *job) {
	j.tries++
	j.retryAt = time.Time{}
	err := r.forkJob(j)
	switch {
	case err == nil:
	case err.Errno == syscall.ETXTBSY && j.tries < busyTries:
		j.retryAt = time.Now().Add(busyMin << (j.tries - 1))
		r.alarm(j.retryAt)
	default:
		r.jobDone(j, tree.Exit{}, err)
	}
}

// forkJob executes a job's program with a pipe for what it writes.
func (r *Reaper) forkJob(j *job) *failure {
	if err := r.attend(); err != nil {
		return &failure{Cause: err.Error(), Errno: errnoOf(err)}
	}
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		f := explain(&j.Command, j.Command.Argv[0], err)
		return &f
	}
	command := j.Command
	command.Stdout = os.NewFile(uintptr(ends[1]), "output")
	command.Stderr = command.Stdout
	if u := command.User; u != nil {
		_ = unix.Fchown(ends[1], int(u.Uid), int(u.Gid)) // so that it can open /dev/stdout
	}
	failed := r.launchJob(j, &command, fmt.Sprintf("%s.%d%s", j.Ref.ID, j.ID, jobSuffix))
	command.close()
	if failed != nil {
		unix.Close(ends[0])
		return failed
	}
	pid := j.pid
	j.pipe = ends[0]
	r.numberWasFree(pid)
	r.mainJobs[pid] = j
	_ = unix.SetNonblock(j.pipe, true) // it cannot fail for a pipe
	r.listen(j)
	return nil
}

// launchJob forks a job, or the trampoline that sets it up.
func (r *Reaper) launchJob(j *job, command *Command, group string) (failed *failure) {
	if command.Setup == nil && r.mounts.holds(command) {
		command.Setup = plainSetup(command)
		j.Command.Setup = command.Setup
	}
	if command.Setup == nil {
		j.pid, j.cgroup, failed = r.spawn(command, group)
		return failed
	}
	pid, cgroup, pipe, failed := r.launch(command, j.Ref.ID, group)
	if failed == nil {
		j.pid, j.cgroup, j.setup = pid, cgroup, &setup{command: j.Command, pipe: pipe}
	}
	return failed
}

// unexecuted is why the trampoline of a job that has ended did not execute its program;
// nil: it did, or there was none.
func (j *job) unexecuted() *failure {
	if j.setup == nil {
		return nil
	}
	j.setup.hear()
	if j.setup.executed() {
		return nil
	}
	return j.setup.failure(j.killed)
}

// errnoOf is the system's reason in an error, 0 if it has none.
func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	errors.As(err, &errno)
	return errno
}

// listen waits for something to read of a job.
func (r *Reaper) listen(j *job) {
	err := r.poller.Add(j.pipe, int32(j.pipe))
	if err != nil && !errors.Is(err, unix.EEXIST) {
		j.readAt = time.Now().Add(lookMax) // no memory for it: look from time to time
		r.alarm(j.readAt)
		return
	}
	r.pipes[j.pipe] = j
}

// hush ends that, and closes the pipe.
func (r *Reaper) hush(j *job) {
	if j.pipe < 0 {
		return
	}
	r.poller.Remove(j.pipe)
	delete(r.pipes, j.pipe)
	unix.Close(j.pipe)
	j.pipe, j.readAt = -1, time.Time{}
}

// readJob reads what a job has written, once, and waits for more. One that writes
// without end is not read without end: others want to be served, too.
func (r *Reaper) readJob(j *job) {
	delete(r.pipes, j.pipe)
	j.readAt = time.Time{}
	switch n, err := r.readChunk(j); {
	case n == jobChunk:
		j.readAt = time.Now().Add(floodPause)
		r.alarm(j.readAt)
	case n > 0, err == unix.EAGAIN, err == unix.EINTR:
		r.listen(j)
	default:
		r.hush(j) // it has closed its output
		r.scans.hint(j.pid)
	}
}

// readChunk reads once, and keeps the end of what was written so far.
func (r *Reaper) readChunk(j *job) (int, error) {
	if r.chunk == nil {
		r.chunk = make([]byte, jobChunk)
	}
	n, err := unix.Read(j.pipe, r.chunk)
	if n > 0 {
		j.output = lastBytes(j.output, r.chunk[:n])
	}
	return n, err
}

// lastBytes is the end of old and new together, OutputMax bytes at most.
func lastBytes(old, new []byte) []byte {
	if extra := len(new) - OutputMax; extra > 0 {
		new = new[extra:]
	}
	if extra := len(old) + len(new) - OutputMax; extra > 0 {
		old = old[:copy(old, old[extra:])]
	}
	return append(old, new...)
}

// jobEnded deals with a job whose main process is a zombie of ours.
func (r *Reaper) jobEnded(j *job, exit tree.Exit) {
	r.endJob(j) // the zombie holds the number, and is a member itself
	for more := pipeChunks; more > 0 && j.pipe >= 0; more-- {
		if n, _ := r.readChunk(j); n < jobChunk {
			break
		}
	}
	reap(j.pid)
	delete(r.mainJobs, j.pid)
	r.jobDone(j, exit, j.unexecuted())
}

// jobDone forgets a job and tells how it ended.
func (r *Reaper) jobDone(j *job, exit tree.Exit, failed *failure) {
	r.hush(j)
	delete(r.jobs, j.ID)
	if j.setup != nil {
		unix.Close(j.setup.pipe)
		j.setup = nil
	}
	if j.cgroup != nil {
		r.cgroups.discard(j.cgroup)
	}
	if j.told {
		return
	}
	done := JobDone{ID: j.ID, Ref: j.Ref, Exit: exit, Output: j.output, TimedOut: j.timedOut}
	if failed != nil {
		done.Cause, done.Errno, done.Key = failed.Cause, failed.Errno, failed.Key
	}
	r.tell(done)
}

// killJob kills a job and its group.
func (r *Reaper) killJob(j *job) {
	if j.killed {
		return
	}
	j.killed = true
	if j.pid == 0 {
		f := explain(&j.Command, j.Command.Argv[0], syscall.ETXTBSY)
		r.jobDone(j, tree.Exit{}, &f)
		return
	}
	r.endJob(j) // who may not be killed is told of below
	j.deadline = time.Now().Add(killPatience)
	r.alarm(j.deadline)
}

// abandonJob tells that a job that was killed is still there. Its number stays
// known, so that it is reaped when it ends.
func (r *Reaper) abandonJob(j *job) {
	r.jobDone(j, tree.Exit{}, &failure{
		Cause: fmt.Sprintf("process %d was killed and has not ended (it runs as another user, or hangs in the kernel)", j.pid),
	})
	j.told = true
}

// lookAtJobs does what was put off until now.
func (r *Reaper) lookAtJobs(now time.Time) {
	if r.overdueJobs(now) {
		r.reap() // who has ended while this daemon was stopped has ended in time
	}
	for _, j := range r.jobs {
		switch {
		case j.deadline.IsZero() || j.deadline.After(now):
		case j.killed:
			r.abandonJob(j)
			continue
		default:
			j.timedOut = true
			r.killJob(j)
		}
		if due(j.retryAt, now) {
			r.tryJob(j)
		}
		if due(j.readAt, now) {
			r.readJob(j)
		}
		for _, at := range []time.Time{j.deadline, j.retryAt, j.readAt} {
			if at.After(now) {
				r.alarm(at)
			}
		}
	}
}

// overdueJobs says whether the limit of a job has passed.
func (r *Reaper) overdueJobs(now time.Time) bool {
	for _, j := range r.jobs {
		if due(j.deadline, now) {
			return true
		}
	}
	return false
}

// due says whether a time that is set has come.
func due(at, now time.Time) bool { return !at.IsZero() && !at.After(now) }
