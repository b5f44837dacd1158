package tree

import (
	"cmp"
	"slices"
)

// call takes an operator's request: it is refused at once, answered at once, or
// queued for the supervisor that has to do it (section 13 of the supervisor's
// manual: start_child and its kin).
func (t *Tree) call(c Called) {
	t.lastCall = max(t.lastCall, c.ID)
	if t.ended != nil {
		t.act(Reply{ID: c.ID, Refusal: ShuttingDown})
		return
	}
	switch r := c.Request.(type) {
	case ShutdownTree:
		t.shutdownTree(c.ID, r)
	case Apply:
		t.changes = append(t.changes, c)
		t.nextChange()
		t.refuseHindered()
	case SignalChild:
		t.signalChild(c.ID, r)
	case FreezeChild:
		t.freezeChild(c.ID, r)
	case ReloadChild:
		t.reloadChild(c.ID, r)
	case TerminateChild:
		t.enqueue(c, r.Supervisor, r.ID, "stop")
	case RestartChild:
		t.enqueue(c, r.Supervisor, r.ID, "start")
	case CycleChild:
		t.enqueue(c, "", r.ID, cmp.Or(r.By, "restart"))
	case DeleteChild:
		if n := t.index[r.ID]; n != nil && n.isInstance() && !t.opts.OTP {
			c.Request = TerminateChild{Supervisor: r.Supervisor, ID: r.ID} // which forgets it
		}
		t.enqueue(c, r.Supervisor, r.ID, "delete-child")
	case StartChild:
		t.enqueue(c, r.Supervisor, r.Spec.ID, "start-child")
	case ChangeSupervisor:
		t.enqueue(c, r.ID, r.ID, "change")
	}
}

// enqueue gives a request to the supervisor it is for: the named one, else the
// one that has the child.
func (t *Tree) enqueue(c Called, supervisor, id, verb string) {
	s := t.index[supervisor]
	if supervisor == "" {
		n := t.index[id]
		switch {
		case n == nil:
			t.act(Reply{ID: c.ID, Refusal: NotFound})
			return
		case n.parent == nil:
			t.act(Reply{ID: c.ID, Refusal: IsRoot})
			return
		}
		s = n.parent
	}
	if s == nil || !s.isSupervisor() || !s.alive {
		t.act(Reply{ID: c.ID, Refusal: NoProc})
		return
	}
	if n := t.index[id]; n != nil && n.stuck != "" {
		t.act(Reply{ID: c.ID, Refusal: Unkillable, Cause: n.survivor()})
		return
	}
	cause := t.report(Report{Kind: ReqMade, Node: id, Request: verb})
	if _, stop := c.Request.(TerminateChild); stop && t.cutStart(s, t.index[id], c.ID, cause) {
		return
	}
	t.send(s, message{kind: called, call: c, cause: cause})
}

// cutStart lets the stop of a child overtake its start: the child is stopped,
// which is no failed start, and its supervisor goes on with the next.
func (t *Tree) cutStart(s, c *node, call, cause uint64) bool {
	st := s.head(c)
	if t.opts.OTP || c == nil || st == nil || st.verb != stepStart || !c.canBeCut() {
		return false
	}
	putOff := c.isPutOff()
	st.verb, st.call = stepStop, call
	if putOff {
		t.become(c, Stopped, t.report(Report{Kind: StopDone, Node: c.id(), Because: cause}))
		t.stepStopped(s)
		return true
	}
	t.beginStop(c, s.killing, cause)
	return true
}

// cutByQueued lets a stop that came before the program was executed cut its
// start short now.
func (t *Tree) cutByQueued(c *node) {
	s := c.parent
	s.inbox.takeStop(c.id(), func(m message) bool { return t.cutStart(s, c, m.call.ID, m.cause) })
}

// find is a child of s by name; nil: OTP does not know it.
func (t *Tree) find(s *node, id string) *node {
	c := t.index[id]
	if c == nil || c.parent != s || t.isForgotten(c) {
		return nil
	}
	return c
}

// isForgotten says that a node is only shown: OTP has dropped it.
func (t *Tree) isForgotten(c *node) bool {
	return c.parent.forgotten.has(c)
}

// serve carries out a request whose turn has come.
func (t *Tree) serve(s *node, m message) {
	reply := Reply{ID: m.call.ID}
	op := operation{call: m.call.ID, cause: m.cause}
	switch r := m.call.Request.(type) {
	case TerminateChild:
		reply.Refusal, reply.Already = t.terminateChild(s, r, op)
	case RestartChild:
		reply.Refusal = t.restartChild(s, r.ID, op)
	case CycleChild:
		reply.Refusal = t.cycleChild(s, r.ID, op)
	case DeleteChild:
		reply.Refusal = t.deleteChild(s, r.ID, m.cause)
	case StartChild:
		reply.Refusal, reply.Cause = t.startChild(s, r.Spec, op)
	case ChangeSupervisor:
		reply.Refusal, reply.Cause = t.changeSupervisor(s, r)
	}
	if s.op == nil { // else the end of the operation answers
		t.act(reply)
	}
}

// unknown is the refusal for a child that OTP does not know.
func (t *Tree) unknown(s *node, id string) Refusal {
	switch c := t.index[id]; {
	case s.simple():
		return IsSimple
	case c != nil && c.parent == s:
		return Forgotten
	}
	return NotFound
}

func (t *Tree) terminateChild(s *node, r TerminateChild, op operation) (Refusal, bool) {
	c := t.find(s, r.ID)
	switch {
	case c == nil && r.Generation != 0 && s.simple():
		return "", true // OTP: the pid of a process that is no more
	case c == nil:
		return t.unknown(s, r.ID), false
	case r.Generation != 0 && r.Generation != c.ran:
		return "", true
	}
	if c.present() {
		op.kind, op.child = opTerminate, c
		op.steps = []step{{verb: stepStop, child: c}}
		t.begin(s, op)
		return "", false
	}
	already := !c.pendingRestart()
	t.settleChild(s, c, op.cause)
	c.held = c.held || c.state == Stopped
	return "", already
}

// idle finds a child that neither runs nor is about to: one that restart_child
// and delete_child may have.
func (t *Tree) idle(s *node, id string) (*node, Refusal) {
	c := t.find(s, id)
	switch {
	case s.simple() && t.opts.OTP:
		return nil, IsSimple
	case c == nil:
		return nil, t.unknown(s, id)
	case c.present():
		return nil, Running
	case c.pendingRestart():
		return nil, IsRestarting
	}
	return c, ""
}

func (t *Tree) restartChild(s *node, id string, op operation) Refusal {
	c, refusal := t.idle(s, id)
	if c == nil {
		return refusal
	}
	c.level = 0
	op.kind, op.child = opStart, c
	op.steps = []step{{verb: stepStart, child: c}}
	t.begin(s, op)
	return ""
}

func (t *Tree) cycleChild(s *node, id string, op operation) Refusal {
	c := t.find(s, id)
	if c == nil {
		return t.unknown(s, id)
	}
	c.level = 0
	op.kind, op.child = opCycle, c
	op.steps = []step{{verb: stepPause, child: c}, {verb: stepStart, child: c}}
	t.begin(s, op)
	return ""
}

// answerStart tells how a start by hand ended.
func (t *Tree) answerStart(op *operation) {
	r := Reply{ID: op.call, Ignored: op.ignored}
	if op.cut {
		r.Refusal, r.Cause = FailedToStart, "it was stopped before it was ready"
	}
	t.act(r)
}

func (t *Tree) deleteChild(s *node, id string, cause uint64) Refusal {
	c, refusal := t.idle(s, id)
	if c != nil {
		s.children.remove(c)
		t.vanish(c, cause)
	}
	return refusal
}

// startChild adds a child: the last one of s, once it has started.
func (t *Tree) startChild(s *node, spec ChildSpec, op operation) (Refusal, string) {
	if s.simple() && s.template() == nil {
		return BadSpec, "the supervisor has no template"
	}
	if s.simple() {
		spec = *instance(s.template(), spec.ID, spec.Extra)
	} else if fault := invalid(s.spec.Flags, []ChildSpec{spec}); fault != nil {
		return BadSpec, fault.Text
	}
	if c := t.index[spec.ID]; c != nil {
		switch {
		case c.parent == s && t.isForgotten(c):
			t.unforget(c)
		case c.present():
			return AlreadyStarted, ""
		default:
			return AlreadyPresent, ""
		}
	}
	switch {
	case t.comes(spec.ID):
		return AlreadyPresent, ""
	case s.full():
		return MaxChildren, ""
	}
	op.kind, op.child = opAdd, t.newNode(&spec, s)
	op.cause = t.report(Report{Kind: ChildAdded, Node: spec.ID, Because: op.cause})
	op.steps = []step{{verb: stepStart, child: op.child}}
	t.begin(s, op)
	return "", ""
}

// unforget makes the name of a forgotten child free.
func (t *Tree) unforget(c *node) {
	c.parent.forgotten.remove(c)
	t.remove(c)
}

// added is the end of start_child: the child is one of s now, unless its start
// was ignored and nothing would be left of it, or was cut short.
func (t *Tree) added(s *node, op *operation) {
	c := op.child
	switch {
	case op.cut, op.ignored && (c.spec.Restart == Temporary || s.simple()):
		t.vanish(c, c.cause)
	default:
		s.children.append(c)
	}
	t.answerStart(op)
}

// changeSupervisor replaces flags and specs of a running supervisor and touches
// no process (supervisor.erl code_change/3, update_childspec/2).
func (t *Tree) changeSupervisor(s *node, r ChangeSupervisor) (Refusal, string) {
	if fault := invalid(r.Flags, r.Children); fault != nil {
		return BadSpec, fault.Text
	}
	if (r.Flags.Strategy == SimpleOneForOne) != s.simple() {
		return BadSpec, "a supervisor cannot become simple_one_for_one, or cease to be"
	}
	for _, spec := range r.Children {
		if c := t.index[spec.ID]; c != nil && (c.parent != s || c.spec.Type != spec.Type) {
			return BadSpec, spec.ID + " is another supervisor's, or of another kind"
		}
	}
	s.respec(r.Flags, slices.Clone(r.Children))
	switch {
	case !s.simple():
		t.reorder(s, s.spec.Children)
	case s.template() != nil:
		s.retemplate()
	}
	t.restate(s)
	return "", ""
}

// reorder gives s the children of specs, in their order: known ones go on with
// the new spec, new ones are not started. Children that specs lacks are kept
// behind them, in their old order.
func (t *Tree) reorder(s *node, specs []ChildSpec) {
	listed := make(map[*node]bool, len(specs))
	var list []*node
	for i := range specs {
		c := t.find(s, specs[i].ID)
		if c == nil {
			if old := t.index[specs[i].ID]; old != nil {
				t.unforget(old)
			}
			c = t.newNode(&specs[i], s)
			if c.isSupervisor() {
				t.populate(c)
			}
		} else {
			c.takeSpec(&specs[i])
			specs[i] = *c.spec
		}
		listed[c] = true
		list = append(list, c)
	}
	for c := range s.children.all() {
		if !listed[c] {
			list = append(list, c)
		}
	}
	s.children.set(list)
}

// takeSpec replaces what a supervisor knows of a child. What is below a child
// supervisor is its own matter.
func (n *node) takeSpec(spec *ChildSpec) {
	if n.isSupervisor() {
		own := *spec
		own.Flags, own.Children = n.spec.Flags, n.spec.Children
		spec = &own
	}
	if n.spec.Health != spec.Health && !n.ailing {
		n.fitness = fitness{} // what was counted was counted by other rules
	}
	n.remain(spec)
	n.wanted(spec)
}

// respec gives a supervisor other settings and another list of children.
func (s *node) respec(flags Flags, children []ChildSpec) {
	spec := *s.spec
	spec.Flags, spec.Children = flags, children
	s.spec = &spec
}

// restate writes the spec of s into its parent's static spec, so that a new
// incarnation of the parent begins with it. Where an Apply has a later spec for
// the supervisor, the parent has that one already. Lists are shared with other
// specs and so never written to.
func (t *Tree) restate(s *node) {
	for p := s.parent; p != nil && s.pending == nil; s, p = p, p.parent {
		children := slices.Clone(p.spec.Children)
		for i := range children {
			if children[i].ID == s.id() {
				children[i] = *s.spec
			}
		}
		p.respec(p.spec.Flags, children)
	}
}

// process is the process that runs under a name, for a call that is about it; nil, and
// the call is refused: there is none, or it cannot be killed any more.
func (t *Tree) process(call uint64, id string) *node {
	n := t.index[id]
	switch {
	case n == nil:
		t.act(Reply{ID: call, Refusal: NotFound})
	case n.isSupervisor():
		t.act(Reply{ID: call, Refusal: NotProcess})
	case n.stuck != "":
		t.act(Reply{ID: call, Refusal: Unkillable, Cause: n.survivor()})
	case !n.runs():
		t.act(Reply{ID: call, Refusal: NotRunning})
	default:
		return n
	}
	return nil
}

// signalChild passes a signal on. It changes nothing: what follows is an end
// nobody asked for.
func (t *Tree) signalChild(call uint64, r SignalChild) {
	n := t.process(call, r.ID)
	if n == nil {
		return
	}
	n.signalled = t.report(Report{Kind: ReqMade, Node: r.ID, PID: n.pid, Request: "kill " + r.Signal})
	t.act(Signal{Ref: n.ref(), Signal: r.Signal, All: r.All})
	t.act(Reply{ID: call})
}

// shutdownTree asks the root to end. Who asks is answered when all is gone.
func (t *Tree) shutdownTree(call uint64, r ShutdownTree) {
	t.waiting = append(t.waiting, call)
	if t.shutdown == nil {
		t.shutdown = &r
		cause := t.report(Report{Kind: DaemonStopping, Node: t.root.id(), Request: r.By})
		if !t.beginStop(t.root, r.Kill, cause) {
			t.halt(Halt{Reason: HaltShutdown}) // it was never started
		}
		return
	}
	if r.Kill {
		t.kill(t.root)
	}
}
