package treetest

import "coppice/tree"

// known is a node as it was last seen.
type known struct {
	tree.Status
	parent string
	place  int // in its supervisor's list, from 1; 0: it is in none
}

// look takes a snapshot of the tree as it is after the Step.
func (w *Watch) look() {
	w.before, w.nodes = w.nodes, map[string]known{}
	w.take(w.world.Tree.Status(), "")
	for name, k := range w.before {
		if now, ok := w.nodes[name]; ok && now.Spec.Restart == tree.Temporary && k.Spec.Restart != tree.Temporary {
			w.exempt(now.parent, name)
		}
	}
}

func (w *Watch) take(s tree.Status, parent string) {
	if _, ok := w.nodes[s.Spec.ID]; ok {
		w.fail("there are two nodes of the name %s", s.Spec.ID)
	}
	w.nodes[s.Spec.ID] = known{Status: s, parent: parent}
	w.above[s.Spec.ID] = parent
	for _, c := range s.Children {
		w.take(c, s.Spec.ID)
	}
	children, _ := w.world.Tree.WhichChildren(s.Spec.ID)
	for i, c := range children {
		k := w.nodes[c.Spec.ID]
		k.place = i + 1
		w.nodes[c.Spec.ID] = k
	}
}

// snapshot compares what the tree shows with what it was told.
func (w *Watch) snapshot() {
	var next tree.Time
	for name, k := range w.nodes {
		if k.Until > 0 && (next == 0 || k.Until < next) {
			next = k.Until
		}
		if k.Spec.Type == tree.Process {
			w.process(name, k)
		}
		if single, ok := w.world.Tree.Node(name); !ok || single.State != k.State || single.Generation != k.Generation {
			w.fail("Node shows %s as %v %v, Status as %v", name, ok, single, k.Status)
		}
	}
	due, ok := w.world.Tree.Deadline()
	switch {
	case w.halted && ok:
		w.fail("a tree that has ended has a deadline")
	case !w.halted && (due != next || ok != (next != 0)) && len(w.hidden()) == 0:
		w.fail("the deadline is %d, and the first that the nodes show is %d", due, next)
	case ok && due < w.world.Now:
		w.fail("the deadline %d has passed at %d", due, w.world.Now)
	}
	for id := range w.hidden() {
		if _, ok := w.world.Tree.Node(id); !ok {
			w.fail("%s is there, and the tree does not know it", id)
		}
	}
}

// hidden are the processes that no list shows: a child that StartChild starts is
// its supervisor's only when it has started.
func (w *Watch) hidden() map[string]bool {
	hidden := map[string]bool{}
	for _, m := range []map[string]tree.Generation{w.asked, w.live, w.hooks} {
		for id := range m {
			if _, ok := w.nodes[id]; !ok {
				hidden[id] = true
			}
		}
	}
	return hidden
}

// process checks one process's state against what the tree was told.
func (w *Watch) process(name string, k known) {
	asked, waits := w.asked[name]
	live, runs := w.live[name]
	hook, ends := w.hooks[name]
	switch k.State {
	case tree.Up, tree.IsFrozen, tree.IsUnkillable:
		if !runs || live != k.Generation {
			w.fail("%s is shown running, and generation %d is not", name, k.Generation)
		}
	case tree.Starting, tree.Stopping:
		if !(waits && asked == k.Generation) && !(runs && live == k.Generation) && !(ends && hook == k.Generation) {
			w.fail("%s is shown %s, and there is nothing to wait for", name, k.State)
		}
	case tree.Restarting, tree.Finished: // also what has ended and whose end is not complete
		if waits || runs {
			w.fail("%s is shown %s, and is there", name, k.State)
		}
	default:
		if waits || runs || ends {
			w.fail("%s is shown %s, and is there", name, k.State)
		}
	}
	if (k.PID != 0) != runs {
		w.fail("%s has the pid %d, and it is %v that it runs", name, k.PID, runs)
	}
}

// AtRest checks a tree that has nothing to wait for.
func (w *Watch) AtRest() {
	for id, r := range w.open {
		w.fail("call %d, %#v, is never answered", id, r)
	}
	for name, k := range w.nodes {
		switch k.State {
		case tree.Starting, tree.Stopping, tree.Restarting, tree.BackingOff:
			w.fail("%s is %s for ever", name, k.State)
		}
	}
}
