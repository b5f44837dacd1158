package tree

// operation is what a supervisor is in the middle of: a list of steps, done one
// at a time, and what becomes of it at the end. It is OTP's blocking receive
// turned inside out.
type operation struct {
	kind   opKind
	steps  []step
	next   int  // the step that is due, or in progress
	issued bool // the step is in progress: a child has to answer

	child   *node  // whom it is about; nil for opBoot, opEnd and opChange
	cause   uint64 // the report that caused it
	counted bool   // starts in it are restarts

	// Of a request.
	call    uint64
	ignored bool // its start was answered with ignore
	cut     bool // its start was cut short by a stop of the child

	// Of opEnd.
	reason endReason
	by     string // the child behind it, by name: it may be forgotten before the end
	blame  blame
	why    string // what a failed start said
}

// stops says whether an opEnd has c still to stop.
func (op *operation) stops(c *node) bool {
	return c.turn >= op.next && c.turn < len(op.steps) && op.steps[c.turn].child == c
}

type opKind uint8

const (
	opBoot      opKind = iota // the supervisor's own start
	opRestart                 // one restart, with the sweep that its strategy asks for
	opEnd                     // the supervisor's own end
	opTerminate               // terminate_child
	opStart                   // restart_child
	opCycle                   // both
	opAdd                     // start_child
	opChange                  // its part of an Apply
	opAgain                   // one start that Salvage found undone
)

// endReason says why a supervisor ends.
type endReason uint8

const (
	endAsked      endReason = iota // its parent, or who asked the tree to stop
	endGaveUp                      // its intensity was exceeded
	endAuto                        // its significant children have ended
	endInitFailed                  // a child did not start during its own start
)

// step is one thing to do with one child.
type step struct {
	verb  stepVerb
	child *node
	call  uint64 // a terminate_child that cut this start short
}

type stepVerb uint8

const (
	stepStart   stepVerb = iota
	stepStop             // stop; a temporary child is forgotten
	stepPause            // stop, to be started again: it stays known
	stepDiscard          // stop and remove
	stepRestart          // stops are done: wait for the backoff, or go on to the starts
	stepAdopt            // take over the new specs of an Apply
)

// begin makes op what s is in the middle of; it must be in the middle of nothing.
func (t *Tree) begin(s *node, op operation) {
	if s.op != nil {
		panic("tree: " + s.id() + " begins something new in the middle of something else")
	}
	s.op = &op
	t.wake(s)
}

// issue does the step that is due, or begins it.
func (t *Tree) issue(s *node) {
	op := s.op
	st := op.steps[op.next]
	switch st.verb {
	case stepStart:
		if st.child.present() { // started by hand while a backoff passed
			op.next++
			return
		}
		op.issued = true
		st.child.tries = 0
		t.start(st.child, op.cause, op.counted)
	case stepStop, stepPause, stepDiscard:
		if st.child.stuck != "" && s.endsWithAll() {
			t.beginStop(st.child, true, op.cause)
			op.next++ // it is left behind
			return
		}
		if st.child.stuck != "" {
			op.issued = true
			t.refuseWaiters(st.child)
		}
		if t.beginStop(st.child, s.killing, op.cause) {
			op.issued = true
			return
		}
		t.stepStopped(s)
	case stepRestart:
		op.next++
		t.delayOrStart(s)
	case stepAdopt:
		op.next++
		t.adopt(s)
	}
}

// head is the step in progress, if it is about c.
func (s *node) head(c *node) *step {
	if s == nil || s.op == nil || !s.op.issued || s.op.steps[s.op.next].child != c {
		return nil
	}
	return &s.op.steps[s.op.next]
}

// advance goes on to the next step.
func (t *Tree) advance(s *node) {
	s.op.issued = false
	s.op.next++
	t.wake(s)
}

// stepStopped is what becomes of the child of a stop step that is done.
func (t *Tree) stepStopped(s *node) {
	st := s.op.steps[s.op.next]
	c := st.child
	switch st.verb {
	case stepStop:
		if s.op.kind != opAdd { // a child that start_child has not added yet
			t.settleChild(s, c, c.cause)
		}
	case stepPause:
		t.become(c, Stopped, c.cause)
	case stepDiscard:
		s.children.remove(c)
		t.remove(c)
		t.report(Report{Kind: ChildRemoved, Node: c.id(), Because: s.op.cause})
	}
	if st.call != 0 {
		c.held = true
		t.act(Reply{ID: st.call})
		s.op.cut = true
	}
	t.advance(s)
}

// stepFailed is what becomes of a start step whose child did not start; why is
// what it said.
func (t *Tree) stepFailed(s, c *node, why string) {
	op := s.op
	t.advance(s)
	switch op.kind {
	case opBoot:
		s.op = nil
		t.beginEnd(s, operation{reason: endInitFailed, by: c.id(), cause: c.end.seq, blame: c.end.blame, why: why})
	case opRestart, opAgain:
		s.op = nil
		if op.kind == opAgain && c.spec.Restart == Temporary {
			t.settleChild(s, c, c.end.seq)
			return
		}
		s.chooseAgain(c, op)
		t.become(c, Restarting, c.end.seq)
		t.send(s, message{kind: tryAgain, child: c})
	case opStart, opCycle, opAdd:
		s.op = nil
		if op.kind == opAdd {
			t.vanish(c, c.end.seq)
		} // else it stays in its place, stopped, a temporary one too
		t.act(Reply{ID: op.call, Refusal: FailedToStart, Cause: why})
	case opChange:
		t.changeFailed(c, why)
	}
}

// stepIgnored is what becomes of a start step whose child need not run. A
// temporary one is dropped, except in a restart (supervisor.erl do_start_child).
func (t *Tree) stepIgnored(s, c *node) {
	op := s.op
	op.ignored = true
	if s.simple() && op.kind != opAdd || (op.kind == opBoot || op.kind == opAgain) && c.spec.Restart == Temporary {
		t.forget(s, c)
	}
	t.advance(s)
}

// finish is what becomes of an operation whose steps are done.
func (t *Tree) finish(s *node) {
	op := s.op
	s.op = nil
	switch op.kind {
	case opBoot:
		t.startDone(s)
	case opEnd:
		t.supervisorGone(s, op)
	case opTerminate:
		op.child.held = op.child.state == Stopped
		t.act(Reply{ID: op.call})
	case opStart, opCycle:
		t.answerStart(op)
	case opAdd:
		t.added(s, op)
	case opChange:
		t.changed(s)
	}
}

// abandon drops what s is in the middle of, because s has to end now.
func (t *Tree) abandon(s *node) {
	op := s.op
	s.op = nil
	if op == nil {
		return
	}
	if op.next < len(op.steps) && op.steps[op.next].call != 0 {
		t.act(Reply{ID: op.steps[op.next].call})
	}
	switch op.kind {
	case opTerminate, opStart, opCycle:
		t.act(Reply{ID: op.call, Refusal: NoProc})
	case opAdd:
		// Its process may be there already: it is stopped with the others.
		s.children.append(op.child)
		t.act(Reply{ID: op.call, Refusal: NoProc})
	case opChange:
		t.send(s, message{kind: apply}) // the rest is done when s has ended
	}
}
