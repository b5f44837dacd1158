package tree

import "slices"

// drop ends everything that is in progress, with no effect on what runs.
func (v *salvager) drop() {
	t := v.tree
	var nodes []*node
	t.each(func(n *node) { nodes = append(nodes, n) })
	for _, n := range nodes {
		t.setDeadline(n, 0)
		n.undrawn = 0
		if n.left != nil { // the command after its end was cut short: the end is complete
			n.alive, n.left = n.state != Up, nil
		}
		if n.op != nil {
			v.dropped[n] = n.op
			if st := &n.op.steps[n.op.next]; st.call != 0 {
				t.act(Reply{ID: st.call, Refusal: NoProc})
			}
			t.answerDropped(n)
		}
		if n.isSupervisor() {
			t.forgetNews(n)
		}
	}
	v.relist()
	t.refuseChanges()
}

// forgetNews drops what a supervisor has not heard of yet.
func (t *Tree) forgetNews(s *node) {
	for _, m := range s.inbox.take() {
		if m.kind == called {
			t.act(Reply{ID: m.call.ID, Refusal: NoProc})
		}
	}
	if s.pending != nil {
		s.pending = nil
		t.restate(s)
	}
}

// answerDropped refuses the call behind what s is in the middle of. A child that
// start_child was starting is one of its children now.
func (t *Tree) answerDropped(s *node) {
	op := s.op
	s.op = nil
	switch op.kind {
	case opAdd:
		s.children.append(op.child)
		fallthrough
	case opTerminate, opStart, opCycle:
		t.act(Reply{ID: op.call, Refusal: NoProc})
	}
}

// relist undoes the first part of an Apply for children that were to move and are
// still where they were.
func (v *salvager) relist() {
	t := v.tree
	if t.change == nil {
		return
	}
	s := t.index[t.change.at.supervisor]
	for _, id := range t.change.at.moving {
		listed := s != nil && slices.ContainsFunc(s.spec.Children, func(c ChildSpec) bool { return c.ID == id })
		if c := t.index[id]; s != nil && !listed && c != nil && c.parent == s {
			s.respec(s.spec.Flags, append(slices.Clone(s.spec.Children), *c.spec))
			t.restate(s)
		}
	}
}
