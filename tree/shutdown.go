package tree

// beginStop begins to stop a child and says whether there is anything to wait
// for. Brutal stops grant no time. A child that has died already, unheard, is
// found dead: its end has no other effect (OTP: unlink_flush).
func (t *Tree) beginStop(c *node, brutal bool, because uint64) bool {
	switch {
	case c.state == Stopping:
		c.stoppedAfter(t.now)
		c.overdue, c.ailing, c.asked = false, false, true
		if brutal {
			t.kill(c)
		}
		return true
	case c.state == Up && !c.alive:
		t.become(c, Stopped, c.end.seq)
		return false
	case !c.present():
		return false
	}
	c.stoppedAfter(t.now)
	seq := t.report(Report{Kind: StopBegun, Node: c.id(), PID: c.pid, Because: because})
	t.become(c, Stopping, seq)
	c.asked = true
	t.requestStop(c, brutal)
	return true
}

// requestStop sends the stop request to a child that is Stopping and sets the
// time it has (supervisor.erl shutdown/1).
func (t *Tree) requestStop(c *node, brutal bool) {
	if c.left != nil && !brutal {
		return // it has ended, and the command after its end has a time of its own
	}
	brutal = brutal || c.spec.Shutdown.Brutal && c.parent != nil || c.stuck != ""
	switch {
	case brutal:
		t.kill(c)
		return
	case c.isSupervisor():
		t.send(c, message{kind: parentStop, cause: c.cause})
	default:
		t.thaw(c)
		t.act(Stop{c.ref()})
	}
	if c.parent != nil {
		t.after(c, c.spec.Shutdown.Timeout)
	}
}

// kill ends a child that is Stopping without grace; a supervisor with all that
// is below it, in no order.
func (t *Tree) kill(n *node) {
	if n.killing {
		return
	}
	t.setDeadline(n, 0)
	n.killing = true
	if !n.isSupervisor() {
		n.frozen = false // that does not keep it from being killed
		t.act(Kill{n.ref()})
		if !t.opts.OTP && n.left == nil && n.stuck == "" {
			t.after(n, killPatience)
		}
		return
	}
	if n.op == nil || n.op.kind != opEnd {
		t.abandon(n)
		t.beginEnd(n, operation{reason: endAsked, cause: n.cause})
		return
	}
	t.stopTogether(n)
}

// stopTogether begins the stops of all children of a supervisor that ends: of
// one that is being killed, and of one whose children are instances of a
// template, which have no order.
func (t *Tree) stopTogether(s *node) {
	for c := range s.children.backward() {
		t.beginStop(c, s.killing, s.op.cause)
	}
}

// beginEnd begins the end of a supervisor: its children are stopped in reverse
// order, then it is gone (supervisor.erl terminate/2).
func (t *Tree) beginEnd(s *node, op operation) {
	op.kind = opEnd
	if s.state != Stopping && op.reason != endInitFailed {
		child := ""
		if op.reason == endAuto {
			child = op.by
		}
		op.cause = t.report(Report{Kind: StopBegun, Node: s.id(), Child: child, Because: op.cause})
		t.become(s, Stopping, op.cause)
	}
	for c := range s.children.backward() {
		c.turn = len(op.steps)
		op.steps = append(op.steps, step{verb: stepStop, child: c})
	}
	t.begin(s, op)
	t.leaveBehind()
	if s.killing || s.simple() {
		t.stopTogether(s)
	}
}

// processStopped: a process that was asked to stop is gone; nil: there was none. One
// that had ended by itself is gone by that end.
func (t *Tree) processStopped(n *node, l *left) {
	r := Report{Kind: StopDone, Node: n.id(), Because: n.cause}
	if l != nil && !n.told() {
		r.PID, r.Exit = l.pid, &l.exit
		n.lastEnd = &End{Reason: EndStopped, Exit: r.Exit, At: l.at}
	}
	seq := t.report(r)
	n.end = ending{seq: seq, normal: true, blame: blame{n.id(), r.Exit}}
	t.become(n, Stopped, seq)
	t.stopAnswered(n)
}

// stopAnswered completes the stop step of the supervisor above, if it has come
// to this child already.
func (t *Tree) stopAnswered(n *node) {
	if n.parent.head(n) != nil {
		t.stepStopped(n.parent)
	}
}

// supervisorGone: a supervisor has stopped all its children and ends.
func (t *Tree) supervisorGone(s *node, op *operation) {
	s.alive, s.window = false, nil
	t.refuseInbox(s)
	if op.reason == endInitFailed && !s.asked {
		t.startFailed(s, op.blame, Report{Child: op.by, Cause: op.by + " did not start: " + op.why})
		return
	}
	seq := t.report(Report{Kind: StopDone, Node: s.id(), Because: s.cause})
	s.end = ending{seq: seq, normal: true, gaveUp: op.reason == endGaveUp, blame: op.blame}
	if exit := op.blame.exit; s.end.gaveUp && exit != nil && *exit == (Exit{}) {
		s.end.blame.exit = nil // giving up is no success, even over a child that ends with 0
	}
	switch {
	case s.parent == nil:
		t.become(s, Stopped, seq)
		t.haltFor(s, op)
	case s.asked:
		t.become(s, Stopped, seq)
		t.stopAnswered(s)
	default:
		t.become(s, Up, seq) // and not alive: its supervisor has not heard of it
		t.send(s.parent, message{kind: childExit, child: s, generation: s.generation})
	}
}

// refuseInbox answers who waits for a supervisor that has ended.
func (t *Tree) refuseInbox(s *node) {
	for _, m := range s.inbox.take() {
		switch m.kind {
		case called:
			t.act(Reply{ID: m.call.ID, Refusal: NoProc})
		case apply:
			if s.leaves() {
				t.refuseChanges()
				continue
			}
			t.changeAtRest(s)
			t.changed(s)
		}
	}
}

// haltFor ends the tree with the reason of its root's end. A shutdown that was
// asked for is the reason whatever else came between.
func (t *Tree) haltFor(root *node, op *operation) {
	h := Halt{Limit: root.spec.Flags, Child: op.by, Process: op.blame.process, Exit: op.blame.exit}
	switch {
	case t.shutdown != nil:
		h = Halt{Reason: HaltShutdown}
	case op.reason == endGaveUp:
		h.Reason = HaltGaveUp
		t.fail(root, root.cause)
	case op.reason == endAuto:
		h.Reason = HaltAutoShutdown
	}
	t.halt(h)
}

// halt is the last thing a tree does.
func (t *Tree) halt(h Halt) {
	h.Left = t.survivors()
	t.ended = &h
	t.runnable, t.ran, t.budget = nil, 0, budget{}
	t.timers.drop()
	t.refuseChanges()
	for _, id := range t.waiting {
		reply := Reply{ID: id}
		if h.Left != "" {
			reply.Refusal, reply.Cause = Unkillable, h.Left
		}
		t.act(reply)
	}
	t.waiting = nil
	t.act(h)
}
