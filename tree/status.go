package tree

import (
	"cmp"
	"slices"
)

// State is what a node is doing. The values are the words that status shows.
type State string

// The states of a node. OTP's undefined is Stopped, Finished or Failed here,
// its restarting is Restarting or BackingOff, its pid the other three.
const (
	// Stopped: not running, and no end of its own is the reason: an operator's
	// stop, an interrupted sweep, a start by hand that failed.
	Stopped State = "stopped"
	// Starting: the start was asked for and is not complete.
	Starting State = "starting"
	// Up: the start is complete.
	Up State = "running"
	// Stopping: the stop was asked for and something is left of it.
	Stopping State = "stopping"
	// Restarting: a restart failed to start and is tried again.
	Restarting State = "restarting"
	// BackingOff: its restart waits for the backoff to pass or for its turn, or its start, the
	// first one too, for what the system lacks.
	BackingOff State = "backoff"
	// Finished: it ended and its restart type keeps it so.
	Finished State = "finished"
	// Failed: a supervisor that gave up and was not restarted, or its child.
	Failed State = "failed"
)

// States that only Status tells, of a process that is Up, and of one that is Starting, Up
// or Stopping.
const (
	// IsFrozen: it is stopped from running, see FreezeChild.
	IsFrozen State = "frozen"
	// IsUnkillable: it was killed, or its main process has ended by itself, and something
	// of it is left that cannot be killed.
	IsUnkillable State = "unkillable"
)

// EndReason says how an incarnation ended; the words are last_exit's.
type EndReason string

// The reasons of an End.
const (
	EndExit        EndReason = "exit"         // it exited by itself
	EndSignal      EndReason = "signal"       // a signal that is not ours killed it
	EndStartFailed EndReason = "start_failed" // it did not start
	EndStopped     EndReason = "stopped"      // it was stopped
	EndUnhealthy   EndReason = "unhealthy"    // it was stopped because it was unhealthy
	EndLost        EndReason = "lost"         // it ended by itself, and nobody saw how
)

// End is the last end of a process.
type End struct {
	Reason EndReason
	// Exit is nil when there was no process: exec failed.
	Exit *Exit
	At   Time
}

// Status is a snapshot of one node and of those below it. It shares nothing
// with the tree but Spec, which nobody changes.
type Status struct {
	Spec *ChildSpec // without its Children
	// Begun is the Start with which the present incarnation was started. It is that of
	// Spec, unless that has changed meanwhile.
	Begun any
	State State
	// PID is the main process of a process that runs, else 0.
	PID int
	// Generation is that of the present or last incarnation, 0 before the first.
	Generation Generation
	// Restarts counts the incarnations its supervisor began by itself.
	Restarts int
	// Since is when State was entered.
	Since Time
	// Until is when a backoff, a start timeout or a shutdown timeout ends, else 0.
	Until Time
	// Waits says in words what a node that is BackingOff waits for beside the delay
	// of its own Backoff, what its supervisor is busy with while a node is Restarting, and
	// what that one, or a supervisor, waits for that cannot be killed.
	Waits string
	// Place is where it stands in the queue of restarts that the root's Rate holds up:
	// 1 is the first; 0: it is not there. Until is then when its turn comes if nobody
	// leaves the queue.
	Place int
	// Adopted says that this incarnation was started for an earlier runtime.
	Adopted bool
	// LastEnd is nil before the first end. Processes only.
	LastEnd *End
	// Held says that an operator stopped it: the next sweep over it, or a new
	// incarnation of its supervisor, starts it again.
	Held bool
	// Health is what is known of a process's health; Unchecked while nothing is.
	Health Condition
	// Watchdog is the span in which the present incarnation wants to say that it is
	// well; 0: it has not said.
	Watchdog Time
	// Trouble is what keeps a process from being ready or well, or what is left of one that
	// cannot be killed, in words.
	Trouble string
	// Cause is the Seq of the report behind State.
	Cause uint64
	// Template is the ID of the template that it was made of; empty: of none.
	Template string
	Children []Status
}

// Counts is the answer of supervisor:count_children/1.
type Counts struct{ Specs, Active, Supervisors, Workers int }

// Status is a snapshot of the whole tree. A child that StartChild is starting is
// shown as the last one of its supervisor, which it may become.
func (t *Tree) Status() Status { return t.root.status(true, t.places()) }

// Node is a snapshot of one node without its children; false: no such name.
func (t *Tree) Node(id string) (Status, bool) {
	n := t.index[id]
	if n == nil {
		return Status{}, false
	}
	var places map[*node]place
	if n.queues {
		places = t.places()
	}
	return n.status(false, places), true
}

// WhichChildren is supervisor:which_children/1 in start order: what OTP knows,
// without what it has forgotten. false: no such supervisor runs.
func (t *Tree) WhichChildren(id string) ([]Status, bool) {
	s := t.index[id]
	if s == nil || !s.isSupervisor() || !s.alive {
		return nil, false
	}
	list := make([]Status, 0, s.children.size)
	for c := range s.children.all() {
		list = append(list, c.status(false, nil))
	}
	return list, true
}

// CountChildren is supervisor:count_children/1; false: no such supervisor runs.
func (t *Tree) CountChildren(id string) (Counts, bool) {
	s := t.index[id]
	if s == nil || !s.isSupervisor() || !s.alive {
		return Counts{}, false
	}
	n := Counts{Specs: s.children.size}
	if s.simple() {
		n.Specs = 1
	}
	for c := range s.children.all() {
		if c.present() {
			n.Active++
		}
		if c.isSupervisor() {
			n.Supervisors++
		} else {
			n.Workers++
		}
	}
	return n, true
}

// status has for those who wait in the queue what places says of them.
func (n *node) status(deep bool, places map[*node]place) Status {
	s := Status{
		Spec: n.bare(), Begun: n.asBegun().Start, Watchdog: n.watchdog, State: n.shown(), PID: n.pid, Generation: n.generation,
		Restarts: n.restarts, Since: n.since, Until: n.deadline, Waits: cmp.Or(n.waits, n.waitsForEnd(), n.waitsForTurn()),
		Held: n.held, Cause: n.cause, Adopted: n.adopted,
	}
	if n.alive {
		s.Health, s.Trouble = n.condition, cmp.Or(n.stuck, n.trouble)
	}
	if at, ok := places[n]; ok {
		s.Place, s.Until = at.number, at.until
	}
	if n.lastEnd != nil {
		end := *n.lastEnd
		s.LastEnd = &end
		if n.state == Up && !n.runs() { // its supervisor has not come to that yet
			s.Since, s.Cause = end.At, cmp.Or(n.end.seq, s.Cause)
		}
	}
	if n.isInstance() {
		s.Template = n.parent.template().ID
	}
	if deep {
		list := n.listed()
		s.Children = slices.Grow(s.Children, len(list)+1)
		for _, c := range list {
			s.Children = append(s.Children, c.status(true, places))
		}
		if n.op != nil && n.op.kind == opAdd {
			s.Children = append(s.Children, n.op.child.status(true, places))
		}
	}
	return s
}

// bare is the spec of n without its Children.
func (n *node) bare() *ChildSpec {
	if n.spec.Children == nil {
		return n.spec
	}
	spec := *n.spec
	spec.Children = nil
	return &spec
}

// shown is the state to tell. A node that has died while its supervisor was
// busy is told as what its supervisor is going to do about it.
func (n *node) shown() State {
	switch {
	case n.stuck != "":
		return IsUnkillable
	case n.frozen && n.state == Up:
		return IsFrozen
	case n.state != Up || n.runs():
		return n.state
	}
	if n.spec.Restart == Permanent || n.spec.Restart == Transient && !n.end.normal {
		return Restarting
	}
	return Finished
}

// waitsForTurn says in words what the supervisor of n is busy with, which is to be restarted
// after that: a supervisor does one thing after the other.
func (n *node) waitsForTurn() string {
	s := n.parent
	if s == nil || s.op == nil || !s.op.issued || n.shown() != Restarting {
		return ""
	}
	switch step := s.op.steps[s.op.next]; {
	case step.child == nil || step.child == n:
		return ""
	case step.verb == stepStart:
		return "the start of " + step.child.id()
	default:
		return "the end of " + step.child.id()
	}
}

// listed are the children to show: forgotten ones in their place in the tree
// file.
func (n *node) listed() []*node {
	if n.forgotten.size == 0 {
		return n.children.slice()
	}
	place := make(map[string]int, len(n.spec.Children))
	for i := range n.spec.Children {
		place[n.spec.Children[i].ID] = i + 1
	}
	list := append(n.forgotten.slice(), n.children.slice()...)
	slices.SortStableFunc(list, func(a, b *node) int {
		pa, pb := place[a.id()], place[b.id()]
		switch {
		case pa == 0 && pb == 0:
			return 0
		case pa == 0:
			return 1
		case pb == 0:
			return -1
		}
		return cmp.Compare(pa, pb)
	})
	return list
}

// LastGeneration is the highest generation that was given out.
func (t *Tree) LastGeneration() Generation { return t.gen }

// Ending says that the tree was asked to stop.
func (t *Tree) Ending() bool { return t.shutdown != nil }
