package tree

import "fmt"

// start begins the start of a child, as a step of its supervisor.
func (t *Tree) start(c *node, because uint64, counted bool) {
	if c.isSupervisor() {
		t.startSupervisor(c, because, counted)
		return
	}
	seq := t.report(Report{Kind: StartBegun, Node: c.id(), Because: because})
	t.becomeStarting(c, seq)
	c.counted = counted
	if c.spec.Ready != AtExec && c.spec.StartTimeout > 0 {
		span := c.spec.StartTimeout
		if c.tries > 0 {
			span -= t.now - c.tried
		}
		t.after(c, span)
	}
	t.act(Start{Ref: c.ref(), Spec: c.spec})
}

// startSupervisor begins a new incarnation of a supervisor: its static spec, an
// empty restart window, and its children one after the other (supervisor.erl
// init/1, start_children/2).
func (t *Tree) startSupervisor(s *node, because uint64, counted bool) {
	seq := t.report(Report{Kind: StartBegun, Node: s.id(), Because: because})
	t.becomeStarting(s, seq)
	s.alive, s.counted = true, counted
	if counted {
		s.restarts++
	}
	s.window, s.inbox = nil, inbox{}
	if s.pending != nil {
		s.spec, s.pending = s.pending, nil
	}
	t.populate(s)
	if fault := invalid(s.spec.Flags, s.spec.Children); fault != nil {
		s.alive = false
		t.startFailed(s, blame{}, Report{Cause: fmt.Sprintf("%s: %s", fault.ID, fault.Text)})
		return
	}
	op := operation{kind: opBoot, cause: seq, counted: counted}
	for c := range s.children.all() {
		op.steps = append(op.steps, step{verb: stepStart, child: c})
	}
	t.begin(s, op)
}

// incarnation finds the process that ref names; nil when it is another
// incarnation's by now, or nobody's.
func (t *Tree) incarnation(ref Ref) *node {
	n := t.index[ref.ID]
	if n == nil || n.isSupervisor() || n.generation != ref.Generation {
		return nil
	}
	return n
}

// processStarted: the program was executed.
func (t *Tree) processStarted(e Started) {
	n := t.incarnation(e.Ref)
	if n == nil || n.alive || n.state != Starting && n.state != Stopping {
		return
	}
	n.alive, n.pid, n.ran = true, e.PID, n.generation
	if n.counted {
		n.restarts++
	}
	switch {
	case n.state != Starting:
	case n.spec.Ready == AtExec:
		t.startDone(n)
	default:
		t.wake(n.parent) // which may have been asked to stop meanwhile
		t.cutByQueued(n)
	}
}

// processReady: a process that says so itself, or a probe, completes a start.
func (t *Tree) processReady(e Ready) {
	n := t.incarnation(e.Ref)
	if n == nil || !n.runs() || n.stuck != "" || n.state != Starting || n.spec.Ready != AtNotice {
		return
	}
	n.cause = t.report(Report{Kind: BecameReady, Node: n.id(), PID: n.pid, Because: n.cause})
	t.startDone(n)
}

// processFailed: there is no process.
func (t *Tree) processFailed(e StartFailed) {
	n := t.incarnation(e.Ref)
	switch {
	case n == nil || n.alive:
	case n.state == Starting && e.Shortage && t.putOff(n, e.Cause):
	case n.state == Starting:
		t.startFailed(n, blame{process: n.id()}, Report{Cause: e.Cause})
	case n.state == Stopping && n.overdue:
		n.overdue = false
		t.startFailed(n, blame{process: n.id()}, Report{Cause: n.lateness() + ": " + e.Cause})
	case n.state == Stopping:
		t.processStopped(n, nil)
	}
}

// processIgnored: the child need not run.
func (t *Tree) processIgnored(e StartIgnored) {
	n := t.incarnation(e.Ref)
	switch {
	case n == nil || n.alive:
	case n.state == Starting:
		t.become(n, Stopped, t.report(Report{Kind: StopDone, Node: n.id(), Because: n.cause}))
		if n.startAwaited() {
			t.stepIgnored(n.parent, n)
		}
	case n.state == Stopping:
		t.processStopped(n, nil)
	}
}

// startDone completes a start, and with it the step of the supervisor above.
func (t *Tree) startDone(n *node) {
	seq := t.report(Report{Kind: StartDone, Node: n.id(), PID: n.pid, Because: n.cause})
	t.become(n, Up, seq)
	n.upAt, n.trouble = t.now, ""
	if n.startAwaited() {
		t.advance(n.parent)
	}
}

// startAwaited says that the supervisor above waits for this start. One that was
// asked to stop does not any more: it may be stopping a later sibling already,
// and will come to this child in its turn.
func (n *node) startAwaited() bool {
	st := n.parent.head(n)
	return st != nil && st.verb == stepStart
}

// startFailed ends a start that did not complete. r has what is to be told
// beside the usual.
func (t *Tree) startFailed(n *node, by blame, r Report) {
	r.Kind, r.Node, r.Because = StartFailure, n.id(), n.cause
	if !n.isSupervisor() {
		r.Exit = by.exit
	}
	seq := t.report(r)
	n.end = ending{seq: seq, blame: by}
	if !n.isSupervisor() {
		n.lastEnd = &End{Reason: EndStartFailed, Exit: by.exit, At: t.now}
	}
	t.become(n, Stopped, seq)
	if n.parent == nil {
		t.halt(Halt{Reason: HaltStartFailed, Child: r.Child, Cause: r.Cause, Process: by.process, Exit: by.exit})
		return
	}
	if n.startAwaited() {
		t.stepFailed(n.parent, n, r.Cause)
	}
}

// lateness says why an overdue start has failed.
func (n *node) lateness() string {
	text := "not ready within its start timeout of " + n.spec.StartTimeout.String()
	if n.trouble != "" {
		text += ": " + n.trouble
	}
	return text
}

// startOverdue stops a process that did not become ready in time. Its start has
// failed when it is gone.
func (t *Tree) startOverdue(n *node) {
	seq := t.report(Report{Kind: StopBegun, Node: n.id(), PID: n.pid, Because: n.cause, Cause: "its start timeout of " + n.spec.StartTimeout.String() + " has passed"})
	t.become(n, Stopping, seq)
	n.overdue = true
	t.requestStop(n, false)
}
