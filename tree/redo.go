package tree

import (
	"cmp"
	"slices"
)

// Redo lists what was asked for and is not answered yet, in order of generation:
// Start for a process whose start is not answered, Stop for one that was asked to
// stop, after its Start if that is open too, and Kill in place of Stop for one
// that was killed, Freeze for one that is frozen, Draw for a delay in which chance
// has still to have its part, AfterExit for one that has ended and whose end is not
// complete. A runtime whose predecessor has died cannot know which
// of it was carried out. Signals are not among it: nothing answers them. Nor is the thaw of
// one that is not frozen: whoever lives and is not named here with Freeze is to run.
// Redo changes nothing.
func (t *Tree) Redo() []Action {
	var open []*node
	t.each(func(n *node) {
		if !n.isSupervisor() && (n.state == Starting && !n.alive || n.state == Stopping || n.frozen || n.undrawn > 0 || n.left != nil) {
			open = append(open, n)
		}
	})
	slices.SortFunc(open, func(a, b *node) int { return cmp.Compare(a.generation, b.generation) })
	var actions []Action
	for _, n := range open {
		if n.undrawn > 0 {
			actions = append(actions, Draw{n.ref()})
			continue
		}
		if !n.alive {
			actions = append(actions, Start{Ref: n.ref(), Spec: n.asBegun()})
		}
		if n.left != nil {
			actions = append(actions, n.afterExit())
		}
		switch {
		case n.frozen:
			actions = append(actions, Freeze{Ref: n.ref(), On: true})
		case n.state != Stopping || n.left != nil && !n.killing:
		case n.killing:
			actions = append(actions, Kill{n.ref()})
		default:
			actions = append(actions, Stop{n.ref()})
		}
	}
	return actions
}
