package tree_test

import (
	"testing"

	"coppice/tree"
)

// The span that a process chooses for its watchdog holds for its incarnation, in another
// runtime too.
func TestWatchdogSet(t *testing.T) {
	now := tree.New(tree.ChildSpec{
		ID: "root", Type: tree.Supervisor, Flags: tree.Flags{Intensity: 1, Period: tree.Second},
		Children: []tree.ChildSpec{{ID: "a"}},
	}, tree.Options{})
	now.Step(0, tree.Boot{})
	node := func() (tree.Ref, tree.Time) {
		now = reread(t, now)
		n, _ := now.Node("a")
		return tree.Ref{ID: "a", Generation: n.Generation}, n.Watchdog
	}
	ref, _ := node()
	now.Step(1, tree.Started{Ref: ref, PID: 100})
	set := tree.WatchdogSet{Ref: ref, Span: tree.Second}
	if !now.Heeds(2, set) {
		t.Error("it is not heeded")
	}
	now.Step(2, set)
	if _, span := node(); span != tree.Second || now.Heeds(3, set) {
		t.Errorf("it is %v, and heeded again %v", span, now.Heeds(3, set))
	}
	now.Step(3, tree.Exited{Ref: ref, Exit: tree.Exit{Code: 1}})
	if again, span := node(); again == ref || span != 0 {
		t.Errorf("the next incarnation %v has %v", again, span)
	}
}
