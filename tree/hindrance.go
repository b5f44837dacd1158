package tree

import "slices"

// hindrance is a process that cannot be killed and would have to end before changes can
// be carried out: one of them stops it, or is for a supervisor that waits for its end;
// nil: there is none. An Apply that is hindered is refused before anything changes.
func (t *Tree) hindrance(changes []Change) *node {
	if t.endsAll() {
		return nil
	}
	for _, c := range changes {
		n := t.index[c.ID]
		if n != nil && c.Kind != Changed {
			if b := n.unkillable(); b != nil {
				return b
			}
		}
		if n == nil || !n.isSupervisor() {
			n = t.index[c.Supervisor]
		}
		for ; n != nil; n = n.parent {
			if b := n.blocker(); b != nil {
				return b
			}
		}
	}
	return nil
}

// unkillable is the first that cannot be killed of n and those below it; nil: there is
// none.
func (n *node) unkillable() *node {
	var first *node
	n.each(func(x *node) {
		if first == nil && x.stuck != "" {
			first = x
		}
	})
	return first
}

// untouched says that the Apply in progress changes nothing of s and below it.
func (t *Tree) untouched(s *node) bool {
	if s.pending == nil || t.change.at.moving != nil {
		return false
	}
	d := differ{tree: t}
	d.child(s.spec, s.pending, "")
	d.supervisor(s.spec, s.pending)
	return len(d.changes) == 0
}

// refuseHindered answers those who wait for an Apply that has come to a supervisor which
// waits for the end of one that cannot be killed. The one that has begun goes on when
// that ends after all; those behind it are not carried out.
func (t *Tree) refuseHindered() {
	if t.change == nil {
		return
	}
	s := t.index[t.change.at.supervisor]
	if s == nil || s.blocker() == nil {
		return
	}
	cause := s.blocker().survivor()
	t.act(Reply{ID: t.change.call, Refusal: Unkillable, Cause: cause, Changes: slices.Clone(t.change.changes)})
	t.change.call = 0
	for _, c := range t.changes {
		t.act(Reply{ID: c.ID, Refusal: Unkillable, Cause: cause})
	}
	t.changes = nil
}
