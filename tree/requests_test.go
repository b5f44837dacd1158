package tree_test

import (
	"fmt"

	"pgregory.net/rapid"

	"coppice/tree"
)

// request is one of all that an operator may ask, of any name.
func (c *chaos) request() tree.Request {
	id := c.name()
	supervisor := rapid.SampledFrom([]string{"", "", c.parentOf(id), "nobody"}).Draw(c.T, "supervisor")
	switch rapid.IntRange(0, 11).Draw(c.T, "request") {
	case 0, 1:
		var gen tree.Generation
		if n, ok := c.world.Tree.Node(id); ok && rapid.IntRange(0, 3).Draw(c.T, "gen") == 0 {
			gen = n.Generation
		}
		return tree.TerminateChild{Supervisor: supervisor, ID: id, Generation: gen}
	case 2, 3:
		return tree.RestartChild{Supervisor: supervisor, ID: id}
	case 4, 5:
		return tree.CycleChild{ID: id}
	case 6:
		if c.applies {
			id = "x1" // a static child that is deleted comes back, and Apply knows nothing of it
		}
		return tree.DeleteChild{Supervisor: supervisor, ID: id}
	case 7:
		if on := rapid.IntRange(0, 2).Draw(c.T, "freeze"); on > 0 {
			return tree.FreezeChild{ID: id, Thaw: on == 2}
		}
		if rapid.Bool().Draw(c.T, "reload") {
			return tree.ReloadChild{ID: id}
		}
		return tree.SignalChild{ID: id, Signal: "SIGHUP"}
	case 8, 9:
		return c.startChild()
	}
	if !c.applies {
		return c.change()
	}
	c.spec = c.specs.variant(c.spec)
	return tree.Apply{Spec: clone(c.spec)}
}

// name is that of a node, or one that may have been or may come.
func (c *chaos) name() string {
	var names []string
	c.walk(func(s, _ tree.Status) { names = append(names, s.Spec.ID) })
	names = append(names, "nobody", "x1", "x2", "p1", "s1")
	return rapid.SampledFrom(names).Draw(c.T, "name")
}

// walk visits every node with its supervisor.
func (c *chaos) walk(visit func(s, above tree.Status)) {
	var down func(s, above tree.Status)
	down = func(s, above tree.Status) {
		visit(s, above)
		for _, child := range s.Children {
			down(child, s)
		}
	}
	root := c.world.Tree.Status()
	down(root, tree.Status{Spec: &tree.ChildSpec{}})
}

func (c *chaos) parentOf(id string) (parent string) {
	c.walk(func(s, above tree.Status) {
		if s.Spec.ID == id {
			parent = above.Spec.ID
		}
	})
	return parent
}

func (c *chaos) supervisors() []tree.Status {
	var list []tree.Status
	c.walk(func(s, _ tree.Status) {
		if s.Spec.Type == tree.Supervisor {
			list = append(list, s)
		}
	})
	return list
}

// startChild adds a child, to the root also one that an Apply may know as well.
func (c *chaos) startChild() tree.Request {
	if rapid.IntRange(0, 4).Draw(c.T, "y") == 0 {
		return tree.StartChild{Supervisor: "root", Spec: c.specs.process("y1", c.world.Tree.Status().Spec.Flags)}
	}
	s := rapid.SampledFrom(c.supervisors()).Draw(c.T, "under")
	spec := c.specs.process(fmt.Sprintf("x%d", rapid.IntRange(1, 4).Draw(c.T, "x")), s.Spec.Flags)
	if s.Spec.Flags.Strategy == tree.SimpleOneForOne && rapid.Bool().Draw(c.T, "extra") {
		spec.Extra = tree.Extra{Args: []string{"7"}, Env: []string{"A=b"}}
	}
	return tree.StartChild{Supervisor: s.Spec.ID, Spec: spec}
}

// change gives a supervisor other flags, and its processes in another order.
// Children of StartChild stay what they are.
func (c *chaos) change() tree.Request {
	s := rapid.SampledFrom(c.supervisors()).Draw(c.T, "changed")
	r := tree.ChangeSupervisor{ID: s.Spec.ID, Flags: c.specs.flags()}
	if c.specs.seldom("bad", 10) {
		r.Flags.Period = 0
	}
	if s.Spec.Flags.Strategy == tree.SimpleOneForOne {
		r.Flags.Strategy, r.Flags.AutoShutdown = tree.SimpleOneForOne, tree.Never
		r.Children = []tree.ChildSpec{c.specs.process(s.Spec.ID+"_template", r.Flags)}
		return r
	}
	for _, child := range s.Children {
		if child.Spec.Type == tree.Process && child.Spec.ID[0] == 'p' {
			r.Children = append(r.Children, c.specs.process(child.Spec.ID, r.Flags))
		}
	}
	if len(r.Children) > 1 {
		r.Children = rapid.Permutation(r.Children).Draw(c.T, "order")
	}
	return r
}
