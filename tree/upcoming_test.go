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

// A process that has died while its supervisor is busy comes again as far as anybody knows,
// until the supervisor has come to it: here it is stopped, of which nothing is told.
func TestExpects(t *testing.T) {
	tr := tree.New(tree.ChildSpec{
		ID: "root", Type: tree.Supervisor, Flags: tree.Flags{Period: 5, Intensity: 1},
		Children: []tree.ChildSpec{{ID: "a"}, {ID: "b"}},
	}, tree.Options{})
	refs := map[string]tree.Ref{}
	for out := tr.Step(1, tree.Boot{}); len(out.Actions) > 0; {
		start := out.Actions[0].(tree.Start)
		refs[start.ID] = start.Ref
		out = tr.Step(1, tree.Started{Ref: start.Ref, PID: 7})
	}
	expects := func(when string, a, b bool) {
		t.Helper()
		if tr.Expects("a") != a || tr.Expects("b") != b {
			t.Errorf("%s: expected are a (%v) and b (%v)", when, tr.Expects("a"), tr.Expects("b"))
		}
	}
	expects("up", true, true)
	tr.Step(2, tree.Called{ID: 1, Request: tree.ShutdownTree{By: "test"}})
	tr.Step(3, tree.Exited{Ref: refs["a"], Exit: tree.Exit{Code: 1}})
	if !tr.Expects("a") {
		t.Error("its supervisor has not come to it, and it is expected no more")
	}
	tr.Step(4, tree.Exited{Ref: refs["b"], Exit: tree.Exit{Signal: "SIGTERM"}})
	expects("down", false, false)
	if tr.Expects("nobody") {
		t.Error("nobody is expected")
	}
}
