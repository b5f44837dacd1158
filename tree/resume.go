package tree

// Halted is the Halt of a tree that has ended; false: it has not.
func (t *Tree) Halted() (Halt, bool) {
	if t.ended == nil {
		return Halt{}, false
	}
	return *t.ended, true
}

// LastCall is the highest number of a Called so far, 0 if there was none. Who
// goes on with a restored tree numbers calls from there: a Reply to a call of the
// runtime before may still come, and nobody waits for it.
func (t *Tree) LastCall() uint64 { return t.lastCall }

// resume: another runtime goes on with the tree. Nothing else has happened.
func (t *Tree) resume() {
	if t.root.generation == 0 {
		return // there was nothing yet to go on with: Boot is still to come
	}
	t.resumed = t.report(Report{Kind: DaemonStarted, Node: t.root.id(), Request: "resume"})
	t.inspectAgain()
}

// processAdopted: the process is watched by another runtime than the one that
// started it. That changes nothing about it.
func (t *Tree) processAdopted(e Adopted) {
	n := t.incarnation(e.Ref)
	if n == nil || !n.runs() {
		return
	}
	n.adopted = true
	t.report(Report{Kind: ChildAdopted, Node: n.id(), PID: n.pid, Because: t.resumed})
}

// outputDropped: output is lost. It is told where the record of it belongs.
func (t *Tree) outputDropped(e Dropped) {
	if n := t.index[e.ID]; n != nil && !n.isSupervisor() {
		t.report(Report{Kind: OutputDropped, Node: n.id(), Bytes: e.Bytes})
	}
}
