package process

import (
	"math"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"coppice/supervisor/poller"
	"coppice/tree"
)

// reapMax is how many ends are dealt with before commands get their turn again:
// a storm of orphans must not keep a Kill waiting.
const reapMax = 256

// Reaper forks, signals and reaps the children of this process. There must be
// only one in a process, and nothing beside it that forks or waits. Made by New.
type Reaper struct {
	deliver func([]Fact)
	notes   Notes
	wake    chan struct{} // room for one: there is something to do
	ends    ends          // of who waits for the ends of children

	queueLock sync.Mutex
	queue     []func()
	urgent    []func()      // these come before the next of the queue
	working   bool          // somebody does the work
	over      chan struct{} // closed: there is none any more

	// The rest belongs to whoever works.

	children map[tree.Ref]*child // Started was told, Exited was not
	mains    map[int]*child      // by pid: the main process is not known to be gone
	named    map[string]*child   // the latest of each name
	scans    scans
	draining map[tree.Ref]*child   // its main process is gone, and something of it is left
	groups   map[int]*child        // by pid: it is draining, and nobody else has got the number
	attempts map[tree.Ref]*attempt // starts to be tried again
	handles  bool                  // groups can be signalled through a pidfd

	adoptions []Adoption          // to be looked at when Run begins
	poller    *poller.Poller      // the pidfds of adopted children and the pipes of jobs, nil: there are none
	watched   map[int]*child      // by pidfd: it is in the poller
	sought    map[tree.Ref]*child // looked at until it is known how, or that, they ended
	census    census              // of this moment, nil: nobody needed it yet
	sight     sight               // of the look that goes on
	treeID    string              // the first part of the mark of all children
	cgroups   *Cgroups            // nil: there are none
	noCgroups string              // why

	jobs      map[JobID]*job      // JobDone was not told
	setups    map[int]*child      // by the pipe: a trampoline sets it up
	bounces   map[tree.Ref]*child // that an earlier daemon's trampolines set up
	mainJobs  map[int]*job        // by pid: the main process was not reaped
	strayJobs map[JobID]strayJob  // that are over, and of which somebody may be left
	pipes     map[int]*job        // by the pipe of what it writes: that is in the poller
	chunk     []byte              // what is read of jobs, nil: there was none
	jobless   bool                // none is started any more

	forker     *forker // nil: there was no throng yet
	forkerless bool    // there can be none

	mounts mounts   // of file systems that may not answer
	stdin  *os.File // /dev/null, once it is needed
	facts  []Fact   // not yet delivered
	closed bool

	orphaned bool // an orphan was reaped that may have been the last one of somebody draining

	timer *time.Timer
	due   time.Time // what the timer is set to; zero: it is not set
}

// New returns a reaper that does nothing yet: start it by `go r.Run()`. It tells
// what happens by deliver, in order, which is called by whoever works, must not
// block and may keep the slice. What must outlive the daemon it writes down in
// notes; nil is nowhere.
func New(deliver func([]Fact), notes Notes) *Reaper {
	if notes == nil {
		notes = noNotes{}
	}
	r := &Reaper{
		deliver:   deliver,
		notes:     notes,
		wake:      make(chan struct{}, 1),
		ends:      newEnds(),
		over:      make(chan struct{}),
		children:  map[tree.Ref]*child{},
		mains:     map[int]*child{},
		named:     map[string]*child{},
		draining:  map[tree.Ref]*child{},
		groups:    map[int]*child{},
		attempts:  map[tree.Ref]*attempt{},
		watched:   map[int]*child{},
		sought:    map[tree.Ref]*child{},
		jobs:      map[JobID]*job{},
		setups:    map[int]*child{},
		mainJobs:  map[int]*job{},
		bounces:   map[tree.Ref]*child{},
		pipes:     map[int]*job{},
		strayJobs: map[JobID]strayJob{},
		handles:   true,
		timer:     time.NewTimer(time.Hour),
	}
	r.timer.Stop()
	return r
}

// Run does the work, one thing after the other; so does, when somebody has ended, the
// goroutine that waits for that, but never both. It returns after Close, once no child is
// left.
func (r *Reaper) Run() {
	r.begin()
	r.adoptAll()
	r.reap()
	go r.waitForEnds()
	r.proceed(all)
	for over := false; !over; {
		select {
		case <-r.wake:
		case <-r.timer.C:
			r.hurry(r.look)
		case <-r.over:
			over = true
		}
		if r.begin() {
			r.proceed(all)
		}
	}
	r.forker.end()
	r.mounts.close()
	if r.stdin != nil {
		r.stdin.Close()
	}
	if r.poller != nil {
		r.poller.Close()
	}
}

// Start starts a child; Started or StartFailed answers it. ref must be new. The
// files of c belong to the reaper from now on.
//
// Start, Stop, Kill, Signal and Close may be called by any goroutine. They never
// block, and what they ask for is done in the order in which they were called.
func (r *Reaper) Start(ref tree.Ref, c Command) {
	r.enqueue(func() { r.start(ref, c) })
}

// Stop asks a child to end: it sends the signal (SIGTERM if the name is empty),
// then SIGCONT, to the child's group, or with mainOnly to its main process alone.
// The end that follows was asked for: what is left of the group has until Kill.
// A ref without a child is no fault and nothing is signalled, as for a child whose
// group was killed after an end of its own; a start that is still tried fails.
func (r *Reaper) Stop(ref tree.Ref, signal string, mainOnly bool) {
	r.enqueue(func() { r.stop(ref, signal, mainOnly) })
}

// Kill sends SIGKILL to the whole group of a child. It is an end asked for, as
// with Stop.
func (r *Reaper) Kill(ref tree.Ref) {
	r.enqueue(func() { r.kill(ref) })
}

// Signal sends a signal to the main process of a child, or with all to its
// group. An end that follows is one that nobody asked for.
func (r *Reaper) Signal(ref tree.Ref, signal string, all bool) {
	r.enqueue(func() { r.signal(ref, signal, all) })
}

// Forget lets go of what is kept for the next incarnation of a name that has none:
// no child has it, and if one gets it again, it is another one.
func (r *Reaper) Forget(name string) {
	r.enqueue(func() { r.cgroups.forget(name) })
}

// EndOrphans kills whoever is left below this process, and below the keeper (0: there is
// none), that is no child and no job of it, nor one of the strangers: at the end of a
// tree, when all of its children have been told as gone.
func (r *Reaper) EndOrphans(keeper int, strangers []Identity) {
	done := make(chan struct{})
	r.Do(func() {
		r.endOrphans(keeper, strangers)
		close(done)
	})
	<-done
}

// Inspect asks what is left of a child that was killed: Survives says it, or Exited
// that nothing is.
func (r *Reaper) Inspect(ref tree.Ref) {
	r.enqueue(func() { r.inspect(ref) })
}

// Freeze stops all processes of a child from running, or lets them run again,
// through its cgroup. SignalFailed tells where that is not possible.
func (r *Reaper) Freeze(ref tree.Ref, on bool) {
	r.enqueue(func() { r.freeze(ref, on) })
}

// Then has f called by whoever works, after what was asked before. After Run has
// returned it is not called any more.
func (r *Reaper) Then(f func()) { r.enqueue(f) }

// Close makes Run return once no child and no job is left. It ends none of them, and
// every Start after it fails; after Run has returned nothing is answered any more.
func (r *Reaper) Close() {
	r.enqueue(func() { r.closed = true })
}

// Do has f called by whoever works, when no fork is in flight and nothing is half
// written down. It does not wait for that, but f does not wait either for what was
// asked before: at most one start, or a few hundred ends, come before it. After Run
// has returned it is not called any more.
func (r *Reaper) Do(f func()) {
	if r.hurry(f) {
		r.wakeUp()
	}
}

// hurry puts something before the next of the queue, and says whether nobody works, who
// would see it.
func (r *Reaper) hurry(f func()) (idle bool) {
	r.queueLock.Lock()
	defer r.queueLock.Unlock()
	r.urgent = append(r.urgent, f)
	return !r.working
}

func (r *Reaper) enqueue(command func()) {
	r.queueLock.Lock()
	r.queue = append(r.queue, command)
	idle := !r.working
	r.queueLock.Unlock()
	if idle {
		r.wakeUp()
	}
}

func (r *Reaper) wakeUp() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// all is for proceed: whatever is queued.
const all = math.MaxInt

// proceed does what is queued, for the one who works: at most so many commands. A fork takes
// long beside everything else, so after each what is known by then is told, and what is
// urgent, an end above all, does not wait for the rest.
func (r *Reaper) proceed(most int) {
	for r.flush(); ; r.flush() {
		urgent, command := r.next(most > 0)
		if urgent == nil && command == nil {
			return
		}
		for _, f := range urgent {
			f()
		}
		select {
		case <-r.timer.C: // else Run hears it, which may be the one who works
			r.look()
		default:
		}
		if command != nil {
			command()
			most--
		}
	}
}

// begin makes the caller the one who works, if nobody is.
func (r *Reaper) begin() bool {
	r.queueLock.Lock()
	defer r.queueLock.Unlock()
	if r.working {
		return false
	}
	r.working = true
	return true
}

// next is what is to be done next: nothing, and the caller works no longer. If it does no
// commands any more, Run will.
func (r *Reaper) next(commands bool) (urgent []func(), command func()) {
	r.queueLock.Lock()
	defer r.queueLock.Unlock()
	urgent, r.urgent = r.urgent, nil
	switch {
	case len(r.queue) > 0 && commands:
		command = r.queue[0]
		r.queue[0] = nil
		r.queue = r.queue[1:]
	case urgent != nil:
	case len(r.queue) > 0:
		r.working = false
		r.wakeUp()
	case r.closed && len(r.children) == 0 && len(r.attempts) == 0 && len(r.jobs) == 0:
		close(r.over) // and nobody is the one who works from now on
	default:
		r.queue, r.working = nil, false
	}
	return urgent, command
}

// reap deals with everybody who has ended.
func (r *Reaper) reap() {
	defer r.settleOrphaned()
	for range reapMax {
		begun := time.Now()
		pid, exit := peek(unix.P_ALL, 0)
		if pid == 0 {
			r.scans.rest(begun)
			return
		}
		r.ended(pid, exit)
	}
	r.scans.after = time.Time{}
	r.ends.again() // there may be more: come back soon
}

// ended deals with a zombie.
func (r *Reaper) ended(pid int, exit tree.Exit) {
	c, j := r.mains[pid], r.mainJobs[pid]
	switch {
	case c != nil && (c.adopted == nil || c.group.led()):
		r.mainEnded(c, exit)
	case j != nil:
		r.jobEnded(j, exit)
	default:
		r.orphanEnded(pid)
	}
}

// look does what was put off until now: it looks at draining groups and at adopted
// children, tries starts again, and ends set-ups and jobs whose limit has passed.
func (r *Reaper) look() {
	r.due = time.Time{}
	now := time.Now()
	r.scan(now)
	for _, c := range r.draining {
		r.lookAt(c, now)
	}
	for _, c := range r.sought {
		if c.due.After(now) {
			r.alarm(c.due)
		} else {
			r.seek(c)
		}
	}
	r.census = nil
	for _, a := range r.attempts {
		if a.due.After(now) {
			r.alarm(a.due)
		} else {
			r.try(a)
		}
	}
	r.lookAtSetups(now)
	r.lookAtBounces(now)
	r.lookAtJobs(now)
	r.lookAtStrayJobs(now)
}

// alarm makes sure that look is called at the given time, or before.
func (r *Reaper) alarm(at time.Time) {
	if r.due.IsZero() || at.Before(r.due) {
		r.due = at
		r.timer.Reset(time.Until(at))
	}
}

func (r *Reaper) tell(fact Fact) {
	r.facts = append(r.facts, fact)
}

func (r *Reaper) flush() {
	if len(r.facts) > 0 {
		facts := r.facts
		r.facts = nil
		r.deliver(facts)
	}
}
