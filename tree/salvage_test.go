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
		case p.Alive && (n.PID != p.PID || !n.Adopted || n.State != tree.Up && n.State != tree.IsFrozen && !p.Stopping && !p.Killing):
			c.Fatalf("%s lives and is shown as %+v", id, n)
		}
	}
	interrupt(c.T, c.world)
}

// TestSalvageSituations salvages every state there is, with every choice of what
// lives of it.
func TestSalvageSituations(t *testing.T) {
	for _, s := range situations {
		for choice := range 1 << 4 {
			w := s.reach(t)
			for i, name := range []string{"a", "b", "c", "d"} {
				if p := w.Procs[name]; p != nil && choice>>i&1 == 0 {
					p.Alive = false
				}
			}
			w.Salvage(reread(t, w.Tree))
			interrupt(t, w)
			end(t, w)
			if err := w.Watch.Err(); err != nil {
				t.Fatalf("%s, %04b: %v", s.name, choice, err)
			}
		}
	}
}

// TestSalvageOrder: of a tree that was never booted, what does not live is
// started in order, below what lives too.
func TestSalvageOrder(t *testing.T) {
	tr := tree.New(family(nil), tree.Options{Seq: 7})
	out := tr.Salvage(5, []tree.Living{{Ref: tree.Ref{ID: "c", Generation: 9}, PID: 4711}, {Ref: tree.Ref{ID: "stranger", Generation: 12}, PID: 3}})
	if n, _ := tr.Node("c"); n.State != tree.Up || n.PID != 4711 || n.Generation != 9 || !n.Adopted || n.Since != 5 {
		t.Errorf("c is %+v", n)
	}
	for _, a := range out.Actions {
		if start, ok := a.(tree.Start); !ok || start.Generation <= 12 || start.ID == "c" {
			t.Errorf("%#v", a)
		}
	}
	if out.Reports[0].Seq != 8 || out.Reports[0].Request != "salvage" {
		t.Errorf("%+v", out.Reports[0])
	}
}
