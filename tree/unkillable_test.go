package tree_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"coppice/tree"
	"coppice/tree/treetest"
)

// TestEndsBesideUnkillable lets some processes hang, at any time and for ever. The tree
// ends when it is asked to, whatever it was in the middle of, names them, and everybody
// has an answer.
func TestEndsBesideUnkillable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newChaos(t, tree.Options{})
		interrupt(t, c.world)
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			c.happen()
		}
		for _, p := range c.world.Find(alive) {
			p.Hangs = rapid.Bool().Draw(t, "hangs")
			if p.Hangs && rapid.Bool().Draw(t, "ended") {
				c.step(tree.Survives{Ref: p.Ref, Cause: "pid 1 (state D)"})
			}
		}
		c.beside(rapid.IntRange(0, 10).Draw(t, "requests"))
		if c.world.Halt != nil {
			return
		}
		c.step(c.call(tree.ShutdownTree{By: "down"}))
		c.oblige()
		hanging := c.world.Find(hangs)
		if c.endless(hanging) {
			c.step(c.call(tree.ShutdownTree{Kill: true, By: "SIGINT"})) // else it has for ever to stop
			c.oblige()
		}
		if halt := c.world.Halt; halt == nil || halt.Left == "" && len(hanging) > 0 {
			t.Fatalf("%d processes hang, and the tree has ended with %+v\n%s", len(hanging), halt, statusText(c.world.Tree.Status(), ""))
		}
		c.world.Watch.AtRest()
		c.check()
	})
}

func hangs(p *treetest.Process) bool { return p.Alive && p.Hangs }

// endless says that one of these is given for ever to start or to stop.
func (c *chaos) endless(hanging []*treetest.Process) bool {
	return slices.ContainsFunc(hanging, func(p *treetest.Process) bool {
		n, _ := c.world.Tree.Node(p.ID)
		return n.State == tree.Starting || n.State == tree.Stopping && n.Spec.Shutdown.Timeout == tree.Infinity && !p.Killing
	})
}

// beside makes requests while some processes hang. Each Apply is answered.
func (c *chaos) beside(requests int) {
	for range requests {
		r := c.request()
		call, number := c.world.Call(r)
		c.step(call)
		if rapid.Bool().Draw(c.T, "calm") {
			continue
		}
		c.oblige()
		_, applies := r.(tree.Apply)
		if _, answered := c.world.Replies[number]; applies && !answered && !c.endless(c.world.Find(hangs)) {
			c.Fatalf("nobody answers %+v", r)
		}
	}
}

// oblige does all that the tree asks for, as far as it can be done.
func (c *chaos) oblige() {
	for range restMax {
		e := c.world.Oblige()
		if e == nil {
			return
		}
		c.step(e)
	}
	if !c.specs.restless {
		c.Fatalf("the tree does not come to rest: %+v", c.world.Tree.Status())
	}
}

func statusText(s tree.Status, in string) string {
	out := in + s.Spec.ID + " " + string(s.State) + " " + s.Waits + "\n"
	for _, c := range s.Children {
		out += statusText(c, in+"  ")
	}
	return out
}
