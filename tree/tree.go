package tree

// Options choose between OTP's letter and coppice's two deviations from it.
type Options struct {
	// OTP counts restart windows in whole seconds (floored, as
	// erlang:monotonic_time(1)) and lets a shutdown wait its turn behind a
	// start. Without it durations are exact, and a shutdown overtakes a start
	// that is not complete.
	OTP bool
	// Seq is the number after which the reports are numbered on.
	Seq uint64
}

// Output is what one Step makes of its events: Reports tell what happened, in
// order, and are recorded before Actions are carried out, in order.
type Output struct {
	Reports []Report
	Actions []Action
}

// Tree is a supervision tree: what is wanted, what is, and what is left to do
// about it. It is a value of one goroutine; nothing in it may be shared.
type Tree struct {
	opts Options
	now  Time
	root *node
	// index has every node by name, forgotten ones included.
	index map[string]*node
	gen   Generation
	seq   uint64
	out   Output // what said will return

	// stuck says that there was a process once that could not be killed.
	stuck bool
	// runnable are the supervisors that have something to hear or to do; the first ran of
	// them have done so.
	runnable []*node
	ran      int
	timers   timers
	budget   budget

	// change is the Apply in progress, changes those that wait for it.
	change  *application
	changes []Called

	// shutdown is the ShutdownTree that was asked for, if any.
	shutdown *ShutdownTree
	waiting  []uint64 // the calls that its end answers
	// ended is set by Halt.
	ended *Halt
	// lastCall is the highest number of a call so far, resumed the report of the
	// latest Resumed.
	lastCall, resumed uint64
}

// New returns a tree that wants spec and has started nothing: Boot does. The
// spec must be a Supervisor's, should have passed Check, and belongs to the
// tree from then on.
func New(spec ChildSpec, opts Options) *Tree {
	t := &Tree{opts: opts, index: map[string]*node{}, seq: opts.Seq}
	t.root = t.newNode(&spec, nil)
	t.populate(t.root)
	return t
}

// Step hears events, in order, at time now, and does all that follows from
// them. Events of one Step are all heard before anything is done about the
// first: what happened together is seen together. The slices of the answer are
// the caller's.
func (t *Tree) Step(now Time, events ...Event) Output {
	t.now = now
	for _, e := range events {
		t.hear(e)
	}
	t.expire()
	t.settle()
	for t.admit() {
		t.settle()
	}
	return t.said()
}

// said is what the tree has said since it was asked last. Much of it is handed over as it
// is; of a little, which is the rule, the caller gets a copy that is no larger than it
// has to be, and the room for the next answer stays.
func (t *Tree) said() Output {
	return Output{Reports: handOver(&t.out.Reports), Actions: handOver(&t.out.Actions)}
}

// handOverMax is how many reports and actions a tree keeps room for.
const handOverMax = 64

func handOver[T any](list *[]T) []T {
	if cap(*list) > handOverMax {
		out := *list
		*list = nil
		return out
	}
	out := append([]T(nil), *list...)
	clear(*list)
	*list = (*list)[:0]
	return out
}

// hear puts one fact where it belongs: it answers the step that waits for it,
// or it is queued for the supervisor it concerns. After Halt only callers are
// answered.
func (t *Tree) hear(e Event) {
	switch e := e.(type) {
	case Called:
		t.call(e)
		return
	case ReloadDone:
		t.reloadDone(e)
		return
	}
	if t.ended != nil {
		return
	}
	switch e := e.(type) {
	case Boot:
		if t.root.state == Stopped && t.root.generation == 0 {
			seq := t.report(Report{Kind: DaemonStarted, Node: t.root.id()})
			t.startSupervisor(t.root, seq, false)
		}
	case Started:
		t.processStarted(e)
	case StartFailed:
		t.processFailed(e)
	case StartIgnored:
		t.processIgnored(e)
	case Ready:
		t.processReady(e)
	case NotReady:
		t.processHindered(e)
	case Checked:
		t.processChecked(e)
	case Unwell:
		t.processUnwell(e)
	case Extended:
		t.processExtended(e)
	case WatchdogSet:
		if n := t.incarnation(e.Ref); n != nil && n.heedsWatchdog(e) {
			n.watchdog = e.Span
		}
	case Exited:
		t.processExited(e)
	case Drawn:
		t.drawn(e)
	case HookDone:
		t.hookDone(e)
	case Resumed:
		t.resume()
	case Adopted:
		t.processAdopted(e)
	case Dropped:
		t.outputDropped(e)
	case Survives:
		t.processSurvives(e)
	}
}

// settle lets every supervisor work until all of them wait for the world.
func (t *Tree) settle() {
	for t.ran < len(t.runnable) {
		s := t.runnable[t.ran]
		t.runnable[t.ran], s.queued = nil, false
		t.ran++
		t.work(s)
	}
	t.runnable, t.ran = t.runnable[:0], 0
}

// wake puts a supervisor among those that settle looks at.
func (t *Tree) wake(s *node) {
	if !s.queued {
		s.queued = true
		t.runnable = append(t.runnable, s)
	}
}

// act and report append to what the present Step answers. A call that was answered
// before its work was done has the number 0 by then.
func (t *Tree) act(a Action) {
	if reply, ok := a.(Reply); !ok || reply.ID != 0 {
		t.out.Actions = append(t.out.Actions, a)
	}
}

func (t *Tree) report(r Report) uint64 {
	t.seq++
	r.Seq = t.seq
	t.out.Reports = append(t.out.Reports, r)
	return t.seq
}
