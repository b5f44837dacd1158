package tree

import (
	"reflect"
	"slices"
)

// ChangeKind says what Apply does to one node.
type ChangeKind string

// The kinds of changes. Restarted is a change that stops and starts the
// process, Changed one that touches nothing that runs.
const (
	Added     ChangeKind = "added"
	Removed   ChangeKind = "removed"
	Changed   ChangeKind = "changed"
	Restarted ChangeKind = "restarted"
)

// Change is one line of what Apply will do (Diff) or has done (Reply).
type Change struct {
	Kind ChangeKind
	ID   string
	Type ChildType
	// Supervisor is the supervisor under which it stands.
	Supervisor string
	// Template says that it is the template of Supervisor; its instances go on as
	// they are.
	Template bool `json:",omitzero"`
	// What names the parts that differ, in the tree file's words ("intensity",
	// "order"); for a process's Start it is "start".
	What []string
	// Refusal and Cause are set when the change could not be completed: a start
	// that failed leaves the child stopped.
	Refusal Refusal
	Cause   string
}

// Diff lists what Apply would do to this tree now, in the order in which it
// would do it. A child that moves to another supervisor, or becomes another
// kind of child, is removed and added.
func (t *Tree) Diff(spec ChildSpec) []Change {
	return t.diff(spec, moved(t.root.spec, &spec))
}

// diff is Diff for who knows the moved names already.
func (t *Tree) diff(spec ChildSpec, moved map[string]bool) []Change {
	d := differ{tree: t, moved: moved}
	if what := supervisorDiff(t.root.spec, &spec); len(what) > 0 {
		d.add(Changed, &spec, "", what)
	}
	d.supervisor(t.root.spec, &spec)
	return d.changes
}

// differ collects the changes from one spec to another.
type differ struct {
	tree    *Tree
	moved   map[string]bool
	changes []Change
}

func (d *differ) add(kind ChangeKind, c *ChildSpec, supervisor string, what []string) {
	d.changes = append(d.changes, Change{Kind: kind, ID: c.ID, Type: c.Type, Supervisor: supervisor, What: what})
}

// all adds a child and everything below it.
func (d *differ) all(kind ChangeKind, c *ChildSpec, supervisor string) {
	d.add(kind, c, supervisor, nil)
	if c.Flags.Strategy == SimpleOneForOne {
		if n := d.tree.index[c.ID]; kind == Removed && n != nil && n.simple() {
			for x := range n.children.all() {
				d.add(kind, x.spec, c.ID, nil)
			}
		}
		return
	}
	for i := range c.Children {
		d.all(kind, &c.Children[i], c.ID)
	}
}

// supervisor compares one supervisor's children and then, in the same order,
// those of the supervisors among them.
func (d *differ) supervisor(old, new *ChildSpec) {
	if new.Flags.Strategy == SimpleOneForOne {
		if what := templateDiff(old, new); len(what) > 0 {
			d.add(Changed, &new.Children[0], new.ID, what)
			d.changes[len(d.changes)-1].Template = true
		}
		return
	}
	before := d.stay(old)
	after := d.stay(new)
	for i := len(old.Children) - 1; i >= 0; i-- {
		if c := &old.Children[i]; before[c.ID] == nil || after[c.ID] == nil {
			d.all(Removed, c, old.ID)
		}
	}
	for i := range new.Children {
		if c := &new.Children[i]; before[c.ID] == nil {
			d.all(Added, c, new.ID)
		}
	}
	for i := range new.Children {
		c := &new.Children[i]
		if was := before[c.ID]; was != nil {
			d.child(was, c, new.ID)
		}
	}
	for i := range new.Children {
		c := &new.Children[i]
		if was := before[c.ID]; was != nil && c.Type == Supervisor {
			d.supervisor(was, c)
		}
	}
}

// stay indexes the children of a supervisor that are under it before and after.
func (d *differ) stay(s *ChildSpec) map[string]*ChildSpec {
	m := make(map[string]*ChildSpec, len(s.Children))
	for i := range s.Children {
		if c := &s.Children[i]; !d.moved[c.ID] {
			m[c.ID] = c
		}
	}
	return m
}

// child compares one child that stays where it is.
func (d *differ) child(old, new *ChildSpec, supervisor string) {
	what := childDiff(old, new)
	if new.Type == Supervisor {
		what = append(what, supervisorDiff(old, new)...)
	}
	if len(what) == 0 {
		return
	}
	kind := Changed
	n := d.tree.index[new.ID]
	switch {
	case n == nil || new.Type == Supervisor:
	case n.present() && startDiffers(old, new), n.parent != nil && n.state == Finished && new.Restart == Temporary:
		kind = Restarted
	}
	d.add(kind, new, supervisor, what)
}

// moved are the names that stand under another supervisor, or are of another
// type, in the new spec.
func moved(old, new *ChildSpec) map[string]bool {
	type place struct {
		supervisor string
		kind       ChildType
		simple     bool
	}
	places := map[string]place{}
	var walk func(s *ChildSpec, visit func(c *ChildSpec, at place))
	walk = func(s *ChildSpec, visit func(c *ChildSpec, at place)) {
		for i := range s.Children {
			c := &s.Children[i]
			simple := c.Flags.Strategy == SimpleOneForOne
			visit(c, place{s.ID, c.Type, simple})
			if !simple {
				walk(c, visit)
			}
		}
	}
	walk(old, func(c *ChildSpec, at place) { places[c.ID] = at })
	found := map[string]bool{}
	walk(new, func(c *ChildSpec, at place) {
		if was, ok := places[c.ID]; ok && was != at {
			found[c.ID] = true
		}
	})
	return found
}

// templateDiff names what differs between the templates of two SimpleOneForOne
// supervisors.
func templateDiff(old, new *ChildSpec) []string {
	if new.Flags.Strategy != SimpleOneForOne || len(old.Children) != 1 || len(new.Children) != 1 {
		return nil
	}
	return childDiff(&old.Children[0], &new.Children[0])
}

// startDiffers says that a running process has to be started anew for its
// change to have an effect.
func startDiffers(old, new *ChildSpec) bool {
	return old.Ready != new.Ready || !reflect.DeepEqual(old.Start, new.Start)
}

// childDiff names what differs in what a supervisor knows of a child.
func childDiff(old, new *ChildSpec) []string {
	var what []string
	note := func(differs bool, name string) {
		if differs {
			what = append(what, name)
		}
	}
	note(!reflect.DeepEqual(old.Start, new.Start), "start")
	note(old.Ready != new.Ready, "ready")
	note(old.Restart != new.Restart, "restart")
	note(old.Shutdown != new.Shutdown, "shutdown")
	note(old.Significant != new.Significant, "significant")
	note(old.StartTimeout != new.StartTimeout, "start_timeout")
	note(!reflect.DeepEqual(old.Success, new.Success), "success")
	note(!slices.Equal(old.OnExit, new.OnExit), "on_exit")
	note(old.Backoff != new.Backoff, "backoff")
	note(old.Health != new.Health, "health")
	note(old.BeforeStart != new.BeforeStart, "before_start")
	note(old.AfterExit != new.AfterExit, "after_exit")
	return what
}

// supervisorDiff names what differs in a supervisor's own settings.
func supervisorDiff(old, new *ChildSpec) []string {
	var what []string
	note := func(differs bool, name string) {
		if differs {
			what = append(what, name)
		}
	}
	note(old.Flags.Strategy != new.Flags.Strategy, "strategy")
	note(old.Flags.Intensity != new.Flags.Intensity, "intensity")
	note(old.Flags.Period != new.Flags.Period, "period")
	note(old.Flags.AutoShutdown != new.Flags.AutoShutdown, "auto_shutdown")
	note(old.Flags.MaxChildren != new.Flags.MaxChildren, "max_children")
	note(old.Rate != new.Rate, "restart_rate")
	note(!slices.Equal(common(old, new), common(new, old)), "order")
	return what
}

// common are the names of a's children that b has too, in a's order.
func common(a, b *ChildSpec) []string {
	has := make(map[string]bool, len(b.Children))
	for i := range b.Children {
		has[b.Children[i].ID] = true
	}
	var names []string
	for i := range a.Children {
		if has[a.Children[i].ID] {
			names = append(names, a.Children[i].ID)
		}
	}
	return names
}
