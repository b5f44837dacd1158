package tree

import "fmt"

// sound finds what no tree could have come to. It is what every Step relies on
// and leaves behind: a supervisor that has ended has nothing below it that is
// left, a supervisor that works waits for a child that owes it an answer, and
// whatever is to happen later is in an inbox, in steps or in the queue of
// deadlines.
func (t *Tree) sound() error {
	a := auditor{tree: t, news: map[news]bool{}}
	t.each(a.hear)
	a.root(t.root)
	t.each(func(n *node) {
		a.spec(n.spec)
		a.node(n)
		if n.isSupervisor() {
			a.supervisor(n)
		} else {
			a.process(n)
		}
	})
	a.change()
	return a.err
}

// auditor keeps the first fault.
type auditor struct {
	tree *Tree
	news map[news]bool // of children, that waits in inboxes
	// changing counts who has a part of an Apply to do.
	changing int
	err      error
}

// want fails if what must hold does not.
func (a *auditor) want(holds bool, n *node, format string, args ...any) {
	if !holds && a.err == nil {
		a.err = fmt.Errorf("%s "+format, append([]any{n.id()}, args...)...)
	}
}

func (a *auditor) root(n *node) {
	t := a.tree
	a.want(n.isSupervisor(), n, "is the root and no supervisor")
	a.want(n.alive || n.state == Stopped || n.state == Failed, n, "is the root and %s", n.state)
	a.want(n.deadline == 0, n, "is the root and has a deadline")
	a.want(n.spec.Rate.valid() && (n.pending == nil || n.pending.Rate.valid()), n, "has the restart rate %v", n.spec.Rate)
	switch {
	case t.ended != nil:
		a.want(!n.alive && t.change == nil && len(t.changes) == 0, n, "has ended and goes on")
	case !n.alive:
		a.want(n.generation == 0 && t.shutdown == nil, n, "has ended, and there was no end")
	case t.shutdown != nil:
		a.want(n.asked && (n.state == Stopping || a.will(n, parentStop, nil)), n, "was asked to end and does not")
	}
	a.want(t.shutdown != nil || len(t.waiting) == 0, n, "does not end, and %v wait for it", t.waiting)
	a.want(t.opts.Seq <= t.seq, n, "has no report before %d and is at %d", t.opts.Seq, t.seq)
}

// spec wants a node's spec to be one with which it can be started: a supervisor
// with infinite intensity would try in vain for ever.
func (a *auditor) spec(s *ChildSpec) {
	var fault *Fault
	if s.Type == Supervisor {
		fault = invalid(s.Flags, s.Children)
	}
	ok := s.ID != "" && s.Type <= Supervisor && s.Restart <= Temporary && s.Ready <= AtExit && fault == nil
	if !ok && a.err == nil {
		a.err = fmt.Errorf("the spec of %s is wrong: %v", s.ID, fault)
	}
}

// node is what holds for both.
func (a *auditor) node(n *node) {
	state := any(n.state) // made once for all that could be told with it
	switch n.state {
	case Starting, Up, Stopping:
		a.want(n.generation > 0, n, "is %s and was never started", state)
	case Stopped, Restarting, BackingOff, Finished, Failed:
		a.want(!n.alive, n, "is %s and alive", state)
	default:
		a.want(false, n, "is %q, which is no state", state)
	}
	a.want(n.chosen == nil || *n.chosen < SimpleOneForOne && (n.parent == nil || !n.parent.simple()), n, "has chosen a strategy that is none")
	a.want(n.generation <= a.tree.gen, n, "has the generation %d of %d", n.generation, a.tree.gen)
	a.want(n.cause <= a.tree.seq, n, "has the cause %d of %d", n.cause, a.tree.seq)
	a.want(!n.killing || !n.present() || n.state == Stopping, n, "is killed and %s", state)
	a.want(n.stuck == "" || n.runs() && n.deadline == 0 && !n.frozen && !n.isSupervisor() && n.killing == (n.state == Stopping), n, "cannot be killed and is %s", state)
	a.want(!n.frozen || n.alive && n.state != Stopping, n, "is frozen and %s", state)
	a.want(!n.overdue || n.state == Stopping || n.state == Stopped || n.state == Finished || n.state == Failed, n, "is overdue and %s", state)
	a.want(!n.ailing || n.state == Stopping && n.alive && !n.asked && !n.overdue && !n.isSupervisor(), n, "is ailing and %s", state)
	a.want(n.undrawn == 0 || n.undrawn > 0 && n.state == BackingOff && !n.isSupervisor(), n, "is %s and has a delay of %d to draw", n.state, n.undrawn)
	a.deadline(n)
	if s := n.parent; s != nil {
		a.child(s, n)
	}
}

func (a *auditor) deadline(n *node) {
	switch {
	case n.deadline < 0:
		a.want(false, n, "has the deadline %d", n.deadline)
	case n.deadline > 0:
		a.want(n.state == BackingOff || n.state == Stopping || n.state == Starting && !n.isSupervisor(), n, "has a deadline and is %s", n.state)
	case n.state == BackingOff && (n.undrawn > 0 || n.queues):
	case n.state == BackingOff:
		a.want(n.parent != nil && a.will(n.parent, resume, n), n, "waits for a backoff that does not pass")
	}
}

// news is a message about a child. A restart is tried again whatever the generation.
type news struct {
	kind       messageKind
	supervisor *node
	child      *node
	generation Generation
}

// hear notes what waits in the inbox of s.
func (a *auditor) hear(s *node) {
	for _, m := range s.inbox.left() {
		n := news{m.kind, s, m.child, m.generation}
		if m.child == nil || m.kind == tryAgain {
			n.generation = 0
		}
		a.news[n] = true
	}
}

// will says whether news of c, as it is now, waits in the inbox of s; nil for news
// of no child.
func (a *auditor) will(s *node, kind messageKind, c *node) bool {
	n := news{kind: kind, supervisor: s, child: c}
	if c != nil && kind != tryAgain {
		n.generation = c.generation
	}
	return a.news[n]
}

// child is what holds for c because of the supervisor that it has.
func (a *auditor) child(s, c *node) {
	if !s.children.has(c) && !s.adds(c) {
		a.want(c.state == Finished || c.state == Failed, c, "is forgotten and %s", c.state)
		return
	}
	if !s.alive {
		a.want(!c.present() && !c.pendingRestart() || c.stuck != "", c, "is %s below %s, which has ended", c.state, s.id())
		return
	}
	switch c.state {
	case Up:
		a.want(c.alive || a.will(s, childExit, c), c, "has died, and nobody will hear of it")
	case Starting:
		a.want(s.head(c) != nil && s.head(c).verb == stepStart || s.ends(c), c, "starts by itself")
	case Stopping:
		a.want(c.stuck != "" || s.head(c) != nil || s.ends(c) || c.isSupervisor() && !c.asked || c.ailing, c, "stops by itself")
	case Restarting:
		op := s.op
		a.want(op != nil && op.kind == opRestart && op.child == c || a.will(s, tryAgain, c) || s.ends(c), c, "waits for a restart, and none comes")
	}
}

func (s *node) adds(c *node) bool { return s.op != nil && s.op.kind == opAdd && s.op.child == c }

// ends says whether s is about to end and has c still to stop.
func (s *node) ends(c *node) bool {
	if s.op == nil || s.op.kind != opEnd {
		return false
	}
	return s.op.stops(c)
}

func (a *auditor) process(n *node) {
	if n.left != nil {
		a.want(n.alive && n.pid == 0 && n.deadline == 0, n, "has ended and goes on")
		a.want(n.state != Up || n.told(), n, "has ended by itself, and that was not told")
	}
}

func (a *auditor) supervisor(s *node) {
	a.want(s.alive || s.op == nil && s.inbox.len() == 0, s, "has ended and goes on")
	a.want(s.left == nil, s, "is a supervisor and has what a process has")
	a.want(!s.alive || s.state == Up || s.op != nil, s, "is %s and does nothing", s.state)
	a.want(s.op != nil || s.inbox.len() == 0, s, "does nothing and has something to hear")
	a.want(!s.killing || !s.alive || s.op != nil && s.op.kind == opEnd, s, "is killed and does not end")
	if s.pending != nil {
		a.want(s.pending.Type == Supervisor && s.pending.ID == s.id(), s, "is to become %s", s.pending.ID)
		a.spec(s.pending)
	}
	for _, m := range s.inbox.left() {
		a.message(s, m)
	}
	if s.op != nil {
		a.operation(s, s.op)
	}
}

func (a *auditor) message(s *node, m message) {
	switch m.kind {
	case childExit, tryAgain, resume, startAgain:
		a.want(m.child != nil && m.child.parent == s, s, "is to hear of a child that is not its own")
	case called:
		_, wrong := m.call.Request.(Apply)
		a.want(!wrong, s, "is asked for an Apply, which is for the tree")
	case apply:
		a.part(s)
	}
}

// part counts who has a part of an Apply to do: the one that is at it.
func (a *auditor) part(s *node) {
	a.changing++
	a.want(a.tree.change != nil && a.tree.change.at.supervisor == s.id(), s, "changes, and there is no change")
}

func (a *auditor) change() {
	busy := 0
	if a.tree.change != nil {
		busy = 1
	}
	a.want(a.changing == busy, a.tree.root, "has a change that %d supervisors work at", a.changing)
}

// operation is what holds for the one that s is in the middle of.
func (a *auditor) operation(s *node, op *operation) {
	switch op.kind {
	case opBoot:
		a.want(s.state != Up, s, "has started and starts")
	case opEnd:
		a.want(s.state == Stopping || s.state == Starting && op.reason == endInitFailed, s, "is %s and ends", s.state)
		for c := range s.children.all() {
			a.want(!c.present() || s.ends(c) || c.stuck != "", s, "ends and leaves %s", c.id())
		}
	default:
		a.want(s.state != Starting, s, "is starting and has another thing to do")
	}
	about := op.kind != opBoot && op.kind != opEnd && op.kind != opChange
	a.want(about == (op.child != nil), s, "does %s, and it is not about one child", opWords[op.kind])
	a.want(!about || op.child == nil || op.kind == opAdd || a.own(s, op.child) || op.kind == opRestart && op.child.parent == s, s, "works on a child that is not its own")
	if op.kind == opChange {
		a.part(s)
	}
	a.steps(s, op)
}

func (a *auditor) own(s, c *node) bool { return c != nil && c.parent == s && s.children.has(c) }

// steps are those that op can have left: of one kind after the other, none for
// one child twice but its start after its pause.
func (a *auditor) steps(s *node, op *operation) {
	seen := map[*node]stepVerb{}
	for i, st := range op.steps {
		switch {
		case st.verb == stepAdopt:
			a.want(op.kind == opChange && st.child == nil && s.pending != nil && i == len(op.steps)-1, s, "has no specs to take over")
			continue
		case st.verb == stepRestart:
			// Later on its start may have been cut short, and it is temporary: forgotten.
			a.want(op.kind == opRestart && i == len(op.steps)-1 && st.child == op.child && a.own(s, st.child), s, "restarts nobody")
		case op.kind == opAdd:
			a.want(i == 0 && st.child == op.child, s, "adds more than one child")
		default:
			a.want(a.own(s, st.child), s, "has a step for a child that is not its own")
		}
		a.want(a.fits(op, i), s, "does %s, and %s is no step of it", opWords[op.kind], verbWords[st.verb])
		verb, twice := seen[st.child]
		a.want(!twice || verb == stepPause && st.verb == stepStart, s, "has two steps for one child")
		seen[st.child] = st.verb
	}
	a.head(s, &op.steps[0])
}

// fits says whether a step may be one of an operation's kind. A start in progress
// may have been cut: it is a stop then, which answers a call.
func (a *auditor) fits(op *operation, i int) bool {
	verb, last := op.steps[i].verb, op.steps[len(op.steps)-1].verb
	cut := i == 0 && verb == stepStop && op.steps[0].call != 0
	switch op.kind {
	case opEnd:
		return verb == stepStop
	case opTerminate:
		return verb == stepStop && op.steps[i].child == op.child && len(op.steps) == 1
	case opBoot, opAdd:
		return verb == stepStart || cut
	case opStart, opCycle, opAgain:
		return op.steps[i].child == op.child && (verb == stepStart || cut || verb == stepPause && op.kind == opCycle && i == 0)
	case opRestart:
		return verb == stepRestart || last == stepRestart && verb == stepStop || last != stepRestart && (verb == stepStart || cut)
	case opChange:
		// Discards come before the new specs, or alone where children move away.
		return verb == stepAdopt || verb == stepDiscard || last != stepAdopt && last != stepDiscard && (verb == stepStart || verb == stepPause || cut)
	}
	return false
}

// head wants the first step to be in progress: its child owes an answer.
func (a *auditor) head(s *node, st *step) {
	c := st.child
	if c == nil {
		a.want(false, s, "waits for nobody")
		return
	}
	switch st.verb {
	case stepStart:
		a.want(c.state == Starting || c.state == Stopping && c.overdue || c.state == BackingOff && c.deadline > 0, s, "waits for the start of %s, which is %s", c.id(), c.state)
	case stepStop, stepPause, stepDiscard:
		// Under Options.OTP a supervisor that was asked may be up until it comes to it.
		ends := c.state == Stopping || c.isSupervisor() && c.alive && a.will(c, parentStop, nil)
		a.want(ends && c.asked && !c.overdue && !c.ailing, s, "waits for the end of %s, which is %s", c.id(), c.state)
	default:
		a.want(false, s, "waits for nobody")
	}
}
