package tree

import "reflect"

// remain keeps what n was started as before it takes another spec: an instance of a
// template runs on when the template changes, and a child that is to be started anew
// runs until its turn comes.
func (n *node) remain(spec *ChildSpec) {
	if !n.isSupervisor() && n.present() && n.begun == nil && !reflect.DeepEqual(n.spec.Start, spec.Start) {
		n.begun = n.spec.Start
	}
}

// asBegun is the spec of n with what its present incarnation was started as.
func (n *node) asBegun() *ChildSpec {
	if n.begun == nil {
		return n.spec
	}
	spec := *n.spec
	spec.Start = n.begun
	return &spec
}
