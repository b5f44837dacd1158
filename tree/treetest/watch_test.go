package treetest

import (
	"slices"
	"strings"
	"testing"

	"coppice/tree"
)

// TestWatchSees tells a Watch of Steps that no tree would take, each made of one
// that it did take.
func TestWatchSees(t *testing.T) {
	for _, c := range []struct {
		name, fault string
		bend        func(*tree.Output)
	}{
		{"as it is", "", func(*tree.Output) {}},
		{"a report twice", "comes where", func(o *tree.Output) { o.Reports = append(o.Reports, o.Reports[len(o.Reports)-1]) }},
		{"a report lost", "comes where", func(o *tree.Output) { o.Reports = o.Reports[1:] }},
		{"a cause to come", "caused by a later one", func(o *tree.Output) { o.Reports[0].Because = 1000 }},
		{"a start twice", "after generation", func(o *tree.Output) { o.Actions = append(o.Actions, start(o)) }},
		{"a start of one that waits", "is not answered", func(o *tree.Output) {
			again := start(o)
			again.Generation++
			o.Actions = append(o.Actions, again)
		}},
		{"a start of one that runs", "is alive", func(o *tree.Output) { o.Actions = []tree.Action{startOf("a")} }},
		{"a start of something else", "with the spec", func(o *tree.Output) {
			o.Actions = []tree.Action{tree.Start{Ref: startOf("d").Ref, Spec: startOf("e").Spec}}
		}},
		{"a stop of nobody", "which is not there", func(o *tree.Output) { o.Actions = append(o.Actions, tree.Stop{Ref: startOf("z").Ref}) }},
		{"a stop twice", "asked to stop twice", func(o *tree.Output) {
			o.Actions = append(o.Actions, tree.Stop{Ref: start(o).Ref}, tree.Stop{Ref: start(o).Ref})
		}},
		{"a reply to nobody", "nobody waits for it", func(o *tree.Output) { o.Actions = append(o.Actions, tree.Reply{ID: 7}) }},
		{"an early halt", "there are still", func(o *tree.Output) { o.Actions = append(o.Actions, tree.Halt{}) }},
		{"two steps at once", "at once", func(o *tree.Output) { tell(o, tree.StartBegun, "a", 2) }},
		{"a sweep the wrong way", "wrong way", func(o *tree.Output) {
			tell(o, tree.StartDone, "b", 0)
			tell(o, tree.StartBegun, "a", 2)
		}},
		{"a stop after the starts", "after it has started", func(o *tree.Output) {
			tell(o, tree.StartDone, "b", 0)
			tell(o, tree.StopBegun, "a", 2)
		}},
		{"too many restarts", "too many restarts", func(o *tree.Output) {
			tell(o, tree.RestartBegun, "a", 0)
			tell(o, tree.RestartBegun, "a", 0)
		}},
		{"a temporary child again", "temporary child", func(o *tree.Output) {
			tell(o, tree.RestartBegun, "a", 0)
			tell(o, tree.StartDone, "b", 0)
			tell(o, tree.StartBegun, "t", 8)
		}},
	} {
		w, before, out := booting()
		c.bend(&out)
		w.Watch.step(before, out)
		switch err := w.Watch.Err(); {
		case c.fault == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)):
			t.Errorf("%s: %v, want a fault with %q", c.name, err, c.fault)
		}
	}
}

// booting is a world whose root [a, t, b] has started a and t and now starts b: the
// last Step is given, and not yet told to the Watch. The start of the root is report
// 2, the latest one is 7.
func booting() (*World, []tree.Event, tree.Output) {
	child := func(id string, r tree.RestartType) tree.ChildSpec {
		return tree.ChildSpec{ID: id, Restart: r, Success: decent}
	}
	w := NewWorld(tree.ChildSpec{
		ID: "root", Type: tree.Supervisor, Flags: tree.Flags{Intensity: 1, Period: tree.Second},
		Children: []tree.ChildSpec{child("a", tree.Permanent), child("t", tree.Temporary), child("b", tree.Permanent)},
	}, tree.Options{})
	w.Step(tree.Boot{})
	w.Step(w.Begin(w.Procs["a"]))
	events := []tree.Event{w.Begin(w.Procs["t"])}
	out := w.Tree.Step(w.Now, events...)
	return w, events, tree.Output{Reports: slices.Clone(out.Reports), Actions: slices.Clone(out.Actions)}
}

func start(o *tree.Output) tree.Start { return o.Actions[0].(tree.Start) }

func startOf(id string) tree.Start {
	return tree.Start{Ref: tree.Ref{ID: id, Generation: 99}, Spec: &tree.ChildSpec{ID: id}}
}

// tell adds a report.
func tell(o *tree.Output, k tree.Kind, node string, because uint64) {
	last := o.Reports[len(o.Reports)-1]
	o.Reports = append(o.Reports, tree.Report{Seq: last.Seq + 1, Because: because, Kind: k, Node: node})
}
