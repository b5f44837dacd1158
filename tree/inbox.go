package tree

import "slices"

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

// stops says whether the message is a request to stop a child.
func (m *message) stops() bool {
	_, ok := m.call.Request.(TerminateChild)
	return ok
}

// inbox is a queue of messages.
type inbox struct {
	queue []message
	heard int // of queue, at its front
	stops int // how many are left that stop a child
}

// inboxKept is how much room for messages an empty inbox keeps.
const inboxKept = 16

func (b *inbox) len() int { return len(b.queue) - b.heard }

// left are the messages that are not heard yet. The slice is the inbox's own.
func (b *inbox) left() []message { return b.queue[b.heard:] }

func (b *inbox) push(m message) {
	if b.heard > len(b.queue)/2 && len(b.queue) == cap(b.queue) {
		b.queue = slices.Delete(b.queue, 0, b.heard)
		b.heard = 0
	}
	b.queue = append(b.queue, m)
	if m.stops() {
		b.stops++
	}
}

// pop takes the first message, which must be there.
func (b *inbox) pop() message {
	m := b.queue[b.heard]
	b.queue[b.heard] = message{}
	b.heard++
	if m.stops() {
		b.stops--
	}
	if b.heard == len(b.queue) {
		b.heard, b.queue = 0, b.queue[:0]
		if cap(b.queue) > inboxKept {
			b.queue = nil
		}
	}
	return m
}

// takeStop takes the first message that stops a child of this name and for which take
// says so.
func (b *inbox) takeStop(id string, take func(m message) bool) {
	if b.stops == 0 {
		return
	}
	for i, m := range b.left() {
		if r, ok := m.call.Request.(TerminateChild); ok && r.ID == id && take(m) {
			b.queue = slices.Delete(b.queue, b.heard+i, b.heard+i+1)
			b.stops--
			return
		}
	}
}

// take empties the inbox and returns what was left in it.
func (b *inbox) take() []message {
	left := b.left()
	*b = inbox{}
	return left
}

// send appends to a supervisor's inbox.
func (t *Tree) send(s *node, m message) {
	s.inbox.push(m)
	t.wake(s)
}

// work lets one supervisor go on until it waits for a child or for a message.
// A message is taken from the inbox only when nothing is left to do: that is
// OTP's supervisor, which blocks while it starts or stops a child.
func (t *Tree) work(s *node) {
	for {
		switch {
		case s.op == nil && s.inbox.len() == 0:
			return
		case s.op == nil:
			t.handle(s, s.inbox.pop())
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
