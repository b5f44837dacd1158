package tree

// messageKind says what a message in a supervisor's inbox is about.
type messageKind uint8

const (
	childExit  messageKind = iota // a child died (OTP: 'EXIT' from a child)
	tryAgain                      // a restart failed to start (OTP: try_again_restart)
	resume                        // the backoff of a restart has passed
	parentStop                    // stop (OTP: 'EXIT' from the parent)
	called                        // an operator's request (OTP: a gen_server call)
	apply                         // its part of an Apply is due
	startAgain                    // a start that Salvage found undone
)

// message is one entry of an inbox. It is heard when everything before it has
// been dealt with completely.
type message struct {
	kind       messageKind
	child      *node
	generation Generation
	cause      uint64
	call       Called
}

// send appends to a supervisor's inbox.
func (t *Tree) send(s *node, m message) {
	s.inbox = append(s.inbox, m)
	t.wake(s)
}

// work lets one supervisor go on until it waits for a child or for a message.
// A message is taken from the inbox only when nothing is left to do: that is
// OTP's supervisor, which blocks while it starts or stops a child.
func (t *Tree) work(s *node) {
	for {
		switch {
		case s.op == nil && len(s.inbox) == 0:
			return
		case s.op == nil:
			m := s.inbox[0]
			s.inbox = s.inbox[1:]
			t.handle(s, m)
		case t.overtaken(s):
			cause := s.cause
			t.abandon(s)
			t.beginEnd(s, operation{reason: endAsked, cause: cause})
		case s.op.issued:
			return
		case s.op.next == len(s.op.steps):
			t.finish(s)
		default:
			t.issue(s)
		}
	}
}

// handle acts on one message. News about an incarnation that is not the child's
// present one any more is dropped.
func (t *Tree) handle(s *node, m message) {
	c := m.child
	switch m.kind {
	case childExit:
		if c.parent == s && c.generation == m.generation && c.state == Up && !c.alive {
			t.childEnded(s, c)
		}
	case tryAgain:
		// By name, not by generation: OTP acts on every one of them while the
		// child is restarting.
		if c.parent == s && c.state == Restarting {
			t.restart(s, c, c.cause)
		}
	case resume:
		if c.parent == s && c.state == BackingOff && c.generation == m.generation {
			t.begin(s, operation{kind: opRestart, child: c, cause: m.cause, counted: true})
			t.addStarts(s)
		}
	case parentStop:
		t.beginEnd(s, operation{reason: endAsked, cause: m.cause})
	case called:
		t.serve(s, m)
	case apply:
		t.beginChange(s)
	case startAgain:
		if c.parent == s && c.state == Stopped && !c.held {
			op := operation{kind: opAgain, child: c, cause: m.cause}
			op.steps = []step{{verb: stepStart, child: c}}
			t.begin(s, op)
		}
	}
}

// overtaken says that a stop request waits while this supervisor is about to
// start children, or waits for one that does not become ready (the start is cut
// short), or for the end of one that cannot be killed. OTP would finish it first, and a
// shutdown could hang behind a child that never becomes ready.
func (t *Tree) overtaken(s *node) bool {
	if t.opts.OTP || !s.asked || s.op.kind == opEnd {
		return false
	}
	if s.op.next == len(s.op.steps) {
		return s.op.kind == opBoot // its own start does not complete any more
	}
	st := s.op.steps[s.op.next]
	return st.verb == stepRestart || st.verb == stepStart && (!s.op.issued || st.child.canBeCut()) ||
		s.blocker() != nil
}

// canBeCut says that the start of n, which is in progress, may take any time: a
// supervisor's, that of a process that was executed and is not ready, one that was
// put off, or one with a command before it. The answer to the execution itself is
// waited for; it comes at once.
func (n *node) canBeCut() bool {
	return n.isSupervisor() || n.alive || n.isPutOff() || n.spec.BeforeStart
}
