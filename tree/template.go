package tree

import "slices"

// A SimpleOneForOne supervisor has a template in the place of children: what
// StartChild makes of it are its instances. All of them are what the template
// says (OTP has one child record for all), save for their names and what
// StartChild gave to each.

// template is what the instances of s are made of; nil: s has none.
func (s *node) template() *ChildSpec {
	if !s.simple() || len(s.spec.Children) == 0 {
		return nil
	}
	return &s.spec.Children[0]
}

// isInstance says that n was made of a template.
func (n *node) isInstance() bool { return n.parent != nil && n.parent.simple() }

// instance is the spec of the instance of a template.
func instance(template *ChildSpec, id string, extra Extra) *ChildSpec {
	spec := *template
	spec.ID, spec.Extra = id, extra
	return &spec
}

// Template is what the instances of a SimpleOneForOne supervisor are made of.
// What it returns belongs to the tree. false: there is no such supervisor.
func (t *Tree) Template(supervisor string) (ChildSpec, bool) {
	n := t.index[supervisor]
	if n == nil || n.template() == nil {
		return ChildSpec{}, false
	}
	return *n.template(), true
}

// Instances are the names of the children of a SimpleOneForOne supervisor, oldest
// first; of any other none.
func (t *Tree) Instances(supervisor string) []string {
	n := t.index[supervisor]
	if n == nil || !n.simple() {
		return nil
	}
	names := make([]string, 0, n.children.size)
	for c := range n.children.all() {
		names = append(names, c.id())
	}
	return names
}

// Size is the number of nodes, forgotten ones included.
func (t *Tree) Size() int { return len(t.index) }

// retemplate gives every instance of s the template that s has now and touches no
// process: how it is restarted and stopped is another at once, how it is started
// from its next start on (supervisor.erl code_change/3).
func (s *node) retemplate() {
	for c := range s.children.all() {
		c.takeSpec(instance(s.template(), c.id(), c.spec.Extra))
	}
}

// full says that s may not have another instance.
func (s *node) full() bool {
	most := s.spec.Flags.MaxChildren
	return s.simple() && most > 0 && s.children.size >= most
}

// vanish removes a child of which nothing is known any more, and tells so.
func (t *Tree) vanish(c *node, because uint64) {
	t.remove(c)
	t.report(Report{Kind: ChildRemoved, Node: c.id(), Because: because})
}

// Taken is the name of an instance that a new spec wants for a child of its own;
// empty: there is none. Both could not be found by their name, so Apply refuses it.
func (t *Tree) Taken(spec ChildSpec) string { return t.taken(&spec) }

func (t *Tree) taken(spec *ChildSpec) string {
	if n := t.index[spec.ID]; n != nil && n.isInstance() {
		return spec.ID
	}
	if spec.Flags.Strategy == SimpleOneForOne {
		return ""
	}
	for i := range spec.Children {
		if id := t.taken(&spec.Children[i]); id != "" {
			return id
		}
	}
	return ""
}

// comes says that a child of this name is about to be added by the Apply in
// progress.
func (t *Tree) comes(id string) bool {
	if t.change == nil {
		return false
	}
	found := false
	t.each(func(n *node) { found = found || n.pending != nil && n.pending.names(id) })
	return found
}

// names says whether a spec has a child of this name at any depth.
func (s *ChildSpec) names(id string) bool {
	return slices.ContainsFunc(s.Children, func(c ChildSpec) bool { return c.ID == id || c.names(id) })
}
