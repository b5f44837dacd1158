package tree

import (
	"slices"
	"strconv"
)

// accepts says whether an end is normal (OTP: normal, shutdown, {shutdown, _}).
func (s Success) accepts(e Exit) bool {
	if e.Lost {
		return false
	}
	if e.Signal != "" {
		return slices.Contains(s.Signals, e.Signal)
	}
	for _, r := range s.Codes {
		if r[0] <= e.Code && e.Code <= r[1] {
			return true
		}
	}
	return false
}

// String is the end in words: "exit code 3", "killed by SIGKILL", "killed by SIGKILL
// (memory had run out)", "ended, and nobody saw how".
func (e Exit) String() string {
	if e.Lost {
		return "ended, and nobody saw how"
	}
	words := "exit code " + strconv.Itoa(e.Code)
	if e.Signal != "" {
		words = "killed by " + e.Signal
	}
	if e.OOM {
		words += " (memory had run out)"
	}
	return words
}

// reason is that of an end nobody asked for.
func (e Exit) reason() EndReason {
	switch {
	case e.Lost:
		return EndLost
	case e.Signal != "":
		return EndSignal
	}
	return EndExit
}

// processExited: nothing of the process is left. What that means depends on
// what it was doing.
func (t *Tree) processExited(e Exited) {
	n := t.incarnation(e.Ref)
	if n == nil || !n.runs() {
		return
	}
	n.left = &left{exit: e.Exit, at: t.now, pid: n.pid}
	exit := &n.left.exit
	n.frozen, n.stuck = false, ""
	switch {
	case n.state == Starting && n.spec.Ready == AtExit && n.spec.Success.accepts(*exit):
		t.startDone(n)
		t.processEnded(n, exit, n.signalled)
	case n.state == Stopping && n.ailing:
		t.unhealthyEnded(n, exit)
	case n.state == Up:
		t.processEnded(n, exit, n.signalled)
	}
	n.pid = 0
	if !t.hookAfter(n) {
		t.processGone(n)
	}
}

// processGone: nothing of the process is left, and nothing of the command after its
// end.
func (t *Tree) processGone(n *node) {
	l := n.left
	n.alive, n.left = false, nil
	switch {
	case n.state == Stopping && n.overdue:
		t.startFailed(n, blame{n.id(), &l.exit}, Report{PID: l.pid, Cause: n.lateness()})
		n.overdue = false
	case n.state == Stopping:
		t.processStopped(n, l)
	case n.state == Starting:
		t.startFailed(n, blame{n.id(), &l.exit}, Report{PID: l.pid, Cause: "it ended before it was ready: " + l.exit.String()})
	default: // its supervisor hears of it in its turn
		t.send(n.parent, message{kind: childExit, child: n, generation: n.generation})
	}
}

// processEnded: an end nobody asked for. because is the report behind it, 0 if there
// is none.
func (t *Tree) processEnded(n *node, exit *Exit, because uint64) {
	reason := exit.reason()
	if n.ailing {
		reason = EndUnhealthy
	}
	n.lastEnd = &End{Reason: reason, Exit: exit, At: t.now}
	n.ranFor(t.now - n.upAt)
	if exit.OOM {
		because = t.report(Report{Kind: OOMKilled, Node: n.id(), PID: n.pid, Because: because})
	}
	seq := t.report(Report{Kind: ExitSeen, Node: n.id(), PID: n.pid, Exit: exit, Because: because})
	n.end = ending{seq: seq, normal: !n.ailing && n.spec.Success.accepts(*exit), blame: blame{n.id(), exit}}
}

// childEnded is what a supervisor does about a child that ended by itself
// (supervisor.erl do_restart/2).
func (t *Tree) childEnded(s, c *node) {
	end := c.end
	if c.spec.Restart == Permanent || c.spec.Restart == Transient && !end.normal {
		c.chosen = c.verdict(end.blame.exit)
		t.restart(s, c, end.seq)
		return
	}
	t.become(c, Finished, end.seq)
	if c.spec.Restart == Temporary || s.simple() {
		t.forget(s, c)
	}
	if end.gaveUp {
		t.fail(c, c.cause)
	}
	t.autoShutdown(s, c)
}

// fail shows a supervisor that gave up, and what it had below it, as failed. The
// giving up is the cause of all of it.
func (t *Tree) fail(n *node, cause uint64) {
	if n.stuck == "" {
		t.become(n, Failed, cause)
	}
	for c := range n.children.all() {
		t.fail(c, cause)
	}
	for c := range n.forgotten.all() {
		t.fail(c, cause)
	}
}

// autoShutdown ends a supervisor whose significant children have done their
// work (supervisor.erl check_significant). Only a significant child that ended
// by itself and is not restarted comes here.
func (t *Tree) autoShutdown(s, c *node) {
	if !c.spec.Significant || s.spec.Flags.AutoShutdown == Never {
		return
	}
	if s.spec.Flags.AutoShutdown == AllSignificant {
		if s.unfinished() != nil {
			return
		}
	}
	t.beginEnd(s, operation{reason: endAuto, by: c.id(), cause: c.end.seq, blame: c.end.blame})
}

// unfinished is a significant child of s that runs or is about to; nil: there is none. It
// is looked for from the one on that was found last, so that many that end one after the
// other are not looked at each time.
func (s *node) unfinished() *node {
	c := s.awaited
	for range s.children.size {
		if !s.children.has(c) {
			c = s.children.first
		}
		if c.spec.Significant && (c.present() || c.pendingRestart()) {
			s.awaited = c
			return c
		}
		c = c.next
	}
	s.awaited = nil
	return nil
}
