package tree_test

import (
	"testing"

	"pgregory.net/rapid"

	"coppice/tree"
)

// TestSalvageLater plays on after the tree was saved and then lets it begin again
// from there, or from nothing: with what lives now. Nothing that must not happen
// happens, the living are up, and the tree comes to rest and ends as asked.
func TestSalvageLater(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newChaos(t, tree.Options{OTP: rapid.Float64Range(0, 1).Draw(t, "otp") < 0.2})
		early := func(name string, most int) {
			for range rapid.IntRange(0, most).Draw(t, name) {
				c.happen()
			}
		}
		early("before", 40)
		old := reread(t, c.world.Tree)
		early("after", 20)
		if rapid.IntRange(0, 4).Draw(t, "new") == 0 {
			old = tree.New(clone(c.spec), c.opts)
		}
		c.salvage(old)
		early("later", 20)
		c.comeToRest()
		if c.world.Halt == nil {
			c.end()
		}
	})
}

// salvage goes on with another tree, which must then have all that lives.
func (c *chaos) salvage(old *tree.Tree) {
	c.log = nil
	out := c.world.Salvage(old)
	c.check()
	if c.world.Halt != nil {
		return
	}
	adopted := map[string]bool{}
	for _, r := range out.Reports {
		adopted[r.Node] = adopted[r.Node] || r.Kind == tree.ChildAdopted
	}
	for id, p := range c.world.Procs {
		n, ok := c.world.Tree.Node(id)
		switch {
		case p.Answered && !adopted[id], !ok:
			c.Fatalf("%s lives and is not adopted", id)
		case p.Alive && (n.PID != p.PID || !n.Adopted || n.State != tree.Up && !p.Stopping && !p.Killing):
			c.Fatalf("%s lives and is shown as %+v", id, n)
		}
	}
	interrupt(c.T, c.world)
}
