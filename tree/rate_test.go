package tree_test

import (
	"fmt"
	"slices"
	"testing"

	"coppice/tree"
	"coppice/tree/treetest"
)

// TestHerd lets 200 processes die at once: no window has more starts than the budget
// allows, the queue is served in its order and to its end, and not a moment late. A
// runtime that dies after every Step changes nothing.
func TestHerd(t *testing.T) {
	herd(t, 200, func(*treetest.World) {})
	herd(t, 40, func(w *treetest.World) { interrupt(t, w) })
}

func herd(t *testing.T, herd int, trouble func(*treetest.World)) {
	const burst = 20
	root := tree.ChildSpec{
		ID: "root", Type: tree.Supervisor, Rate: tree.Rate{PerSecond: 10, Burst: burst},
		Flags: tree.Flags{Intensity: -1, Period: tree.Second},
	}
	for i := range herd {
		root.Children = append(root.Children, process(fmt.Sprintf("p%03d", i), nil))
	}
	w := treetest.NewWorld(root, tree.Options{})
	trouble(w)
	w.Step(tree.Boot{})
	rest(t, w)
	w.Now = 7 * tree.Second
	var ends []tree.Event
	for _, p := range w.Find(alive) {
		ends = append(ends, w.End(p, tree.Exit{Code: 1}))
	}
	slices.Reverse(ends)
	w.Step(ends...)

	var order []string
	var times []tree.Time
	for len(order) < herd {
		for _, p := range w.Find(pending) {
			order, times = append(order, p.ID), append(times, w.Now)
			w.Step(w.Begin(p))
		}
		if list := w.Find(pending); len(list) > 0 {
			continue
		}
		at, ok := w.Tree.Deadline()
		if !ok {
			break
		}
		if at <= w.Now {
			t.Fatalf("at %v the deadline is %v", w.Now, at)
		}
		w.Now = at
		w.Step(tree.Tick{})
	}
	if err := w.Watch.Err(); err != nil || len(order) != herd {
		t.Fatalf("%d are started: %v", len(order), err)
	}
	for i, at := range times {
		if want := 7*tree.Second + tree.Time(max(0, i+1-burst))*tree.Second/10; at != want {
			t.Errorf("start %d is at %v, not at %v", i, at, want)
		}
		if want := ends[i].(tree.Exited).ID; order[i] != want {
			t.Errorf("start %d is that of %s, not of %s", i, order[i], want)
		}
	}
}

// TestBudgetFillsAgain: a quiet time fills it, and no more than that.
func TestBudgetFillsAgain(t *testing.T) {
	root := tree.ChildSpec{
		ID: "root", Type: tree.Supervisor, Rate: tree.Rate{PerSecond: 3, Burst: 2},
		Flags:    tree.Flags{Intensity: -1, Period: tree.Second},
		Children: []tree.ChildSpec{process("a", nil)},
	}
	w := treetest.NewWorld(root, tree.Options{})
	w.Step(tree.Boot{})
	rest(t, w)
	const third = tree.Second / 3
	for i, end := range []struct{ after, held tree.Time }{
		{0, 0}, {0, 0}, {0, third}, {0, third}, {third - 1, 1}, {100 * tree.Second, 0}, {0, 0}, {0, third},
	} {
		w.Now += end.after
		exit(w, "a", 1)
		n, _ := w.Tree.Node("a")
		if held := max(n.Until-w.Now, 0); held != end.held || (held > 0) != (n.State == tree.BackingOff) {
			t.Errorf("end %d: it is %s for %d, not for %d", i, n.State, held, end.held)
		}
		rest(t, w)
	}
}
