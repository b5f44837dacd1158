package tree

// left is what is known of a process that has ended while the command after its end
// runs.
type left struct {
	exit Exit
	at   Time // of the end
	pid  int
}

// hookAfter begins the command that follows the end of n, if it has one. The end is
// complete once that has ended: whoever stops n waits for it, and so does the next
// start. It has a time of its own, which the runtime measures. What is killed
// together with its supervisor has no more commands, nor has what was left behind.
func (t *Tree) hookAfter(n *node) bool {
	if !n.spec.AfterExit || n.parent.killing || n.leftBehind() {
		return false
	}
	n.killing = false // a Kill that is to come is meant for the command
	t.setDeadline(n, 0)
	t.act(n.afterExit())
	return true
}

// afterExit is the action for n, which has ended.
func (n *node) afterExit() AfterExit {
	return AfterExit{Ref: n.ref(), Spec: n.asBegun(), Exit: n.left.exit, Result: n.result()}
}

// result is what became of n, which has ended.
func (n *node) result() Result {
	exit := n.left.exit
	switch {
	case n.state == Stopping && n.overdue:
		return ResultTimeout
	case n.told() && n.lastEnd.Reason == EndUnhealthy:
		return ResultWatchdog
	case n.state == Stopping && !n.told(), n.told() && n.end.normal:
		return ResultSuccess
	case exit.Lost:
		return ResultUnknown
	case exit.OOM:
		return ResultOOM
	case exit.Signal != "":
		return ResultSignal
	case exit.Code == 0:
		return ResultProtocol
	}
	return ResultExitCode
}

// runs says that there is a process.
func (n *node) runs() bool { return n.alive && n.left == nil }

// told says that the end of n, which has ended, was one nobody had asked for, and that
// this was told.
func (n *node) told() bool { return n.end.seq != 0 }

// hookDone: the command after an end has ended. Its failure is told and changes
// nothing.
func (t *Tree) hookDone(e HookDone) {
	n := t.incarnation(e.Ref)
	if n == nil || n.left == nil {
		return
	}
	if e.Cause != "" {
		because := n.end.seq
		if because == 0 {
			because = n.cause
		}
		t.report(Report{Kind: HookFailed, Node: n.id(), Because: because, Cause: e.Cause})
	}
	t.processGone(n)
}
