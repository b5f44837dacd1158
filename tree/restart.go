package tree

import "slices"

// restart is one restart attempt of c, which does not run: count it, and give
// up or carry it out (supervisor.erl restart/2).
func (t *Tree) restart(s, c *node, because uint64) {
	if !t.allowRestart(s) {
		t.giveUp(s, c, because)
		return
	}
	report := Report{Kind: RestartBegun, Node: c.id(), Because: because}
	if c.chosen != nil {
		report.Strategy = c.chosen.String()
	}
	seq := t.report(report)
	t.become(c, Restarting, seq)
	op := operation{kind: opRestart, child: c, cause: seq, counted: true, steps: make([]step, 0, 2)}
	for x := range between(s.span(c)) {
		if x != c {
			op.steps = append(op.steps, step{verb: stepStop, child: x})
		}
	}
	slices.Reverse(op.steps)
	op.steps = append(op.steps, step{verb: stepRestart, child: c})
	t.begin(s, op)
}

// span is the part of the list that a restart of c stops and starts.
func (s *node) span(c *node) (first, last *node) {
	if s.children.has(c) {
		switch s.strategy(c) {
		case OneForAll:
			return s.children.first, s.children.last
		case RestForOne:
			return c, s.children.last
		}
	}
	return c, c
}

// delayOrStart follows the stops of a sweep: the child that caused it waits for
// its backoff, if it has one, and for its turn, if the tree has a Rate; the supervisor
// is free meanwhile. Else the starts begin at once.
func (t *Tree) delayOrStart(s *node) {
	op := s.op
	if delay := op.child.delayRestart(); delay > 0 {
		t.backOff(op.child, delay, op.cause)
		s.op = nil
		return
	}
	if !t.spend(op.child) {
		t.queueUp(op.child, op.cause)
		s.op = nil
		return
	}
	t.addStarts(s)
}

// addStarts appends the start phase of a sweep: every child in its range that
// is still in the list, whatever had stopped it (OTP starts them all). The child
// that caused it is one of them now: should an earlier one fail to start, that
// one is retried and this one stays stopped.
func (t *Tree) addStarts(s *node) {
	t.become(s.op.child, Stopped, s.op.cause)
	for x := range between(s.span(s.op.child)) {
		// The stops have forgotten the temporary ones. One that came while a
		// backoff passed is not the sweep's to start either.
		if x.spec.Restart != Temporary || x == s.op.child {
			s.op.steps = append(s.op.steps, step{verb: stepStart, child: x})
		}
	}
}

// giveUp ends a supervisor whose restart intensity is exceeded by the restart
// of c (supervisor.erl reached_max_restart_intensity).
func (t *Tree) giveUp(s, c *node, because uint64) {
	limit := s.spec.Flags
	seq := t.report(Report{Kind: GaveUp, Node: s.id(), Child: c.id(), Limit: &limit, Because: because})
	by := c.end.blame
	t.become(c, Stopped, because)
	if s.simple() || c.spec.Restart == Temporary {
		t.forget(s, c)
	}
	t.beginEnd(s, operation{reason: endGaveUp, by: c.id(), cause: seq, blame: by})
}
