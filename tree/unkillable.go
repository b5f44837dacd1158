package tree

// killPatience is how long a killed process may take to be gone before it is asked
// what is left of it: one that is in the middle of I/O cannot be killed (state D,
// proc_pid_stat(5)), nor one that the daemon may not signal. OTP has nothing like it;
// there, kill always ends a process.
const killPatience = 5 * Second

// inspect: a process was killed and is still there.
func (t *Tree) inspect(n *node) { t.act(Inspect{n.ref()}) }

// inspectAgain has those asked about once more that were asked about in vain: the
// runtime that was to answer is gone.
func (t *Tree) inspectAgain() {
	t.each(func(n *node) {
		if n.runs() && !n.isSupervisor() && n.killing && n.stuck == "" && n.deadline == 0 && !t.opts.OTP {
			t.after(n, killPatience)
		}
	})
}

// processSurvives: something of a killed process is left, and nothing more can be done
// about it. Who waits for its end is told so, and no second incarnation is started
// beside it: its supervisor waits, and goes on if it ends after all. Only the end of
// the whole tree leaves it behind. Where nobody has asked for its end, its main process
// has ended by itself: its supervisor hears of that when nothing is left, as always.
func (t *Tree) processSurvives(e Survives) {
	n := t.incarnation(e.Ref)
	if n == nil || !n.runs() || n.stuck != "" || e.Cause == "" || t.opts.OTP {
		return
	}
	t.setDeadline(n, 0)
	t.stuck = true
	n.stuck, n.frozen, n.killing = e.Cause, false, n.state == Stopping
	n.cause = t.report(Report{Kind: CannotBeKilled, Node: n.id(), PID: n.pid, Cause: e.Cause, Because: n.cause})
	t.refuseWaiters(n)
	t.leaveBehind()
}

// refuseWaiters answers those who wait for the end of a process that cannot be killed.
// What they have asked for is done when that ends after all. A supervisor that was
// asked to stop meanwhile waits no longer.
func (t *Tree) refuseWaiters(n *node) {
	for s := n.parent; s != nil; s = s.parent {
		t.wake(s)
		if s.op != nil && s.blocker() == n {
			t.act(Reply{ID: s.op.call, Refusal: Unkillable, Cause: n.survivor()})
			s.op.call = 0
		}
	}
	t.refuseHindered()
}

// leaveBehind lets the end of the whole tree go on without those that cannot be killed.
func (t *Tree) leaveBehind() {
	if !t.stuck || !t.endsAll() {
		return
	}
	t.each(func(n *node) {
		if n.stuck != "" && n.parent.head(n) != nil && n.parent.endsWithAll() {
			t.advance(n.parent)
		}
	})
}

// blocker is the process that cannot be killed and for whose end n waits: n itself, or
// one below it; nil: there is none.
func (n *node) blocker() *node {
	if n.op != nil && n.op.issued {
		n = n.op.steps[n.op.next].child
		if n == nil {
			return nil
		}
		return n.blocker()
	}
	if n.stuck != "" {
		return n
	}
	return nil
}

// waitsForEnd says in words for whose end n waits that cannot be killed: a step of a
// supervisor, or one that is to be restarted and whose supervisor is busy with that.
func (n *node) waitsForEnd() string {
	s := n
	if !n.isSupervisor() || n.op == nil {
		s = n.parent
		if s == nil || n.shown() != Restarting {
			return ""
		}
	}
	if b := s.blocker(); b != nil {
		return "the end of " + b.id() + ", which cannot be killed"
	}
	return ""
}

// survivor says who it is, in words.
func (n *node) survivor() string { return n.id() + ": " + n.stuck }

// leftBehind says that the supervisor of n, which is there, ends or has ended and does
// not wait for it.
func (n *node) leftBehind() bool {
	s := n.parent
	if !s.alive || s.op == nil || s.op.kind != opEnd {
		return !s.alive
	}
	return !s.op.stops(n)
}

// leaves says that s has left somebody behind who cannot be killed: the whole tree ends,
// and nothing may be changed there any more.
func (s *node) leaves() bool { return s.unkillable() != nil }

// endsWithAll says that s ends, and all above it: nobody is to be started there any more,
// and so nobody has to be waited for who cannot be killed.
func (s *node) endsWithAll() bool {
	for ; s != nil; s = s.parent {
		if s.op == nil || s.op.kind != opEnd {
			return false
		}
	}
	return true
}

// endsAll says that the whole tree is about to end.
func (t *Tree) endsAll() bool { return t.root.op != nil && t.root.op.kind == opEnd }

// survivors names those that an end of the tree leaves behind; "" are none.
func (t *Tree) survivors() string {
	text := ""
	if !t.stuck {
		return text
	}
	t.each(func(n *node) {
		if n.stuck != "" {
			if text != "" {
				text += "; "
			}
			text += n.survivor()
		}
	})
	return text
}
