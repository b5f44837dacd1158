package tree_test

import (
	"testing"

	"coppice/tree"
)

// Who runs when its template changes stays what it was started as, in another runtime
// too; its next incarnation is what the template says then.
func TestBegun(t *testing.T) {
	spec := func(start string) tree.ChildSpec {
		return tree.ChildSpec{ID: "root", Type: tree.Supervisor, Flags: tree.Flags{Period: tree.Second}, Children: []tree.ChildSpec{{
			ID: "pool", Type: tree.Supervisor, Flags: tree.Flags{Strategy: tree.SimpleOneForOne, Intensity: 1, Period: tree.Second},
			Children: []tree.ChildSpec{{ID: "job", Start: start}},
		}}}
	}
	now := tree.New(spec("old"), tree.Options{})
	now.Step(0, tree.Boot{})
	now.Step(1, tree.Called{ID: 1, Request: tree.StartChild{Supervisor: "pool", Spec: tree.ChildSpec{ID: "a"}}})
	ref := func() tree.Ref {
		n, _ := now.Node("a")
		return tree.Ref{ID: "a", Generation: n.Generation}
	}
	begun := func(want string) {
		t.Helper()
		now = reread(t, now)
		if n, _ := now.Node("a"); n.Begun != want || n.Spec.Start != "new" {
			t.Errorf("it was begun as %v, and is to be %v", n.Begun, n.Spec.Start)
		}
	}
	now.Step(2, tree.Started{Ref: ref(), PID: 100})
	now.Step(3, tree.Called{ID: 2, Request: tree.Apply{Spec: spec("new")}})
	begun("old")
	now.Step(4, tree.Exited{Ref: ref(), Exit: tree.Exit{Code: 1}})
	begun("new")
}
