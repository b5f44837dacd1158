package tree_test

import (
	"testing"

	"coppice/tree"
)

// While one process is started, the next one of the same supervisor is what comes.
func TestUpcoming(t *testing.T) {
	tr := tree.New(tree.ChildSpec{
		ID: "root", Type: tree.Supervisor, Flags: tree.Flags{Period: 5},
		Children: []tree.ChildSpec{{ID: "a"}, {ID: "b"}, {ID: "s", Type: tree.Supervisor, Flags: tree.Flags{Period: 5}}},
	}, tree.Options{})
	out := tr.Step(1, tree.Boot{})
	for _, want := range []string{"b", ""} {
		start, ok := out.Actions[0].(tree.Start)
		if !ok {
			t.Fatalf("the actions are %v", out.Actions)
		}
		if next, ok := tr.Upcoming(start.ID); next.ID != want || ok != (want != "") {
			t.Errorf("after %s comes %q, want %q", start.ID, next.ID, want)
		}
		out = tr.Step(2, tree.Started{Ref: start.Ref, PID: 7})
	}
	if next, ok := tr.Upcoming("a"); ok {
		t.Errorf("%s comes, and nothing is being started", next.ID)
	}
	if _, ok := tr.Upcoming("nobody"); ok {
		t.Error("something comes after nobody")
	}
}
