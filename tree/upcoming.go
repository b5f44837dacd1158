package tree

// Upcoming is the process whose supervisor will start it next, once the start of the
// given one is complete: for a runtime that uses the wait to prepare what that needs. It
// is a guess, by which nothing is decided; false: there is no such process.
func (t *Tree) Upcoming(id string) (ChildSpec, bool) {
	n := t.index[id]
	if n == nil || n.parent.head(n) == nil {
		return ChildSpec{}, false
	}
	op := n.parent.op
	if op.next+1 == len(op.steps) {
		return ChildSpec{}, false
	}
	next := op.steps[op.next+1]
	if next.verb != stepStart || next.child.isSupervisor() || next.child.present() {
		return ChildSpec{}, false
	}
	return *next.child.spec, true
}

// Expects says whether a process has an incarnation, or gets the next one as soon as its
// supervisor has come to that; false of one that the tree has not got, or not any more.
func (t *Tree) Expects(id string) bool {
	n := t.index[id]
	return n != nil && (n.state == Starting || n.state == Up || n.state == Restarting)
}
