package tree

// What a start lacked once (a process more, memory, a descriptor) may be there
// again soon, and it is no fault of the child: such a start is put off and tried
// again, and counts against no limit. The first pause is shortageMin, every other
// one twice the one before, up to shortageMax.
const (
	shortageMin = Second / 10
	shortageMax = 5 * Second
)

// putOff puts a start off that failed for a shortage, as why says. Its supervisor
// goes on waiting for it. false: it has failed, for nobody waits for it any longer:
// who asked for it by hand, or for a change, is told at once.
func (t *Tree) putOff(n *node, why string) bool {
	st := n.parent.head(n)
	if st == nil || st.verb != stepStart {
		return false
	}
	switch n.parent.op.kind {
	case opBoot, opRestart, opAgain:
	default:
		return false
	}
	if n.tries == 0 {
		n.tried = n.since
	}
	delay := shortageMax
	if n.tries < 6 {
		delay = min(shortageMin<<n.tries, delay)
	}
	n.tries++
	if n.spec.StartTimeout > 0 {
		delay = max(min(delay, n.tried+n.spec.StartTimeout-t.now), 0)
	}
	seq := t.report(Report{Kind: BackoffBegun, Node: n.id(), Because: n.cause, Cause: why, Delay: delay})
	t.become(n, BackingOff, seq)
	n.waits = why
	t.after(n, delay)
	t.wake(n.parent) // which may have been asked to stop meanwhile
	t.cutByQueued(n)
	return true
}

// isPutOff says that n waits to be started as a step of its supervisor.
func (n *node) isPutOff() bool {
	st := n.parent.head(n)
	return n.state == BackingOff && st != nil && st.verb == stepStart
}

// startPutOff tries a start again, or gives it up: its start timeout is for all of
// its tries together.
func (t *Tree) startPutOff(n *node) {
	limit := n.spec.StartTimeout
	if limit > 0 && t.now-n.tried >= limit {
		t.startFailed(n, blame{process: n.id()}, Report{Cause: "not started within its start timeout of " + limit.String() + ": " + n.waits})
		return
	}
	t.start(n, n.cause, n.counted)
}
